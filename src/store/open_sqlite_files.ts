import { resolve } from "node:path";
import { checkCacheOptions } from "../disk/cache_files.ts";
import { LeaseDirectory } from "../disk/leases.ts";
import { QuiverError } from "../base/errors.ts";
import { checkDatabase, connect, createTables, refuse } from "./sqlite_connection.ts";
import { SqliteFiles } from "./sqlite_files.ts";
import type { SqliteOptions } from "./stores.ts";

/** @see {@link https://www.sqlite.org/rescode.html#readonly} */
const READ_ONLY = 8;

const DEFAULTS: Required<SqliteOptions> = {
  mode: "readwrite",
  durability: "process",
  busyTimeout: 10_000,
};

/**
 * Opens a cache in a SQLite database, and creates it when the file is missing or empty.
 *
 * @param path The database.
 * @param options How to open it.
 * @returns The open database; it must be closed.
 * @throws {CacheFormatError} If it is no database, one of another program, or of another version.
 */
export function openSqliteFiles(path: string, options: SqliteOptions = {}): SqliteFiles {
  const settings = checkCacheOptions("a SQLite cache", options, DEFAULTS);
  const { mode, busyTimeout } = settings;
  if (!Number.isInteger(busyTimeout) || busyTimeout < 0) {
    throw new RangeError(
      'Cannot open a SQLite cache as "busyTimeout" must be an integer of at least 0: ' +
        `current value is ${busyTimeout}`,
    );
  }
  const file = resolve(path);
  const leases = new LeaseDirectory(`${file}-leases`);
  return refuseReadOnly(file, mode, () => {
    const isNew = checkDatabase(file) === "new";
    if (mode === "readwrite") {
      leases.open();
      // Others may have made the same tables by now; what is made twice makes no difference.
      return leases.exclusively(() => open(file, settings, leases, isNew));
    }
    if (isNew) {
      throw refuse(file, 'there is none; open it with mode: "readwrite" to create one');
    }
    return open(file, settings, leases, false);
  });
}

function open(
  file: string,
  settings: Required<SqliteOptions>,
  leases: LeaseDirectory,
  isNew: boolean,
): SqliteFiles {
  const database = connect(file, settings);
  try {
    if (isNew) createTables(database);
    return new SqliteFiles(file, settings.mode, database, leases);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Says what to do where the directory refuses what even readers write. */
function refuseReadOnly<T>(file: string, mode: "readwrite" | "read", open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied) && !isReadOnly(cause)) throw cause;
    const remedy = mode === "read"
      ? ", and SQLite keeps files beside a database that it reads; copy it to where you may write"
      : "; copy it to where you may write";
    throw new QuiverError(
      `Cannot open "${file}" as a SQLite cache: its directory is read-only${remedy}`,
      { cause },
    );
  }
}

/** The low byte tells what kind of error it is, the rest which one. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" &&
    (error.errcode & 0xff) === READ_ONLY;
}
