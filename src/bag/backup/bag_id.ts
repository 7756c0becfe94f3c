/**
 * `id`: what a bag is known by to its backups. A file of its own, as a repair may make all others anew.
 *
 * @module
 */
import {
  type FileSystem,
  readWhole,
  replaceFile,
  SMALL_FILE_BYTES,
} from "../../disk/file_system.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { isNoRoom } from "../../disk/room.ts";
import { FoldLock } from "../manifest.ts";

const ID_REGEXP = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Tells whether something can be what a bag is known by: a UUID. */
export function isId(content: unknown): content is string {
  return typeof content === "string" && ID_REGEXP.test(content);
}

/**
 * Reads what a bag is known by.
 *
 * @returns `undefined` if there is nothing, or nothing that can be it.
 */
export function readId(layout: BagLayout): string | undefined {
  const text = new TextDecoder().decode(readWhole(layout.id, SMALL_FILE_BYTES)).trim();
  return isId(text) ? text : undefined;
}

/** Writes what a bag is known by. */
export function writeId(fileSystem: FileSystem, layout: BagLayout, id: string): void {
  replaceFile(fileSystem, layout.id, [new TextEncoder().encode(`${id}\n`)]);
  fileSystem.syncDirectory(layout.root);
}

/**
 * Gives a bag something that its backups know it by, unless somebody holds its lock now: then another
 * backup does. A bag on a full disk is known by its place, as one that may not be written to.
 *
 * @returns What it is known by, if it is.
 */
export function identify(fileSystem: FileSystem, layout: BagLayout): string | undefined {
  const known = readId(layout);
  if (known !== undefined) return known;
  using lock = FoldLock.tryTake(fileSystem, layout);
  // Another backup may have been faster.
  if (lock === undefined || readId(layout) !== undefined) return readId(layout);
  const id = crypto.randomUUID();
  try {
    writeId(fileSystem, layout, id);
  } catch (error) {
    if (isNoRoom(error)) return undefined;
    throw error;
  }
  return id;
}
