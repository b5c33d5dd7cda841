/** JSON of strangers: the same answers as JSON.parse, in parts, within limits. */

import { parseJson, readJsonMembers } from '../../lib/io/json';

const LIMITS = { depth: 8, members: 100_000, memberBytes: 1 << 20 };
const read = (text: string, limits = LIMITS): Promise<Map<string, unknown>> => readJsonMembers(Buffer.from(text), limits, 'texts');

/** The same text, so long that it is read in parts. */
const stretched = (text: string): string => text.replace('{', `{${' '.repeat(70_000)}`);

const value = { dtype: 'F32', shape: [1, 2], 'quote " \\ { [ , } ]': 'ä日\u0000', nested: { a: [1] } };

test.each([0, 1, 2, 3, 500, 5000])('objects of %d members are as JSON.parse has them', async (count) => {
  const object = Object.fromEntries(
    Array.from({ length: count }, (_, i) => [`${'n'.repeat(i % 300)} "${i}"`, i % 7 === 0 ? 'x'.repeat(i) : value]),
  );
  for (const text of [JSON.stringify(object), `${JSON.stringify(object, null, 2)}  \n`, stretched(JSON.stringify(object))]) {
    expect(Object.fromEntries(await read(text))).toEqual(JSON.parse(text));
  }
});

test('a long object of strings among the members', async () => {
  const texts = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`key ${i}`, `{[,"${i}`]));
  const object = { a: value, texts, b: value };
  expect(Object.fromEntries(await read(JSON.stringify(object)))).toEqual(object);
  await expect(read(JSON.stringify({ texts: { ...texts, bad: [] } }))).rejects.toThrow('more than 1 deep');
  await expect(read(`{"texts":${JSON.stringify(texts)}x}`)).rejects.toThrow('not JSON');
});

const long = Array.from({ length: 9000 }, (_, i) => `"${i}":1`).join(','); // more than one part

test.each([
  ['', 'does not begin'], ['[]', 'does not begin'], ['{', 'ends in the middle'], ['{"a', 'in the middle of a string'], ['{"a\\"', 'in the middle of a string'],
  ['{"a":1]', 'something follows'], ['{"a":1}}', 'something follows'], ['{"a":1} x', 'something follows'], ['{"a":[}]}', 'not JSON'], ['{"a":{]}', 'not JSON'],
  ['{,}', 'not JSON|comma'], ['{"a":1,}', 'not JSON|comma'], ['{"a":1,,"b":2}', 'not JSON|comma'], ['{"a":1 "b":2}', 'not JSON'], ['{"a"}', 'not JSON'], ['{a:1}', 'not JSON'],
  ['{"a":1,"a":2}', 'two members of one name'], [`{${long},}`, 'not JSON|comma without a member'], [`{,${long}}`, 'not JSON|comma'], [`{${long},"0":1}`, 'two members of one name'],
  [`{${long},,${long}}`, 'not JSON|comma'], ['{"a":[[[[[[[[]]]]]]]]}', 'more than 8 deep'], ['{"a":"\u001b[31m', 'middle of a string'], ['{"a":\u001b[31m}', 'not JSON'],
])('number %# is refused', async (text, message) => {
  const error = await read(stretched(text)).then(() => undefined, (e: unknown) => e as Error); // prettier-ignore
  expect(error?.message.split('\n')[0]).toMatch(new RegExp(message));
  expect(error?.message).not.toContain('\u001b');
}); // prettier-ignore

test('limits', async () => {
  await expect(read(`{${long}}`, { ...LIMITS, members: 8999 })).rejects.toThrow('more than 8999 members');
  await expect(read(JSON.stringify({ a: 'x'.repeat(100_000) }), { ...LIMITS, memberBytes: 50_000 })).rejects.toThrow(
    'a member takes 100006 bytes',
  );
  await expect(read(stretched(JSON.stringify({ a: 1 })), { ...LIMITS, depth: 1 })).resolves.toEqual(new Map([['a', 1]]));
  expect(parseJson('{"a":["[[["]}', 2)).toEqual({ a: ['[[['] });
  expect(() => parseJson('[[[1]]]', 2)).toThrow('more than 2 deep');
  expect(() => parseJson('[1', 2)).toThrow('not JSON');
  expect(() => parseJson('"a', 2)).toThrow('not JSON');
});

test('every cut and every changed byte of a text gets the answer of JSON.parse', async () => {
  const text = JSON.stringify({ 'a"\\': [1, { b: '}' }], c: '日', d: {} });
  const check = async (changed: string): Promise<void> => {
    let expected: unknown;
    try {
      expected = JSON.parse(changed);
    } catch {
      // refused
    }
    const isObject = typeof expected === 'object' && expected !== null && !Array.isArray(expected) && changed.startsWith('{');
    const short = await read(changed).then((members) => Object.fromEntries(members), () => undefined); // prettier-ignore
    expect(short).toEqual(isObject ? expected : undefined);
    const found = await read(stretched(changed)).then((members) => Object.fromEntries(members), () => undefined); // prettier-ignore
    if (found !== undefined) expect(found).toEqual(expected);
    else if (isObject) expect(new Set(changed.match(/"[a-d][^:]*":/g)).size).toBeLessThan(4); // two of one name
  };
  for (let i = 0; i < text.length; i++) {
    await check(text.slice(0, i));
    for (const c of '{}[],:"\\ 1a') await check(text.slice(0, i) + c + text.slice(i + 1));
  }
});
