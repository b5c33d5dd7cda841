/** Text from files, options and the environment on its way to a terminal. */

/** What a terminal obeys or reorders text by instead of showing it. */
const ACTIVE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Most names by far; telling so is quicker than looking for what is active, and every node of a graph asks. */
const PLAIN = /^[ -~]*$/;

/** Text of several lines in which every active character but newline and tab is written as JSON writes it: `\u001b`. */
export function printable(text: string): string {
  return text.replace(ACTIVE, (character) => (character === '\n' || character === '\t' ? character : escaped(character)));
}

/** A name within a line: newline and tab are written out too. */
export function printableName(text: string): string {
  return PLAIN.test(text) ? text : text.replace(ACTIVE, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
