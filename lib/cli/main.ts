#!/usr/bin/env node
/** The program `stridenet`: finds the command, runs it, and turns its outcome into lines and an exit code. */

import { formatValue, nearest, StridenetError } from '../errors';
import { MODELS } from '../models/catalogue';
import { helpOf, parseArguments, UsageError, type Command, type Terminal } from './arguments';
import { bench } from './commands/bench';
import { doctor } from './commands/doctor';
import { evaluate } from './commands/evaluate';
import { predict } from './commands/predict';
import { summary } from './commands/summary';
import { sweep } from './commands/sweep';
import { train } from './commands/train';
import { outputEnded } from './interruption';
import { printable } from '../printable';
import { packageVersion } from '../version';

const COMMANDS: readonly Command[] = [train, sweep, evaluate, predict, summary, bench, doctor];

/** Exit code 0: done; 1: an error, as `stridenet: CODE: message` on standard error; 2: wrong usage; above 128: interrupted. */
export async function main(argv: readonly string[], watched: Terminal): Promise<number> {
  // Whatever a name in a file or an argument holds, the terminal shows it and does not obey it.
  const terminal: Terminal = {
    out: (text) => watched.out(printable(text)),
    err: (text) => watched.err(printable(text)),
    interactive: watched.interactive,
  };
  const [name, ...rest] = argv;
  let command: Command | undefined;
  try {
    if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
      (name === undefined ? terminal.err : terminal.out)(overview());
      return name === undefined ? 2 : 0;
    }
    if (name === '--version') {
      terminal.out(packageVersion());
      return 0;
    }
    command = COMMANDS.find((candidate) => candidate.name === name);
    if (!command) throw new UsageError(unknownCommand(name));
    const args = parseArguments(command, rest);
    if (args) return await command.run(args, terminal);
    terminal.out(helpOf(command));
    return 0;
  } catch (error) {
    if (error instanceof UsageError) {
      terminal.err(`stridenet: ${error.message}\nRun "stridenet ${command ? `${command.name} ` : ''}--help" for help.`);
      return 2;
    }
    if (error instanceof StridenetError) terminal.err(`stridenet: ${error.code}: ${error.message}`);
    else
      terminal.err(
        `stridenet: unexpected error, please report it: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    return 1;
  }
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  return [
    'Usage: stridenet COMMAND [options]',
    '',
    ...COMMANDS.map(({ name, purpose }) => `  ${name.padEnd(width)}  ${purpose.split('. ')[0]!.replace(/\.$/, '')}`),
    '',
    `Models: ${Object.keys(MODELS).join(', ')}`,
    'Run "stridenet COMMAND --help" for its options.',
  ].join('\n');
}

function unknownCommand(name: string): string {
  const names = COMMANDS.map((command) => command.name);
  const near = nearest(name, names);
  return `There is no command ${formatValue(name)}. ${near ? `Did you mean "${near}"?` : `Commands: ${names.join(', ')}.`}`;
}

/** A sweep holds a channel to each of its trainings: when it is killed, they end in order and nobody trains on for nothing. */
function endWithParent(): void {
  if (!process.channel) return;
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  process.channel.unref(); // being done is no reason to wait for the parent
}

if (require.main === module) {
  process.stdout.on('error', outputEnded);
  // Nobody reads the output any more.
  process.stderr.on('error', () => undefined);
  endWithParent();
  const terminal: Terminal = {
    out: (line) => void process.stdout.write(`${line}\n`),
    err: (line) => void process.stderr.write(`${line}\n`),
    interactive: process.stderr.isTTY === true,
  };
  void main(process.argv.slice(2), terminal).then((code) => {
    process.exitCode = code;
  });
}
