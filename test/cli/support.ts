/** The program in this process, with what it prints. */

import { main } from '../../lib/cli/main';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function stridenet(...argv: string[]): Promise<Outcome> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await main(argv, { out: (line) => void out.push(line), err: (line) => void err.push(line), interactive: false });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

/** The object that --json prints. */
export function jsonOf({ out }: Outcome): Record<string, unknown> {
  return JSON.parse(out.trimEnd().split('\n').at(-1)!) as Record<string, unknown>;
}
