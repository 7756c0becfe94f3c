import { resolve } from "node:path";
import { checkCacheOptions } from "../bag/cache_files.ts";
import { LeaseDirectory } from "../bag/lease_directory.ts";
import { QuiverError } from "../errors.ts";
import { checkDatabase, connect, createTables, refuse } from "./sqlite_connection.ts";
import { SqliteFiles } from "./sqlite_files.ts";
import type { SqliteOptions } from "./stores.ts";

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
  const isNew = checkDatabase(file) === "new";
  if (mode === "readwrite") {
    writeFirst(file, () => leases.open());
    // Others may make the same tables now; what is made twice makes no difference.
    return leases.exclusively(() => open(file, settings, leases, isNew));
  }
  if (isNew) {
    throw refuse(file, 'there is none; open it with mode: "readwrite" to create one');
  }
  return open(file, settings, leases, false);
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

/** Runs the first writes, and says what to do where the directory refuses them. */
function writeFirst(file: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    if (!(cause instanceof Deno.errors.PermissionDenied)) throw cause;
    throw new QuiverError(
      `Cannot open "${file}" for writing: its directory is read-only; open it with mode: "read"`,
      { cause },
    );
  }
}
