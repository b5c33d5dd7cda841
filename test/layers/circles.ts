/** Circles among files that import each other. */

/** By file: the files that it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** A circle as `a -> b -> a`, or undefined when there is none. */
export function findCircle(graph: ImportGraph): string | undefined {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string | undefined => {
    if (finished.has(file)) return undefined;
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file].join(' -> ');
    path.push(file);
    for (const imported of graph.get(file) ?? []) {
      const circle = visit(imported);
      if (circle !== undefined) return circle;
    }
    path.pop();
    finished.add(file);
    return undefined;
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle !== undefined) return circle;
  }
  return undefined;
}
