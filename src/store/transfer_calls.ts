import { BOOLEAN, checkOptions } from "../base/check_options.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Digest } from "../value/value.ts";
import { copyCall } from "./copy_call.ts";
import { toUseSets } from "./known_uses.ts";
import { isSameCall } from "./rekey.ts";
import type { Stores, UseSet } from "./stores.ts";

export { rekeyStores } from "./rekey.ts";

/** How calls go from one cache to another. */
export interface TransferOptions {
  /**
   * Whether a call that the other cache knows already is replaced there, whichever is newer.
   *
   * @default {false}
   */
  overwrite?: boolean;
  /**
   * Whether calls are moved: what was copied is forgotten here, each call once the other cache has
   * it. What the other cache knew already stays here, too, unless it is the very same record, as
   * after a move that was stopped.
   *
   * @default {false}
   */
  pop?: boolean;
}

/** What became of the calls. */
export interface TransferResult {
  /** How many were copied. */
  readonly copied: number;
  /** How many the other cache knew already: it has kept its own. */
  readonly kept: number;
  /** How many could not be copied: their result is missing or damaged, or was not kept there. */
  readonly failed: number;
}

/**
 * Copies or moves calls.
 *
 * @param records The records of the calls.
 * @param from Where they are.
 * @param to Where they go.
 * @param options What becomes of those that are there already, and of those that were copied.
 * @returns What became of them.
 * @throws {TypeError} When a cache is read-only that is to be changed, or when calls are to be moved
 * within one cache.
 */
export async function transferCalls(
  records: AsyncIterable<CallRecord>,
  from: Stores,
  to: Stores,
  options: TransferOptions,
): Promise<TransferResult> {
  checkOptions("transfer calls", options, { overwrite: BOOLEAN, pop: BOOLEAN });
  const { overwrite = false, pop = false } = options;
  if (to.readOnly) throw new TypeError("Cannot transfer calls into this cache: it is read-only");
  if (pop) checkMove(from, to);
  const counts = { copied: 0, kept: 0, failed: 0 };
  const uses: UseSet[] = [];
  const moved: Digest[] = [];
  for await (const record of records) {
    const state = await transfer(record, from, to, overwrite, pop);
    counts[state]++;
    if (state === "failed") continue;
    uses.push(...toUseSets(record.uses ?? [], record.key));
    if (pop && state === "copied") moved.push(record.key);
  }
  to.uses?.carry(uses);
  from.uses?.forget(moved);
  return counts;
}

async function transfer(
  record: CallRecord,
  from: Stores,
  to: Stores,
  overwrite: boolean,
  pop: boolean,
): Promise<keyof TransferResult> {
  {
    // Whoever computes the key there now will store a newer record, and need not be waited for.
    using _lease = to.leases.tryAcquire(record.key);
    const known = await getHit(to, record.key);
    // The very same was copied by a move that was stopped before it was forgotten here.
    const isCopy = pop && isSameCall(known, record);
    if (known !== undefined && !overwrite && !isCopy) return "kept";
    if (!isCopy && !await copyCall(record, from, to)) return "failed";
  }
  // A cache may be full, or keep nothing at all.
  if (!pop) return await to.calls.get(record.key) === undefined ? "failed" : "copied";
  if (await getHit(to, record.key) === undefined) return "failed";
  using _lease = from.leases.tryAcquire(record.key);
  // What was stored here meanwhile is another one.
  if (isSameCall(await from.calls.get(record.key), record)) await from.calls.delete(record.key);
  return "copied";
}

/** A record without its value is none: what replaces it is welcome. */
async function getHit({ calls, values }: Stores, key: Digest): Promise<CallRecord | undefined> {
  const record = await calls.get(key);
  if (record === undefined) return undefined;
  try {
    return (await values.get(record.result)).hit ? record : undefined;
  } catch (error) {
    // Bytes that are whole, but of nothing that can be decoded.
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** What is forgotten here must not be what was just copied. */
function checkMove(from: Stores, to: Stores): void {
  if (from.readOnly) throw new TypeError("Cannot move calls out of this cache: it is read-only");
  const places = new Set(placesOf(from));
  if (!placesOf(to).some((place) => places.has(place))) return;
  throw new TypeError("Cannot move calls: one cache is a part of the other; copy them");
}

/** Where the records of a cache lie, however it was made. */
function placesOf(stores: Stores): unknown[] {
  const { layers, description, calls } = stores;
  if (layers !== undefined) return layers.flatMap(placesOf);
  return [description !== undefined && "path" in description ? toPlace(description.path) : calls];
}

/** A cache may be open under two names. */
function toPlace(path: string): string {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return path;
    throw error;
  }
}
