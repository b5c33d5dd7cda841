/** stridenet doctor: what this installation runs on, and whether it computes correctly. */

import { StridenetError } from '../../errors';
import { tensor } from '../../graph/leaves';
import * as ops from '../../ops';
import { printableName } from '../../printable';
import { bindingFile, fromNative, nativeInfo } from '../../runtime/binding';
import '../../runtime/evaluate';
import { packageVersion } from '../../version';
import type { Arguments, Command, Terminal } from '../arguments';

/** The environment variables that the native code reads. */
const SWITCHES = ['STRIDENET_ISA', 'STRIDENET_THREADS', 'STRIDENET_PROFILE', 'STRIDENET_VALIDATE', 'STRIDENET_PLAN'];

export const doctor: Command = {
  name: 'doctor',
  operands: '',
  operandCount: [0, 0],
  purpose:
    'Says which native binary was loaded, its instruction sets and threads, and checks a small computation. Exit code 1 when something is wrong.',
  options: { json: { help: 'print the result as one JSON object, last line of standard output' } },
  run,
};

async function run(args: Arguments, terminal: Terminal): Promise<number> {
  const json = args.flag('json');
  const machine = {
    version: packageVersion(),
    node: process.version,
    platform: `${process.platform}-${process.arch}`,
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => name.startsWith('STRIDENET_'))),
  };
  const print = (label: string, text: string): void => terminal.out(`${label.padEnd(16)} ${text}`);
  if (!json) {
    print('stridenet', machine.version);
    print('node', `${machine.node}, ${machine.platform}`);
    for (const [name, value] of Object.entries(machine.env)) {
      print(name, printableName(value ?? '') + (SWITCHES.includes(name) ? '' : ' (unknown: it changes nothing)'));
    }
  }
  try {
    const binary = bindingFile();
    const { isa, availableIsas, threads, threadsSource, cores, compiler } = nativeInfo();
    if (!json) {
      print('binary', `${binary} (${compiler})`);
      print('instruction set', `${isa} (this processor can use ${availableIsas.join(', ')})`);
      print('threads', `${threads} of ${cores} cores, set by ${threadsSource}`);
    }
    await checkComputation();
    if (json) terminal.out(JSON.stringify({ ok: true, ...machine, binary, isa, availableIsas, threads, threadsSource, cores, compiler }));
    else print('computation', 'correct');
    return 0;
  } catch (thrown) {
    const error = fromNative(thrown);
    const code = error instanceof StridenetError ? error.code : undefined;
    const problem = error instanceof Error ? error.message : String(error);
    if (json) terminal.out(JSON.stringify({ ok: false, ...machine, code, problem }));
    terminal.err(`stridenet: ${code ? `${code}: ` : ''}${problem}`);
    return 1;
  }
}

/** The 3x3 input and 2x2 kernel of the course (d2l.ai, 7.2). */
async function checkComputation(): Promise<void> {
  const x = tensor([[[[0, 1, 2], [3, 4, 5], [6, 7, 8]]]]); // prettier-ignore
  const found = (await ops.conv2d(x, tensor([[[[0, 1], [2, 3]]]])).data()).join(' '); // prettier-ignore
  if (found !== '19 25 37 43') {
    throw new StridenetError(
      'ERR_NATIVE_UNAVAILABLE',
      `The native binary computes wrongly: a convolution should give 19 25 37 43 but gave ${found}.`,
    );
  }
}
