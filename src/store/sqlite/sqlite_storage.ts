import { resolve } from "node:path";
import { checkOptions, type OptionRules, withDefaults } from "../../base/check_options.ts";
import {
  CACHE_FILES_RULES,
  CacheGuard,
  type CacheSettings,
  integerFrom,
} from "../../disk/disk_storage.ts";
import type { DiskStorage } from "../../disk/disk_stores.ts";
import { DISK, lookAt } from "../../disk/file_system.ts";
import { createLeases, DiskLeases, exclusively } from "../../disk/leases.ts";
import {
  allowUse,
  type CachePermissions,
  likeDirectory,
  makeBeside,
} from "../../disk/ownership.ts";
import { writeFirst } from "../../disk/read_only.ts";
import { UseLog } from "../../disk/use_log.ts";
import type { SqliteOptions } from "../stores.ts";
import {
  connect,
  createTables,
  type DatabaseSync,
  isNewDatabase,
  notePuts,
  noteTasks,
  refuse,
} from "./connection.ts";
import { SqliteCalls } from "./sqlite_calls.ts";
import { SqliteFailures } from "./sqlite_failures.ts";
import { SqliteValues } from "./sqlite_values.ts";

/** @see {@link https://www.sqlite.org/rescode.html#readonly} */
const READ_ONLY = 8;

const DEFAULTS: CacheSettings<SqliteOptions> = {
  mode: "readwrite",
  durability: "process",
  busyTimeout: 10_000,
};

const RULES: OptionRules<SqliteOptions> = { ...CACHE_FILES_RULES, busyTimeout: integerFrom(0) };

/**
 * Opens a cache in a SQLite database, and creates it when the file is missing or empty.
 *
 * @param options How to open it.
 * @returns The open database; it must be closed.
 * @throws {CacheFormatError} If it is no database, one of another program, or of another version.
 */
export function openSqliteFiles(path: string, options: SqliteOptions = {}): DiskStorage {
  checkOptions("open a SQLite cache", options, RULES, "no option");
  const { permissions, ...others } = options;
  const settings = withDefaults(DEFAULTS, others);
  const file = resolve(path);
  const leases = `${file}-leases`;
  if (settings.mode === "read") {
    if (!isNewDatabase(file)) return open(file, settings, leases, false);
    throw refuse(file, 'there is none; open it with mode: "readwrite" to create one');
  }
  return writeFirst(file, () =>
    refuseReadOnly(file, () => {
      const isNew = isNewDatabase(file);
      if (permissions !== undefined) createFile(file, permissions);
      makeBeside(DISK, leases, file);
      const owned = likeDirectory(DISK, leases);
      createLeases(owned, leases);
      // Others may have made the same tables by now; what is made twice makes no difference.
      return exclusively(owned, leases, () => open(file, settings, leases, isNew));
    }));
}

/** The files that SQLite keeps beside it are as the database is. */
function createFile(file: string, permissions: CachePermissions): void {
  const isNew = lookAt(file) === undefined;
  if (isNew) Deno.openSync(file, { write: true, create: true }).close();
  allowUse(file, permissions, isNew);
}

function open(
  file: string,
  settings: CacheSettings<SqliteOptions>,
  leases: string,
  isNew: boolean,
): DiskStorage {
  const database = connect(file, settings);
  try {
    if (isNew) createTables(database);
    if (settings.mode === "readwrite") {
      notePuts(database);
      noteTasks(database);
    }
    return createStorage(file, settings.mode, database, leases);
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Puts a storage together, which closes its connection at the end.
 *
 * @param path The database, absolute.
 * @param mode Whether it may be changed.
 * @param database The connection; the tables are there.
 */
function createStorage(
  path: string,
  mode: "readwrite" | "read",
  database: DatabaseSync,
  directory: string,
): DiskStorage {
  const guard = new CacheGuard(`the SQLite cache "${path}"`, mode, path);
  const layout = { leases: directory, locks: directory };
  const fileSystem = mode === "read" ? DISK : likeDirectory(DISK, directory);
  const leases = new DiskLeases({ fileSystem, layout, guard, place: path });
  const values = new SqliteValues({ guard, database, fileSystem, layout });
  const bytes = database.prepare(
    "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
  );
  const calls = new SqliteCalls(guard, database, path);
  // Beside the database: a hit is not to wait for who writes to it.
  const uses = new UseLog({
    fileSystem,
    root: directory,
    path: `${directory}/uses.jsonl`,
    marker: path,
    writable: guard.writable,
    isKnown: (key) => calls.getLine(key) !== undefined,
  });
  const close = () =>
    Promise.try(() => {
      if (guard.closed) return;
      uses[Symbol.dispose]();
      guard.close();
      leases[Symbol.dispose]();
      database.close();
    });
  return {
    path,
    mode,
    values,
    calls,
    failures: new SqliteFailures(guard, database),
    leases,
    uses,
    sweeper: values,
    statistics() {
      guard.checkOpen("look into");
      return { bytes: Number(bytes.get()?.bytes) };
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** SQLite says neither which file it may not write to, nor why. */
function refuseReadOnly<T>(file: string, open: () => T): T {
  try {
    return open();
  } catch (cause) {
    if (!isReadOnly(cause)) throw cause;
    // The database itself, or else the directory.
    Deno.openSync(file, { write: true }).close();
    const probe = `${file}-${crypto.randomUUID()}.tmp`;
    Deno.openSync(probe, { write: true, createNew: true }).close();
    Deno.removeSync(probe);
    throw cause;
  }
}

/** The low byte tells what kind of error it is, the rest which one. */
function isReadOnly(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && typeof error.errcode === "number" &&
    (error.errcode & 0xff) === READ_ONLY;
}
