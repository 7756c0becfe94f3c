import { sleep } from "../base/abortable.ts";
import type { CallRecord } from "../call/call_record.ts";
import { isNoRoom } from "../disk/room.ts";
import type { Digest } from "../value/value.ts";
import type { CallStore, Stores, SweepOptions, SweepResult, ValueSweeper } from "./stores.ts";

/**
 * Lists the values that a record names: they are to stay for as long as the record does.
 *
 * @param record The record of a call.
 * @returns The digests of the result and of the arguments that are stored; some may be equal.
 */
export function digestsOf({ result, args }: CallRecord): Digest[] {
  const digests = [result];
  for (const { value } of args) if (value !== undefined) digests.push(value);
  return digests;
}

/** How long this works before others may run, in milliseconds. */
const SLICE = 20;

/** How much is rewritten. */
export type Rewrite = Omit<SweepOptions, "horizon">;

/**
 * Drops the values that no record names: marks what can be reached from records, and sweeps.
 *
 * The horizon comes first, then the records, then the sweep: a call that is in flight at the first
 * moment either has its record at the second, or has stored its values after the horizon.
 *
 * @param stores What to sweep.
 * @param gracePeriod For how long values are kept that belong to no call in flight, in milliseconds.
 * @param rewrite How much is rewritten.
 * @returns What was dropped.
 * @throws {TypeError} When the stores cannot drop values.
 */
export async function sweepStores(
  stores: Stores,
  gracePeriod: number,
  rewrite: Rewrite = {},
): Promise<SweepResult> {
  const { sweeper, readOnly, namers = [stores] } = stores;
  if (sweeper === undefined || readOnly === true) {
    const state = readOnly === true ? "it is read-only" : "its store cannot drop values";
    throw new TypeError(`Cannot collect the garbage of this cache: ${state}`);
  }
  const sweep = async () => {
    const horizon = await sweeper.horizon(gracePeriod);
    const live = new Set<Digest>();
    for (const { calls, failures } of namers) {
      await mark(calls, sweeper, live);
      for (const { args } of await failures?.records() ?? []) markValues(args, sweeper, live);
    }
    return await sweeper.sweep(live, { horizon, ...rewrite });
  };
  try {
    return await sweep();
  } catch (error) {
    const { hesitation = 0 } = sweeper;
    if (hesitation === 0 || !isNoRoom(error)) throw error;
    // On a full disk only what is wholly unwanted can go, and what was put just now may be in its way.
    await sleep(hesitation);
    return await sweep();
  }
}

function markValues(args: CallRecord["args"], sweeper: ValueSweeper, live: Set<Digest>): void {
  for (const { value } of args) if (value !== undefined) markValue(value, sweeper, live);
}

function markValue(digest: Digest, sweeper: ValueSweeper, live: Set<Digest>): void {
  if (live.has(digest)) return;
  live.add(digest);
  if (sweeper.findsParts === true) return;
  for (const part of sweeper.describe(digest)?.parts ?? []) live.add(part);
}

async function mark(calls: CallStore, sweeper: ValueSweeper, live: Set<Digest>): Promise<void> {
  const markRecord = (record: CallRecord) => {
    markValue(record.result, sweeper, live);
    markValues(record.args, sweeper, live);
  };
  let since = performance.now();
  const records = calls.allRecords?.() ?? calls.records();
  if (!(Symbol.iterator in records)) {
    for await (const record of records) markRecord(record);
    return;
  }
  for (const record of records) {
    markRecord(record);
    if (performance.now() - since < SLICE) continue;
    await new Promise((resolve) => setTimeout(resolve, 0));
    since = performance.now();
  }
}
