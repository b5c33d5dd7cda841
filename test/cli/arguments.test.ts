import { helpOf, parseArguments, UsageError, type Command } from '../../lib/cli/arguments';

const command: Command = {
  name: 'cook',
  operands: 'DISH...',
  operandCount: [1, 2],
  purpose: 'Cooks.',
  options: {
    minutes: { value: 'N', default: '10', help: 'how long' },
    salt: { value: 'X', help: 'how much' },
    pan: { value: 'NAME', help: 'in which' },
    hot: { help: 'serve hot' },
  },
  run: () => 0,
};
const parse = (...argv: string[]) => parseArguments(command, argv)!;

describe('parseArguments', () => {
  it('reads values, switches, defaults and operands in any order', () => {
    const args = parse('--salt', '0.5', 'soup', '--hot', '--pan=big=one', 'rice');
    expect(args.operands).toEqual(['soup', 'rice']);
    expect(args.integer('minutes', 1)).toBe(10);
    expect(args.number('salt', 0)).toBe(0.5);
    expect(args.text('pan')).toBe('big=one');
    expect([args.flag('hot'), parse('soup').flag('hot')]).toEqual([true, false]);
    expect(parse('soup').number('salt', 0)).toBeUndefined();
    expect(parse('--', '--soup').operands).toEqual(['--soup']);
    expect(parse('soup', '--salt', '1e-3').number('salt', 0)).toBe(0.001);
  });

  it.each<[string, () => unknown, string]>([
    ['an unknown option', () => parse('soup', '--minuts', '3'), 'Unknown option --minuts. Did you mean --minutes?'],
    ['an unknown option that resembles none', () => parse('soup', '--xyzzy'), 'Unknown option --xyzzy.'],
    ['a name of the prototype', () => parse('soup', '--constructor'), 'Unknown option --constructor.'],
    ['a short option', () => parse('soup', '-m'), 'Unknown option -m.'],
    ['a value left out at the end', () => parse('soup', '--salt'), '--salt expects a value: --salt X.'],
    ['a value left out before an option', () => parse('soup', '--pan', '--hot'), '--pan expects a value: --pan NAME.'],
    ['a value for a switch', () => parse('soup', '--hot=yes'), '--hot takes no value.'],
    ['too few operands', () => parse('--hot'), 'stridenet cook expects DISH....'],
    ['too many operands', () => parse('a', 'b', 'c'), 'does not know what to do with "c"'],
    [
      'a fraction for an integer',
      () => parse('soup', '--minutes', '1.5').integer('minutes', 1),
      '--minutes expects an integer of at least 1 but got "1.5".',
    ],
    ['an integer below its least', () => parse('soup', '--minutes', '0').integer('minutes', 1), 'at least 1 but got "0"'],
    ['a hexadecimal integer', () => parse('soup', '--minutes', '0x10').integer('minutes', 1), 'but got "0x10"'],
    [
      'a number that is none',
      () => parse('soup', '--salt', 'much').number('salt', 0),
      '--salt expects a number of at least 0 but got "much".',
    ],
    ['a number out of range', () => parse('soup', '--salt', '-1').number('salt', 0, 1), '--salt expects a number in [0, 1] but got "-1".'],
    ['infinity', () => parse('soup', '--salt', 'Infinity').number('salt', 0), 'but got "Infinity"'],
    [
      'another choice',
      () => parse('soup', '--pan', 'larg').choice('pan', ['small', 'large']),
      '--pan expects small or large but got "larg". Did you mean "large"?',
    ],
    ['a required option left out', () => parse('soup').required('salt'), '--salt X is required.'],
  ])('refuses %s', (_, action, message) => {
    expect(action).toThrow(UsageError);
    expect(action).toThrow(message);
  });

  it('gives up its reading for help', () => {
    expect(parseArguments(command, ['--help'])).toBeUndefined();
    expect(parseArguments(command, ['-h'])).toBeUndefined();
    expect(helpOf(command)).toBe(
      [
        'Usage: stridenet cook DISH... [options]',
        '',
        'Cooks.',
        '',
        'Options:',
        '  --minutes N  how long (default 10)',
        '  --salt X     how much',
        '  --pan NAME   in which',
        '  --hot        serve hot',
        '  --help       print this help',
      ].join('\n'),
    );
  });
});
