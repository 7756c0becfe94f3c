/**
 * Canonical bytes: what the digest of a value is the SHA-256 of. `src/bag/FORMAT.md` specifies them
 * ("Digests"); every item says where it ends, so that no two values share their bytes.
 *
 * The exact digest keeps the order of keys and entries, and tells what is shared. The argument
 * digest leaves both out, so that it does not depend on what a caller would not think of.
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
  url: 54,
  urlSearchParams: 55,
} as const;
