import type { Cache } from "@quiver/quiver";
import type { CallRecord } from "@quiver/quiver/caches";

/** The key of the record of that number. */
export function toKey(index: number): string {
  return `${index}`.padStart(64, "0");
}

/** A record with some fields, and the usual ones. */
export function toRecord(fields: Partial<CallRecord>, index: number): CallRecord {
  const key = toKey(index);
  const record = { scheme: 1, module: "file:///a.ts", task: "f", args: [], result: key };
  return { ...record, started: index, duration: 0, metadata: {}, ...fields, key };
}

/** Puts records into a cache. */
export async function fill(
  cache: Cache,
  calls: readonly Partial<CallRecord>[],
): Promise<CallRecord[]> {
  const records = calls.map(toRecord);
  for (const record of records) await cache.putRecord(record);
  return records;
}
