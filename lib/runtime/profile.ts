/** The table that STRIDENET_PROFILE prints: where a program's time went, by instruction. */

export interface ProfileRow {
  readonly list: 'prepare' | 'step';
  readonly opcode: string;
  readonly name: string;
  readonly seconds: number;
}

/** The rows that took time, the longest first, with their share. */
export function formatProfile(title: string, rows: readonly ProfileRow[]): string {
  const total = rows.reduce((sum, row) => sum + row.seconds, 0);
  const sorted = rows.filter((row) => row.seconds > 0).sort((a, b) => b.seconds - a.seconds);
  const lines = sorted.map(({ list, opcode, name, seconds }) => {
    const share = `${((100 * seconds) / total).toFixed(1)}%`;
    const label = [opcode, name, list === 'prepare' ? '(prepare)' : ''].filter(Boolean).join(' ');
    return `${(1e3 * seconds).toFixed(3).padStart(12)} ms ${share.padStart(7)}  ${label}`;
  });
  return [`stridenet profile, ${title}: ${(1e3 * total).toFixed(3)} ms`, ...lines].join('\n');
}
