/** Modules as text, as PyTorch's repr: the tree of layers with their options, like neighbours folded into one line. */

import { className, PLAIN, printed, type Style } from '../graph/inspect';
import { printableName } from '../printable';

/** What is needed of a Module. */
export interface PrintableModule {
  namedChildren(): [string, PrintableModule][];
  extraRepr(): string;
}

/** Modules that are printed; of larger models the rest is left out. */
const MOST = 5000;
/** Levels that are printed: a call stack holds more, a reader does not. */
const DEEPEST = 100;

/**
 * `Net(\n  (conv): Conv2d(3, 64, kernelSize: [7, 7])\n  (0-2): 3 x Block(...)\n)`
 * @param style its depth counts levels of modules that have children
 */
export function formatModule(root: PrintableModule, style: Style = PLAIN): string {
  return new Writer(style).write(root, Math.min(style.depth, DEEPEST), []).text;
}

interface Written {
  readonly text: string;
  /** Modules in it. */
  readonly count: number;
  /** Depends on where the module stands. */
  readonly circular: boolean;
}

class Writer {
  private count = 0;
  /** The text of each module at each depth, so that a module in many places is written once. */
  private readonly written = new Map<PrintableModule, Map<number, Written>>();

  constructor(private readonly style: Style) {}

  write(module: PrintableModule, depth: number, ancestors: readonly PrintableModule[]): Written {
    const name = className(module);
    if (ancestors.includes(module)) return { text: this.style.stylize(`[Circular ${name}]`, 'special'), count: 1, circular: true };
    const known = this.written.get(module)?.get(depth);
    if (known) {
      this.count += known.count;
      return known;
    }
    const before = this.count++;
    let circular = false;
    const text = printed(name, this.style, () => {
      const opening = `${this.style.stylize(name, 'special')}(`;
      const extra = String(module.extraRepr());
      const children = module.namedChildren();
      if (children.length === 0) return `${opening}${extra})`;
      if (depth <= 0 || this.count > MOST) return `${opening}...)`;
      const lines: Line[] = [];
      for (const [childName, child] of children) {
        if (this.count > MOST) {
          lines.push({ first: '', last: '', times: 1, text: '...' });
          break;
        }
        const inner = this.write(child, depth - 1, [...ancestors, module]);
        circular ||= inner.circular;
        fold(lines, printableName(childName), inner.text);
      }
      return `${opening}${extra}\n${lines.map((line) => indent(formatLine(line))).join('\n')}\n)`;
    });
    const result = { text, count: this.count - before, circular };
    if (!circular) {
      const byDepth = this.written.get(module) ?? new Map<number, Written>();
      this.written.set(module, byDepth.set(depth, result));
    }
    return result;
  }
}

/** One child, or several that are alike and numbered one after the other. */
interface Line {
  readonly first: string;
  last: string;
  times: number;
  readonly text: string;
}

function fold(lines: Line[], name: string, text: string): void {
  const before = lines.at(-1);
  if (before?.text === text && follows(before.last, name)) {
    before.last = name;
    before.times++;
  } else {
    lines.push({ first: name, last: name, times: 1, text });
  }
}

/** Whether `name` is the number after `before`: blocks.3 after blocks.2. */
function follows(before: string, name: string): boolean {
  const [stem, number] = split(before);
  const [nextStem, next] = split(name);
  return stem === nextStem && /^\d+$/.test(number) && next === String(Number(number) + 1);
}

/** `blocks.` and `2` */
function split(name: string): [stem: string, number: string] {
  const at = name.lastIndexOf('.') + 1;
  return [name.slice(0, at), name.slice(at)];
}

function formatLine({ first, last, times, text }: Line): string {
  if (first === '') return text;
  return times === 1 ? `(${first}): ${text}` : `(${first}-${split(last)[1]}): ${times} x ${text}`;
}

function indent(text: string): string {
  return `  ${text.replaceAll('\n', '\n  ')}`;
}
