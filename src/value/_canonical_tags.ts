/**
 * Canonical bytes: what the digest of a value is the SHA-256 of.
 *
 * A value's bytes are the scheme's number ({@linkcode DIGEST_SCHEME}) and then one item. An item is
 * a tag byte and what follows it; every item says where it ends, so that no two values share their
 * bytes. `uint` is a LEB128 integer, `f64` a little-endian double, `text` an item of its own.
 *
 * | tag | followed by |
 * | --- | --- |
 * | `undefined`, `null`, `false`, `true`, `hole` | nothing (`hole`: uint, how many in a row) |
 * | `number` | f64; all NaNs are the quiet one without payload, -0 keeps its sign |
 * | `bigint` | text: hexadecimal, with `-` in front if negative |
 * | `text` | uint: UTF-16 code units, then the text as UTF-8 |
 * | `brokenText` | a text with lone surrogates. uint: UTF-16 code units, then these, little-endian |
 * | `object`, `nullObject` | uint: properties, then for each its key (text) and value (item) |
 * | `array` | uint: length, named properties as an object's, then the items and holes |
 * | `map`, `set` | uint: size, then for each entry its key and value, or its value |
 * | `date` | f64: milliseconds |
 * | `regexp` | source (text), flags (text) |
 * | `boxed` | the primitive inside (item) |
 * | `error` | class (text), name (text), message and stack (text or `undefined`), then `cause`, `errors`, `error`, `suppressed` as far as present: how many (number), for each its name (text) and value (item); then the other own enumerable properties, likewise |
 * | `instance` | class name (text), what its `[digestSymbol]()` returns (item) |
 * | `part` | 32 bytes: the digest of an array or buffer of at least `SPLIT_BYTES` |
 * | `seen` | uint: which object, counted in the order of their first visit |
 * | `ancestor` | uint: how many levels up, 1 being the object around |
 * | a kind of array ({@linkcode VALUE_KIND}) | uint: bytes, then these, little-endian |
 *
 * The exact digest keeps the order of keys and entries and writes any object it met before as
 * `seen`. The argument digest sorts keys by their UTF-16 code units and entries by their canonical
 * bytes, writes `nullObject` as `object`, leaves out stacks, and knows only `ancestor`, so that it
 * does not depend on what is shared.
 *
 * @module
 */

/** The version of these rules: the first byte of everything that is digested. */
export const DIGEST_SCHEME = 1;

/** The tags, beside the numbers of array kinds. */
export const TAG = {
  undefined: 32,
  null: 33,
  false: 34,
  true: 35,
  number: 36,
  bigint: 37,
  text: 38,
  brokenText: 39,
  object: 40,
  nullObject: 41,
  array: 42,
  hole: 43,
  map: 44,
  set: 45,
  date: 46,
  regexp: 47,
  boxed: 48,
  error: 49,
  instance: 50,
  part: 51,
  seen: 52,
  ancestor: 53,
} as const;
