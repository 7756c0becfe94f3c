/**
 * The horizon of a sweep: what was put up to then and is named by no record that is there when it is
 * known will be named by none, as far as calls under leases go.
 *
 * A call puts its values while it holds the lease of its key. Whoever holds one when this looks
 * began at the earliest when the lease's file was made, and whoever comes later puts later.
 *
 * @module
 */
import { sleep } from "../base/abortable.ts";
import { isDigest } from "./disk_storage.ts";
import { CLOCK_LAG, readFileClock, toWriteTime } from "./file_clock.ts";
import { type FileSystem, isLocked, openIfThere } from "./file_system.ts";
import { type BagLayout, listNames } from "./layout.ts";

/** Where leases lie, and what tells the time. */
type HorizonLayout = Pick<BagLayout, "leases" | "locks">;

/**
 * Finds the horizon of a sweep.
 *
 * @param gracePeriod For how long values are kept that belong to no leased call, in milliseconds.
 * @returns The horizon, in milliseconds since 1970.
 */
export async function findHorizon(
  fileSystem: FileSystem,
  layout: HorizonLayout,
  gracePeriod: number,
): Promise<number> {
  const now = readFileClock(fileSystem, layout);
  // So that what is put from here on is younger than the horizon by a clock that ticks.
  if (gracePeriod < CLOCK_LAG) await sleep(CLOCK_LAG);
  const oldest = findOldestLease(layout);
  // A lease from the future was taken nobody knows when.
  if (oldest !== Infinity && oldest > now + CLOCK_LAG) return 0;
  return Math.min(now - gracePeriod, oldest - 1);
}

/**
 * Tells since when the oldest call in flight may have been running.
 *
 * @returns Milliseconds since 1970; infinite when no lease is held.
 */
export function findOldestLease(layout: Pick<HorizonLayout, "leases">): number {
  let oldest = Infinity;
  // Beside leases there may be the own files of handles, which are locked all the time.
  for (const key of listNames(layout.leases).filter(isDigest)) {
    using file = openIfThere(`${layout.leases}/${key}`);
    if (file === undefined || !isLocked(file)) continue;
    // Whoever takes a lease cuts the file before it gets the key's name (`leases.ts`).
    oldest = Math.min(oldest, toWriteTime(file));
  }
  return oldest;
}
