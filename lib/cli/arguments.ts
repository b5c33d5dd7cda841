/**
 * Command line arguments: a command declares its options once, and the same table parses them, checks them and prints the help.
 * It knows no command.
 */

import { parseArgs } from 'node:util';
import { formatValue, nearest } from '../errors';

export interface OptionSpec {
  /** Stands for the value in the help; absent for a switch. */
  readonly value?: string | undefined;
  readonly help: string;
  /** Used when the option is not given, and shown in the help. */
  readonly default?: string;
  /** Whether it may be given several times: `list` has all values. Of others the last counts. */
  readonly repeats?: boolean;
}

export interface Command {
  readonly name: string;
  /** What follows the name, such as 'MODEL IMAGE...'. */
  readonly operands: string;
  /** Least and greatest number of operands. */
  readonly operandCount: readonly [number, number];
  readonly purpose: string;
  readonly options: Readonly<Record<string, OptionSpec>>;
  /** Returns the exit code. */
  run(args: Arguments, terminal: Terminal): number | Promise<number>;
}

/** Where a command writes: results and errors. Each call is a line. */
export interface Terminal {
  out(line: string): void;
  err(line: string): void;
  /** Whether a person watches standard error. */
  readonly interactive: boolean;
}

/** The command was called wrongly: exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Checked access to what was given. Every method throws UsageError for a value that is out of place. */
export class Arguments {
  constructor(
    readonly operands: readonly string[],
    private readonly values: ReadonlyMap<string, string>,
    private readonly options: Readonly<Record<string, OptionSpec>>,
    private readonly lists: ReadonlyMap<string, readonly string[]> = new Map(),
  ) {}

  /** Whether a switch is set. */
  flag(name: string): boolean {
    return this.values.has(name);
  }

  /** All values given of an option that repeats. */
  list(name: string): readonly string[] {
    return this.lists.get(name) ?? [];
  }

  /** The value given or the default. */
  text(name: string): string | undefined {
    return this.values.get(name) ?? this.options[name]?.default;
  }

  /** What was given alone. */
  withoutDefaults(): Arguments {
    const options = Object.entries(this.options).map(([name, { value, help }]) => [name, { value, help }] as const);
    return new Arguments(this.operands, this.values, Object.fromEntries(options));
  }

  required(name: string): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`--${name} ${this.options[name]?.value ?? ''} is required.`);
    return value;
  }

  /** An integer of at least `min`. */
  integer(name: string, min: number): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number) || number < min) {
      throw new UsageError(`--${name} expects an integer of at least ${min} but got ${formatValue(value)}.`);
    }
    return number;
  }

  /** A finite number in [min, max]. */
  number(name: string, min: number, max = Infinity): number | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const number = value.trim() === '' ? NaN : Number(value);
    if (!Number.isFinite(number) || number < min || number > max) {
      const range = max === Infinity ? `of at least ${min}` : `in [${min}, ${max}]`;
      throw new UsageError(`--${name} expects a number ${range} but got ${formatValue(value)}.`);
    }
    return number;
  }

  /** One of `choices`. */
  choice<T extends string>(name: string, choices: readonly T[]): T | undefined {
    const value = this.text(name);
    if (value === undefined) return undefined;
    const found = choices.find((choice) => choice === value);
    if (found !== undefined) return found;
    const near = nearest(value, choices);
    throw new UsageError(
      `--${name} expects ${choices.join(' or ')} but got ${formatValue(value)}.${near ? ` Did you mean "${near}"?` : ''}`,
    );
  }
}

const HELP: OptionSpec = { help: 'print this help' };

/**
 * Reads the arguments after the command's name.
 * @returns undefined when help was asked for
 * @throws UsageError
 */
export function parseArguments(command: Command, argv: readonly string[]): Arguments | undefined {
  const specs: Readonly<Record<string, OptionSpec>> = { ...command.options, help: HELP };
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, spec]) => [name, { type: spec.value ? 'string' : 'boolean' } as const]),
  );
  // Not strict: what is wrong is found here, so that the message can say what was meant.
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true,
  });
  const given = new Map<string, string>();
  const lists = new Map<string, string[]>();
  const operands: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    const spec = Object.hasOwn(specs, token.name) ? specs[token.name] : undefined;
    if (!spec) throw new UsageError(unknownOption(token.rawName, Object.keys(specs)));
    if (spec.value) {
      const missing = token.value === undefined || token.value === '' || (!token.inlineValue && /^-(?![\d.])/.test(token.value));
      if (missing) throw new UsageError(`${token.rawName} expects a value: ${token.rawName} ${spec.value}.`);
      given.set(token.name, token.value);
      if (spec.repeats) lists.set(token.name, [...(lists.get(token.name) ?? []), token.value]);
    } else {
      if (token.value !== undefined) throw new UsageError(`${token.rawName} takes no value.`);
      given.set(token.name, '');
    }
  }
  if (given.has('help')) return undefined;
  const [least, most] = command.operandCount;
  if (operands.length < least) throw new UsageError(`stridenet ${command.name} expects ${command.operands}.`);
  if (operands.length > most)
    throw new UsageError(`stridenet ${command.name} does not know what to do with ${formatValue(operands[most])}.`);
  return new Arguments(operands, given, command.options, lists);
}

/** The help of one command. */
export function helpOf(command: Command): string {
  const rows = Object.entries({ ...command.options, help: HELP }).map(([name, spec]) => {
    const note = spec.default === undefined ? '' : ` (default ${spec.default})`;
    return [`--${name}${spec.value ? ` ${spec.value}` : ''}`, spec.help + note] as const;
  });
  const width = Math.max(...rows.map(([option]) => option.length));
  return [
    `Usage: stridenet ${[command.name, command.operands, '[options]'].filter(Boolean).join(' ')}`,
    '',
    command.purpose,
    '',
    'Options:',
    ...rows.map(([option, help]) => `  ${option.padEnd(width)}  ${help}`),
  ].join('\n');
}

function unknownOption(rawName: string, names: readonly string[]): string {
  const near = nearest(rawName.replace(/^-+/, ''), names);
  return `Unknown option ${rawName}.${near ? ` Did you mean --${near}?` : ''}`;
}
