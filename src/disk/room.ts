/**
 * Room on a disk: how much there is, and what to make of it when there is none.
 *
 * @module
 */
import { statfsSync } from "node:fs";
import { QuiverError } from "../base/errors.ts";

/** What the system says, which may come from a worker as nothing but a text. */
const TEXT = /No space left on device|Disk quota exceeded/;

/**
 * Tells whether there was no room on the disk.
 *
 * @param error What was thrown; its causes are looked at, too.
 */
export function isNoRoom(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (TEXT.test(each.message)) return true;
  }
  return false;
}

/**
 * Refuses to begin what there is obviously no room for. Where this program may not ask how much there is
 * (`--allow-sys=statfs`), it is tried.
 *
 * @param directory Where it would be written.
 * @param bytes How much it takes at the least.
 * @param action What is to be done, for the message, as in `fold "results.bag"`.
 * @throws {QuiverError} If there is not so much.
 */
export function checkRoom(directory: string, bytes: number, action: string): void {
  if (Deno.permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") return;
  const { bavail, bsize } = statfsSync(directory);
  const free = bavail * bsize;
  if (bytes <= free) return;
  throw new QuiverError(
    `Cannot ${action}: No space left on device: it takes ${bytes} bytes at the least, and ${free} are ` +
      "free; make room, or forget calls with evict() and gc()",
  );
}
