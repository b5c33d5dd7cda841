import { findCircle } from './circles';

const graph = (edges: Readonly<Record<string, readonly string[]>>): ReadonlyMap<string, readonly string[]> =>
  new Map(Object.entries(edges));

test('files may import the same file', () => {
  expect(findCircle(graph({ a: ['b', 'c'], b: ['d'], c: ['d', 'b'], d: [] }))).toBeUndefined();
});

test('a circle is named, without what leads to it', () => {
  expect(findCircle(graph({ a: ['b'], b: ['c', 'd'], c: [], d: ['e'], e: ['b'] }))).toBe('b -> d -> e -> b');
  expect(findCircle(graph({ a: ['a'] }))).toBe('a -> a');
});
