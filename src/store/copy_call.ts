import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { encodeValue } from "../value/codec/encode_value.ts";
import { MissingChunkError } from "../value/file/file_content.ts";
import { withoutUses } from "./known_uses.ts";
import { digestsOf } from "./sweep.ts";
import type { Stores } from "./stores.ts";

/**
 * Copies a call: its values, then its record, so that no record names a value that is not there. A
 * signature is left behind: whoever keeps the copy signs it.
 *
 * @param found Its record.
 * @param from Where its values are.
 * @param to Where the copy goes.
 * @returns Whether the call was copied; not when its result is missing or damaged.
 */
export async function copyCall(
  found: CallRecord,
  from: Stores,
  to: Stores,
): Promise<boolean> {
  const { signature: _, ...record } = withoutUses(found);
  const copied = await copyValues(record, from, to);
  if (!copied.has(record.result)) return false;
  const args = record.args.map(({ value, ...argument }) =>
    value !== undefined && copied.has(value) ? { ...argument, value } : argument
  );
  await to.calls.put({ ...record, args });
  return true;
}

/**
 * Copies the values of a call.
 *
 * @param from Where they are.
 * @param to Where copies go.
 * @returns Which were copied; none when the result is missing or damaged, as the others are of no use
 * then.
 */
export async function copyValues(
  record: CallRecord,
  from: Stores,
  to: Stores,
): Promise<ReadonlySet<Digest>> {
  const copied = new Set<Digest>();
  for (const digest of digestsOf(record)) {
    if (await copyValue(digest, from, to)) copied.add(digest);
    else if (digest === record.result) break;
  }
  return copied;
}

async function copyValue(digest: Digest, from: Stores, to: Stores): Promise<boolean> {
  const found = await from.values.get(digest);
  if (!found.hit) return false;
  const encoded = encodeValue(found.value);
  // What is not as its digest says is damaged, and nobody wants a copy of it.
  if (encoded.digest !== digest) return false;
  try {
    await to.values.put(encoded);
  } catch (error) {
    // Of files, only what they consist of was read so far.
    if (error instanceof MissingChunkError) return false;
    throw error;
  }
  return true;
}
