/** The environment variable that signing keys are read from. */
const VARIABLE = "QUIVER_SIGNING_KEY";

/** With fewer characters a key could be guessed. */
const SHORTEST = 16;

/** The option that every cache on disk has. */
export interface SigningOptions {
  /**
   * The keys that records are signed with: one, or a list of which the first signs and all verify; or
   * the name of an environment variable that holds them, separated by commas.
   *
   * With a key every record is signed, and the cache takes records without a good signature, and values that are not what
   * their digest says, for misses. An empty list means not to sign.
   *
   * If it is not given, keys are taken from the environment variable `QUIVER_SIGNING_KEY`, provided
   * that the program may read it already: permission is never asked for.
   */
  signingKey?: string | readonly string[] | { readonly environment: string };
}

/**
 * Finds the keys that were meant. No error ever quotes one.
 *
 * @param key What the user gave.
 * @returns The keys; none when nothing is signed.
 * @throws {TypeError} If a key is no text, or the environment variable that was asked for is not set.
 * @throws {RangeError} If a key is too short.
 */
export function toSigningKeys(key: SigningOptions["signingKey"]): readonly string[] {
  const keys = key === undefined ? readPermitted() : toList(key);
  for (const [index, key] of keys.entries()) {
    if (typeof key !== "string") {
      throw new TypeError(
        `Cannot sign with key ${
          index + 1
        } of ${keys.length}: it is no text; give \`signingKey\` strings`,
      );
    }
    const { length } = key;
    if (length >= SHORTEST) continue;
    throw new RangeError(
      `Cannot sign with key ${index + 1} of ${keys.length}: it has ${length} characters, and ` +
        `must have at least ${SHORTEST}; take 32 random bytes in hexadecimal`,
    );
  }
  return keys;
}

function toList(key: NonNullable<SigningOptions["signingKey"]>): readonly string[] {
  if (typeof key === "string") return [key];
  if (Array.isArray(key)) return key;
  const { environment }: { readonly environment?: unknown } = Object(key);
  if (typeof environment !== "string") {
    throw new TypeError(
      `Cannot sign: \`signingKey\` is a string, an array of strings or { environment: "NAME" }, ` +
        `and not ${key === null ? "null" : `a ${typeof key}`}`,
    );
  }
  const text = Deno.env.get(environment);
  if (text === undefined) {
    throw new TypeError(
      `Cannot sign with the key in "${environment}": the environment variable is not set`,
    );
  }
  return split(text);
}

function readPermitted(): readonly string[] {
  const { state } = Deno.permissions.querySync({ name: "env", variable: VARIABLE });
  return state === "granted" ? split(Deno.env.get(VARIABLE) ?? "") : [];
}

function split(text: string): readonly string[] {
  return text.split(",").map((key) => key.trim()).filter((key) => key !== "");
}
