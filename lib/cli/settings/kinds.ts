/** Kinds of settings: how a flag's text and a value of a config file are read and checked. */

import { checkBoolean, checkInteger, checkNumber, formatValue, nearest, readArray, StridenetError } from '../../errors';
import { checkMetricList } from '../../metrics/list';
import { create } from '../../transforms';
import { findKind } from '../../transforms/kinds';
import { UsageError, type Arguments } from '../arguments';
import { parseCall, parseCalls, type Call } from './calls';
import type { Presets, TransformSetting } from './presets';

/** A value of either origin becomes the same plain data. */
export interface Kind {
  /** Undefined when the flag is not given. @throws UsageError */
  ofFlag(args: Arguments, flag: string): unknown;
  /** @param where the file @param name path of the setting in it, 'config.epochs' @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
  ofFile(where: string, name: string, value: unknown): unknown;
}

export function integer(min: number): Kind {
  return {
    ofFlag: (args, flag) => args.integer(flag, min),
    ofFile: (where, name, value) => checkInteger(where, name, value, min),
  };
}

export function number(min: number, max = Infinity): Kind {
  return {
    ofFlag: (args, flag) => args.number(flag, min, max),
    ofFile: (where, name, value) => checkNumber(where, name, value, min, max),
  };
}

/** A flag without a value. */
export const yes: Kind = {
  ofFlag: (args, flag) => args.flag(flag) || undefined,
  ofFile: checkBoolean,
};

export const text: Kind = {
  ofFlag: (args, flag) => args.text(flag),
  ofFile: (where, name, value) => {
    if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
    throw invalid(where, `${name} to be a text`, value);
  },
};

/** One of some words. */
export function word(choices: readonly string[]): Kind {
  return {
    ofFlag: (args, flag) => args.choice(flag, choices),
    ofFile: (where, name, value) => {
      if (choices.includes(value as string)) return value;
      const near = typeof value === 'string' ? nearest(value, choices) : undefined;
      throw invalid(where, `${name} to be ${choices.map((choice) => `"${choice}"`).join(' or ')}`, value, near);
    },
  };
}

/** One of some numbers. */
export function numberOf(choices: readonly number[]): Kind {
  return {
    ofFlag: (args, flag) => {
      const given = args.choice(flag, choices.map(String));
      return given === undefined ? undefined : Number(given);
    },
    ofFile: (where, name, value) => {
      if (choices.includes(value as number)) return value;
      throw invalid(where, `${name} to be ${choices.join(' or ')}`, value);
    },
  };
}

/** Height and width of pictures. */
export const size: Kind = {
  ofFlag: (args, flag) => {
    const given = args.text(flag);
    if (given === undefined) return undefined;
    const extents = given.split(',').map((part) => (/^\d{1,5}$/.test(part) ? Number(part) : 0));
    if (isSize(extents)) return twice(extents);
    throw new UsageError(`--${flag} expects H,W or one number for both, in pixels, but got ${formatValue(given)}.`);
  },
  ofFile: (where, name, value) => {
    const extents = typeof value === 'number' ? [value] : readArray(value, 2);
    if (extents && isSize(extents)) return twice(extents);
    throw invalid(where, `${name} to be [height, width] or one number for both, in pixels`, value);
  },
};

function isSize(extents: readonly unknown[]): extents is number[] {
  return [1, 2].includes(extents.length) && extents.every((v) => Number.isSafeInteger(v) && (v as number) > 0);
}

function twice([height, width = height!]: readonly number[]): readonly number[] {
  return [height!, width];
}

/** A number of batches or, with a point, a share of them. */
export const batches: Kind = {
  ofFlag: (args, flag) => {
    const count = args.number(flag, 0);
    if (count === undefined || isBatches(count)) return count;
    throw new UsageError(`--${flag} expects a number of batches or, below 1, a share but got ${formatValue(args.text(flag))}.`);
  },
  ofFile: (where, name, value) => {
    if (isBatches(value)) return value;
    throw invalid(where, `${name} to be a number of batches or, below 1, a share`, value);
  },
};

function isBatches(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && (value < 1 || Number.isSafeInteger(value));
}

/** Names of metrics. */
export const metricNames: Kind = {
  ofFlag: (args, flag) => {
    const names = args
      .text(flag)
      ?.split(',')
      .map((name) => name.trim());
    return names && asUsage(() => checkNames(`--${flag}`, names));
  },
  ofFile: (where, name, value) => {
    const names = readArray(value);
    if (!names?.every((each) => typeof each === 'string'))
      throw invalid(where, `${name} to be names of metrics, such as ["accuracy", "top5"]`, value);
    return checkNames(`${name} of ${where}`, names);
  },
};

function checkNames(where: string, names: readonly string[]): readonly string[] {
  checkMetricList(where, names);
  return names;
}

/** Transforms of pictures, in order; a preset stands for several, whose arguments follow from the size of the pictures. */
export function transformList(presets: Presets): Kind {
  const names = Object.keys(presets);
  return {
    ofFlag: (args, flag) => {
      const given = args.text(flag);
      if (given === undefined) return undefined;
      return parseCalls(flag, given).map((call) => asUsage(() => transformOfCall(`--${flag}`, call, names)));
    },
    ofFile: (where, name, value) => {
      const entries = typeof value === 'string' ? [value] : readArray(value, 255);
      if (!entries)
        throw invalid(where, `${name} to be a name or an array such as [{ "name": "randomCrop", "size": 28, "padding": 2 }]`, value);
      return entries.map((entry, i) => {
        const at = `${name}[${i}]`;
        const given = typeof entry === 'string' ? { name: entry } : entry;
        if (typeof given !== 'object' || given === null || Array.isArray(given))
          throw invalid(where, `${at} to be a name or an object with one`, entry);
        return within(`${where}: `, () => checkTransform(at, given as Record<string, unknown>, names));
      });
    },
  };
}

function transformOfCall(where: string, { name, positional, named }: Call, presets: readonly string[]): TransformSetting {
  const names = presets.includes(name) ? [] : (findKind(where, name, presets).positional as readonly string[]);
  if (positional.length > names.length) {
    throw new UsageError(
      `${where}: ${name} takes ${names.length === 0 ? 'no argument' : names.join(', ')} without a name in front: write KEY=VALUE.`,
    );
  }
  const front = Object.fromEntries(positional.map((value, i) => [names[i]!, value]));
  const both = Object.keys(front).find((key) => Object.hasOwn(named, key));
  if (both !== undefined) throw new UsageError(`${where}: ${name} has ${both} twice.`);
  return checkTransform(where, { name, ...front, ...named }, presets);
}

/** @throws StridenetError ERR_INVALID_ARGUMENT, ERR_UNKNOWN_OPTION */
function checkTransform(
  where: string,
  { name, ...options }: Readonly<Record<string, unknown>>,
  presets: readonly string[],
): TransformSetting {
  if (presets.includes(name as string)) {
    const [option] = Object.keys(options);
    if (option === undefined) return { name: name as string };
    throw new StridenetError(
      'ERR_UNKNOWN_OPTION',
      `${where}: the preset ${String(name)} has no option "${option}". Name the transforms that it stands for, which --dry-run prints.`,
    );
  }
  const kind = findKind(where, name, presets);
  if (!kind.encode) {
    throw new StridenetError(
      'ERR_INVALID_ARGUMENT',
      `${where}: ${kind.name} mixes batches and is no transform of a picture. Use the setting ${kind.name}.`,
    );
  }
  within(`${where}: `, () => create(kind.name, options));
  return { name: kind.name, ...options };
}

/** Something by name with options, in a section of its own: `adamw` or `adamw:weightDecay=0.05` as a flag. */
export function named(names: readonly string[]): Kind {
  const refuse = (name: unknown): string => {
    const near = typeof name === 'string' ? nearest(name, names) : undefined;
    return `one of ${names.join(', ')} but got ${formatValue(name)}.${near ? ` Did you mean "${near}"?` : ''}`;
  };
  return {
    ofFlag: (args, flag) => {
      const given = args.text(flag);
      if (given === undefined) return undefined;
      const call = parseCall(flag, given);
      if (!names.includes(call.name)) throw new UsageError(`--${flag} expects ${refuse(call.name)}`);
      if (call.positional.length > 0) throw new UsageError(`--${flag}: ${call.name} takes its arguments by name: write KEY=VALUE.`);
      return { name: call.name, ...call.named };
    },
    ofFile: (where, name, value) => {
      const section = typeof value === 'string' ? { name: value } : (value as { name?: unknown });
      if (section.name !== undefined && !names.includes(section.name as string)) {
        throw new StridenetError('ERR_INVALID_ARGUMENT', `${where} expects ${name}.name to be ${refuse(section.name)}`);
      }
      return section;
    },
  };
}

/** @throws UsageError in place of a StridenetError */
export function asUsage<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof StridenetError) throw new UsageError(error.message);
    throw error;
  }
}

/** Says in a StridenetError where the fault is. */
export function within<T>(prefix: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof StridenetError) throw new StridenetError(error.code, `${prefix}${error.message}`, { cause: error });
    throw error;
  }
}

export function invalid(where: string, expected: string, got: unknown, near?: string): StridenetError {
  return new StridenetError(
    'ERR_INVALID_ARGUMENT',
    `${where} expects ${expected} but got ${formatValue(got)}.${near ? ` Did you mean "${near}"?` : ''}`,
  );
}
