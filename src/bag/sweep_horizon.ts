import { openIfThere } from "../disk/file_system.ts";
import { type BagLayout, listNames } from "../disk/layout.ts";

/** How far the clock that files get their times from may lag behind, in milliseconds. */
const CLOCK_LAG = 20;

/**
 * Finds the horizon of a sweep: what was put up to then and is named by no record that is in the
 * log when this returns will be named by none, as far as calls under leases go.
 *
 * A call puts its values while it holds the lease of its key. Whoever holds one when this looks
 * began at the earliest when the lease's file was made, and whoever comes later puts later.
 *
 * @param layout The bag's paths.
 * @param grace For how long values are kept that belong to no leased call, in milliseconds.
 * @returns The horizon, in milliseconds since 1970.
 */
export async function findHorizon(layout: BagLayout, grace: number): Promise<number> {
  const horizon = Date.now() - grace;
  // So that what is put from here on is younger than the horizon by the clock of files too.
  if (grace < CLOCK_LAG) await new Promise((resolve) => setTimeout(resolve, CLOCK_LAG));
  return Math.min(horizon, findOldestLease(layout) - 1);
}

/**
 * Tells since when the oldest call in flight may have been running.
 *
 * @param layout The bag's paths.
 * @returns Milliseconds since 1970; infinite when no lease is held.
 */
export function findOldestLease(layout: BagLayout): number {
  let oldest = Infinity;
  for (const key of listNames(layout.leases)) {
    using file = openIfThere(`${layout.leases}/${key}`);
    if (file === undefined) continue;
    if (file.tryLockSync(false)) file.unlockSync();
    // A lease is taken by giving a file another name (`leases.ts`), which changes only this.
    else oldest = Math.min(oldest, toLeaseTime(file.statSync()));
  }
  return oldest;
}

/** A lease is no older than its file, nor than the name that took it (whose time has no fractions). */
function toLeaseTime({ ctime, mtime }: Deno.FileInfo): number {
  return Math.max(ctime?.getTime() ?? 0, mtime?.getTime() ?? 0);
}
