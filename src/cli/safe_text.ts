/**
 * Texts that are safe to show: whatever anybody has put into a name, a value or an error, it moves no
 * cursor, changes no colour, begins no line and turns no text round.
 *
 * @module
 */

/**
 * What does something to a terminal or to the text around it: control characters, marks of direction,
 * separators of lines, invisible characters, halves of characters, and what is no character yet.
 */
const UNSAFE =
  /[\p{Cc}\u00ad\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b-\u200f\u2028-\u202f\u205f-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\p{Cs}\u{e0000}-\u{e0fff}]/gu;

const SHORT: { readonly [character: string]: string } = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\x1b": "\\x1b",
};

function escape(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return SHORT[character] ??
    (code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`);
}

/** Nearly all names and numbers are of these, and nothing in them has to be looked for. */
const PLAIN = /^[\x20-\x7e]*$/;

/** Makes a text safe that is to stand in one line. */
export function toSafeLine(text: string): string {
  return PLAIN.test(text) ? text : text.replaceAll(UNSAFE, escape);
}

/** Makes a text safe that may have several lines. */
export function toSafeText(text: string): string {
  return text.replaceAll(
    UNSAFE,
    (character) => character === "\n" || character === "\t" ? character : escape(character),
  );
}

/** Makes JSON safe, which stays the same JSON. */
export function toSafeJson(json: string): string {
  return PLAIN.test(json) ? json : json.replaceAll(UNSAFE, (character) =>
    Array.from(
      { length: character.length },
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
    ).join(""));
}
