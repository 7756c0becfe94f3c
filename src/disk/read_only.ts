import { dirname } from "node:path";
import { QuiverError } from "../base/errors.ts";
import { lookAt } from "./file_system.ts";

/** How the errors of Deno name a file. */
const PATH_REGEXP = / '(.+)'(?: -> '(.+)')?$/;

/**
 * Runs the first writes to a cache, and says what to do where they are refused.
 *
 * @typeParam T What `write` returns.
 * @param root The directory or file of the cache.
 * @returns What `write` returns.
 * @throws {QuiverError} That names the file, its owner and a remedy.
 */
export function writeFirst<T>(root: string, write: () => T): T {
  try {
    return write();
  } catch (cause) {
    const state = explainRefusal(root, cause);
    if (state === undefined) throw cause;
    throw new QuiverError(`Cannot open "${root}" for writing: ${state}`, { cause });
  }
}

function explainRefusal(root: string, cause: unknown): string | undefined {
  if (!(cause instanceof Error)) return undefined;
  if ("code" in cause && cause.code === "EROFS") {
    return 'it lies on a file system that is read-only; open it with mode: "read", or copy it';
  }
  if (!(cause instanceof Deno.errors.PermissionDenied)) return undefined;
  const [, from = root, to] = PATH_REGEXP.exec(cause.message) ?? [];
  const path = nearest(to ?? from);
  return `"${path}" belongs to ${ownerOf(path)}, and whoever runs this may not write there; ` +
    'have its owner share it, by permissions: "group" say, or open it with mode: "read"';
}

/** What is not there yet was to be made in a directory that is. */
function nearest(path: string): string {
  const parent = dirname(path);
  return lookAt(path) === undefined && parent !== path ? nearest(parent) : path;
}

function ownerOf(path: string): string {
  const uid = lookAt(path)?.uid ?? undefined;
  if (uid === undefined) return "another user";
  return uid === 0 ? "root" : `user ${uid}`;
}
