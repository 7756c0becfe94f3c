import { assert, assertEquals } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { VerifyReport } from "../../src/bag/verify/report.ts";
import { BagCorruptError, BagFormatError } from "../../src/base/errors.ts";
import type { Found, ValueStore } from "../../src/store/stores.ts";
import { ENVIRONMENT, type StoredCall, verify } from "./_small_bag.ts";

/** What came of reading a bag: which calls are hits, or an error that says what is wrong. */
export type Reading =
  | { readonly hits: readonly number[] }
  | { readonly error: BagCorruptError | BagFormatError };

/** Reads all of a bag; fails on a wrong value, and on an error that is not clear. */
export async function readAll(
  path: string,
  calls: readonly StoredCall[],
  context: string,
): Promise<Reading> {
  try {
    await using files = await openBagFiles(path, { mode: "read", memoryBytes: 0 }, ENVIRONMENT);
    const hits: number[] = [];
    for (const [i, { key, argument, result }] of calls.entries()) {
      const record = await files.calls.get(key);
      if (record === undefined) continue;
      assertEquals([record.key, record.task], [key, "test"], context);
      const found = readValue(files.values, record.result);
      const input = readValue(files.values, record.args[0]?.value ?? "");
      if (found.hit) assertEquals(found.value, result, context);
      if (input.hit) assertEquals(input.value, argument, context);
      if (found.hit && input.hit) hits.push(i);
    }
    for (const record of files.calls.lines()) {
      assert(calls.some(({ key }) => key === record.key), `${context}: ${JSON.stringify(record)}`);
    }
    return { hits };
  } catch (error) {
    if (error instanceof BagCorruptError || error instanceof BagFormatError) return { error };
    throw new Error(context, { cause: error });
  }
}

/** A value whose bytes have their checksum and are none of ours is an error that says so. */
function readValue(values: ValueStore, digest: string): Found<unknown> {
  try {
    const found = values.get(digest);
    assert(!(found instanceof Promise));
    return found;
  } catch (error) {
    if (error instanceof SyntaxError && error.message.startsWith("Cannot decode a")) {
      return { hit: false };
    }
    throw error;
  }
}

/** Checks a bag; `undefined` where the check says by an error that there is no bag for it. */
export async function tryVerify(path: string, context: string): Promise<VerifyReport | undefined> {
  try {
    return await verify(path);
  } catch (error) {
    if (error instanceof BagFormatError) return undefined;
    throw new Error(context, { cause: error });
  }
}

/** Puts other content into a file, reads and checks the bag, and puts the old content back. */
export async function attack(
  path: string,
  file: string,
  content: Uint8Array,
  calls: readonly StoredCall[],
  context: string,
): Promise<Reading> {
  const original = Deno.readFileSync(`${path}/${file}`);
  Deno.writeFileSync(`${path}/${file}`, content);
  try {
    const reading = await readAll(path, calls, context);
    const report = await tryVerify(path, context);
    // What is not a hit is named; what is named may still be read.
    const whole = "hits" in reading && reading.hits.length === calls.length;
    const torn = report?.steps.some(({ unfinished }) => unfinished > 0) ?? false;
    assert(whole || torn || report?.sound !== true, `${context}: ${JSON.stringify(reading)}`);
    return reading;
  } finally {
    Deno.writeFileSync(`${path}/${file}`, original);
  }
}

/** Puts a number in that is larger than any file: as a length, a count or a place it is absurd. */
export function inflate(content: Uint8Array, at: number, number: bigint = 1n << 40n): Uint8Array {
  const inflated = new Uint8Array(content);
  const view = new DataView(inflated.buffer);
  if (at + 8 <= content.length) view.setBigUint64(at, number, true);
  return inflated;
}

/** Flips a bit of a byte. */
export function flip(content: Uint8Array, at: number): Uint8Array {
  const flipped = content.slice();
  flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
  return flipped;
}
