/** stridenet bench: how fast this package is on this machine, beside its peers. */

import { compare, type CompareOptions } from '../../bench/compare';
import { NETWORK_NAMES, type Mode } from '../../bench/networks';
import { PEERS, type PeerName } from '../../bench/peerProcess';
import { formatComparison, formatMemory } from '../../bench/table';
import { formatValue, nearest } from '../../errors';
import { binding } from '../../runtime/binding';
import { UsageError, type Arguments, type Command, type Terminal } from '../arguments';

const MODES: readonly Mode[] = ['inference', 'training'];

export const bench: Command = {
  name: 'bench',
  operands: 'inference|training',
  operandCount: [1, 1],
  purpose:
    'Measures networks beside other libraries on this machine. The peers take turns, each in a process of its own, and medians are compared.',
  options: {
    models: { value: 'A,B', help: 'networks to measure (default: those of bench/results)' },
    batch: { value: 'N,M', help: 'images at a time (default: by network)' },
    peers: { value: 'A,B', help: 'js, tfjs, ort, torch, or one of their variants, or none (default: by network)' },
    threads: { value: 'N', help: 'threads of every peer (default: those this process may use)' },
    rounds: { value: 'N', default: '7', help: 'turns of each peer' },
    seconds: { value: 'N', default: '2', help: 'measured time of each peer in a row of the table' },
    json: { help: 'print the result as one JSON object, last line of standard output' },
  },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const mode = MODES.find((known) => known === args.operands[0]);
  if (!mode) throw new UsageError(`stridenet bench expects ${MODES.join(' or ')} but got ${formatValue(args.operands[0])}.`);
  const options: CompareOptions = {
    mode,
    models: listOf(args, 'models')?.map((name) => checkName('models', name, NETWORK_NAMES)),
    batches: listOf(args, 'batch')?.map(checkBatch),
    peers: checkPeers(listOf(args, 'peers')),
    threads: args.integer('threads', 1) ?? binding().info().threads,
    rounds: args.integer('rounds', 1)!,
    seconds: args.number('seconds', 0)!,
  };
  const results = await compare(options, (what) => terminal.interactive && terminal.err(what));
  terminal.out(formatComparison(results));
  terminal.out(`\n${formatMemory(results)}`);
  if (args.flag('json')) terminal.out(JSON.stringify({ mode, results }));
  return 0;
}

function listOf(args: Arguments, name: string): string[] | undefined {
  return args
    .text(name)
    ?.split(',')
    .map((item) => item.trim());
}

function checkName(option: string, name: string, known: readonly string[]): string {
  if (known.includes(name)) return name;
  const near = nearest(name, known);
  throw new UsageError(
    `--${option} does not know ${formatValue(name)}. ${near ? `Did you mean "${near}"?` : `Known: ${known.join(', ')}.`}`,
  );
}

function checkBatch(text: string): number {
  if (/^\d+$/.test(text) && Number(text) >= 1 && Number(text) <= 65_536) return Number(text);
  throw new UsageError(`--batch expects integers of at least 1, such as 1,8, but got ${formatValue(text)}.`);
}

/** Families stand for their members. */
function checkPeers(names: readonly string[] | undefined): PeerName[] | undefined {
  if (!names) return undefined;
  if (names.length === 1 && names[0] === 'none') return [];
  const peers = (Object.keys(PEERS) as PeerName[]).filter((peer) => peer !== 'stridenet');
  const families = [...new Set(peers.map((peer) => PEERS[peer].family))];
  const known = [...families, ...peers.filter((peer) => !families.includes(peer))];
  const chosen = names.flatMap((name) => {
    checkName('peers', name, known);
    return peers.filter((peer) => peer === name || PEERS[peer].family === name);
  });
  return [...new Set(chosen)];
}
