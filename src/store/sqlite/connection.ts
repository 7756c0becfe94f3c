/**
 * The one place that loads `node:sqlite`, and the tables of a cache in a database.
 *
 * ```sql
 * PRAGMA application_id = 0x51564552;  -- "QVER"
 * PRAGMA user_version = 1;             -- the version of this format
 * CREATE TABLE payloads (
 *   digest TEXT PRIMARY KEY,  -- of the value, 64 hexadecimal characters
 *   kind INTEGER NOT NULL,    -- how to read the bytes, as in `value.ts`
 *   crc INTEGER NOT NULL,     -- checksum, as in `payload.ts`
 *   bytes BLOB NOT NULL
 * ) STRICT;
 * CREATE TABLE calls (
 *   key TEXT PRIMARY KEY,     -- of the call
 *   record TEXT NOT NULL,     -- JSON, as a line of a bag's call log (`checked_line.ts`)
 *   task INTEGER              -- of `tasks`; none where an earlier version has written the row
 * ) STRICT;
 * CREATE TABLE tasks (        -- what queries by task are answered with; only grows
 *   id INTEGER PRIMARY KEY,
 *   module TEXT NOT NULL,
 *   task TEXT NOT NULL,
 *   version TEXT NOT NULL     -- JSON; null for none
 * ) STRICT;
 * CREATE INDEX calls_by_task ON calls (task, key);
 * CREATE TABLE puts (         -- filled by triggers, whoever writes
 *   digest BLOB PRIMARY KEY,  -- of a value, 32 bytes
 *   at INTEGER NOT NULL       -- when it was last put, in milliseconds since 1970; none: long ago
 * ) STRICT, WITHOUT ROWID;
 * CREATE TABLE failures (     -- once a failure was kept; the newest of each call, within bounds
 *   number INTEGER PRIMARY KEY AUTOINCREMENT,
 *   key TEXT NOT NULL UNIQUE, -- of the call
 *   record TEXT NOT NULL,     -- JSON, as a line of a bag's `failures.jsonl`
 *   bytes INTEGER NOT NULL    -- what it takes, with the arguments that are stored for it
 * ) STRICT;
 * CREATE TABLE changes (      -- once somebody has limited the cache; filled by triggers
 *   number INTEGER PRIMARY KEY AUTOINCREMENT,
 *   key TEXT NOT NULL         -- of a call that was put or forgotten; the last ten thousand
 * ) STRICT;
 * ```
 *
 * What has no `puts`, `tasks` and `changes` was made by an earlier version, and gets them.
 *
 * The journal mode is WAL: readers do not wait for a writer, nor it for them. Leases are lock files
 * in `<database>-leases/`: a row of a table would outlive a holder that was killed.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { CacheFormatError, QuiverError } from "../../base/errors.ts";
import type { CacheFilesOptions, CacheSettings } from "../../disk/disk_storage.ts";
import { lookAt } from "../../disk/file_system.ts";
import type { SqliteOptions } from "../stores.ts";

export type { DatabaseSync, StatementSync } from "node:sqlite";

/** The version of the format that this code writes and reads. */
const SQLITE_VERSION = 1;
const APPLICATION_ID = 0x51564552;
const MAGIC = "SQLite format 3\0";

const TABLES = `
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS payloads (
    digest TEXT PRIMARY KEY, kind INTEGER NOT NULL, crc INTEGER NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS calls (key TEXT PRIMARY KEY, record TEXT NOT NULL) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SQLITE_VERSION};
  COMMIT;
`;

/** The time of the machine, in milliseconds since 1970: a database in WAL mode is used by one only. */
export const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

/** A put of what is there is noted, too: then only the time changes. */
const PUTS = `
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS puts (
    digest BLOB PRIMARY KEY, at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TRIGGER IF NOT EXISTS payload_put AFTER INSERT ON payloads BEGIN
    INSERT OR REPLACE INTO puts (digest, at) VALUES (unhex(new.digest), ${NOW});
  END;
  COMMIT;
`;

/** The column comes with the table: what has the one has the other. */
const TASKS = `
  BEGIN IMMEDIATE;
  CREATE TABLE tasks (
    id INTEGER PRIMARY KEY, module TEXT NOT NULL, task TEXT NOT NULL, version TEXT NOT NULL,
    UNIQUE (module, task, version)
  ) STRICT;
  ALTER TABLE calls ADD COLUMN task INTEGER;
  CREATE INDEX calls_by_task ON calls (task, key);
  COMMIT;
`;

const FAILURES = `
  CREATE TABLE IF NOT EXISTS failures (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE,
    record TEXT NOT NULL, bytes INTEGER NOT NULL
  ) STRICT;
`;

/** How many changes are kept for those who follow. */
const KEPT_CHANGES = 10_000;

const CHANGES = `
  BEGIN IMMEDIATE;
  CREATE TABLE IF NOT EXISTS changes (
    number INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL
  ) STRICT;
  CREATE TRIGGER IF NOT EXISTS call_put AFTER INSERT ON calls BEGIN
    INSERT INTO changes (key) VALUES (new.key);
  END;
  CREATE TRIGGER IF NOT EXISTS call_deleted AFTER DELETE ON calls BEGIN
    INSERT INTO changes (key) VALUES (old.key);
  END;
  CREATE TRIGGER IF NOT EXISTS change_made AFTER INSERT ON changes BEGIN
    DELETE FROM changes WHERE number <= new.number - ${KEPT_CHANGES};
  END;
  COMMIT;
`;

const SYNCHRONOUS: { readonly [d in NonNullable<CacheFilesOptions["durability"]>]: string } = {
  process: "NORMAL",
  power: "FULL",
};

/**
 * Looks at what is there, without changing it.
 *
 * @param path The database, absolute.
 * @returns Whether there is nothing yet; if not, there is a cache.
 * @throws {CacheFormatError} If there is something else, or a cache of another version.
 */
export function isNewDatabase(path: string): boolean {
  if (isEmpty(path)) return true;
  const database = connectToRead(path);
  try {
    const id = readNumber(database, "PRAGMA application_id");
    const version = readNumber(database, "PRAGMA user_version");
    const tables = readNumber(database, "SELECT count(*) FROM sqlite_schema");
    if (id === 0 && version === 0 && tables === 0) return true;
    if (id !== APPLICATION_ID) throw refuse(path, "it is a database of another program");
    if (version === SQLITE_VERSION) return false;
    throw refuse(
      path,
      `it has format version ${version}, and this is Quiver for version ${SQLITE_VERSION}; ` +
        "use the Quiver that wrote it",
    );
  } finally {
    database.close();
  }
}

function isEmpty(path: string): boolean {
  try {
    using file = Deno.openSync(path);
    const { isDirectory, size } = file.statSync();
    if (isDirectory) throw refuse(path, "it is a directory; choose a file in it");
    if (size === 0) return true;
    const magic = new Uint8Array(MAGIC.length);
    file.readSync(magic);
    if (new TextDecoder().decode(magic) === MAGIC) return false;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return true;
    if (error instanceof Deno.errors.FilesystemLoop) {
      throw refuse(path, "it is a link that leads nowhere");
    }
    if (!(error instanceof Deno.errors.NotADirectory)) throw error;
    throw refuse(path, "it lies below a file; choose a file in a directory");
  }
  throw refuse(path, "it is no SQLite database");
}

function readNumber(database: DatabaseSync, query: string): number {
  const [value] = Object.values(database.prepare(query).get() ?? {});
  return Number(value);
}

/**
 * Says why something cannot be opened.
 *
 * @param state What is wrong with it.
 */
export function refuse(path: string, state: string): CacheFormatError {
  return new CacheFormatError(`Cannot open "${path}" as a SQLite cache: ${state}`);
}

/**
 * Connects to a database.
 *
 * @param path The database, absolute.
 * @param options How to open it.
 */
export function connect(path: string, options: CacheSettings<SqliteOptions>): DatabaseSync {
  const { mode, durability, busyTimeout } = options;
  if (mode === "read") return connectToRead(path, busyTimeout);
  const database = new DatabaseSync(path, { timeout: busyTimeout });
  database.exec(`PRAGMA synchronous = ${SYNCHRONOUS[durability]}`);
  return database;
}

/**
 * Connects to a database that is only read. SQLite keeps files beside it all the same; where it may not,
 * as on read-only media, it is loaded into memory as it is: nobody is writing to it, who would have a
 * log beside it.
 */
function connectToRead(path: string, timeout?: number): DatabaseSync {
  const options = { readOnly: true, ...(timeout !== undefined && { timeout }) };
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path, options);
    readNumber(database, "SELECT count(*) FROM sqlite_schema");
    shareWithOwner(path);
    return database;
  } catch (cause) {
    database?.close();
    if (!isRefusal(cause)) throw cause;
    if ((lookBeside(`${path}-wal`)?.size ?? 0) > 0) {
      throw new QuiverError(
        `Cannot read "${path}": its last writer has left changes in "${path}-wal", and SQLite has ` +
          "to write beside a database to read those; open it once where you may write, or copy " +
          "both files to where you may",
        { cause },
      );
    }
    return loadDatabase(path, cause);
  }
}

/** More would be too much to hold in memory. */
const LARGEST_BYTES = 2 ** 30;

/** The two bytes of a database that say it has a log beside it, which one in memory has not. */
const WAL_BYTES = [18, 19] as const;

/** Deno lets no program but one that may do anything tell SQLite that a database does not change. */
function loadDatabase(path: string, cause: unknown): DatabaseSync {
  const size = lookAt(path)?.size ?? 0;
  if (size > LARGEST_BYTES) {
    throw new QuiverError(
      `Cannot read "${path}": SQLite has to write beside a database that it reads, and ${size} bytes ` +
        "are too many to be held in memory; copy it to where you may write",
      { cause },
    );
  }
  const bytes = Deno.readFileSync(path);
  for (const at of WAL_BYTES) if (bytes[at] === 2) bytes[at] = 1;
  const database = new DatabaseSync(":memory:");
  database.deserialize(bytes);
  return database;
}

/** A reader may have to make the files beside the database, which then are its own. */
function shareWithOwner(path: string): void {
  const owner = lookAt(path)?.uid;
  for (const file of [`${path}-wal`, `${path}-shm`]) {
    const uid = lookBeside(file)?.uid;
    if (uid === undefined || uid === owner) continue;
    try {
      Deno.chmodSync(file, 0o666);
    } catch (error) {
      // Somebody else's, or gone; and who may only read has made none.
      const { NotCapable, NotFound, PermissionDenied } = Deno.errors;
      const expected = [NotCapable, NotFound, PermissionDenied].some((kind) =>
        error instanceof kind
      );
      if (!expected) throw error;
    }
  }
}

/** What lies beside a database, where this program may look: SQLite needs no permission for it. */
function lookBeside(path: string): Deno.FileInfo | undefined {
  try {
    return lookAt(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}

/** SQLITE_READONLY and SQLITE_CANTOPEN; the low byte tells what kind of error it is. */
const REFUSALS: readonly number[] = [8, 14];

function isRefusal(error: unknown): boolean {
  return REFUSALS.includes(toErrorCode(error));
}

/** What kind of error it is, as SQLite numbers them; 0 for none of its. */
function toErrorCode(error: unknown): number {
  const is = error instanceof Error && "errcode" in error && typeof error.errcode === "number";
  return is ? Number(error.errcode) & 0xff : 0;
}

/**
 * Makes the tables of a new cache.
 *
 * @param database The connection; nobody else makes them now.
 */
export function createTables(database: DatabaseSync): void {
  // Before there is anything: then pages that are free can be given back one by one.
  database.exec("PRAGMA auto_vacuum = INCREMENTAL");
  database.exec("PRAGMA journal_mode = WAL");
  database.exec(TABLES);
}

/** Has the database take note of when values are put, from now on. */
export function notePuts(database: DatabaseSync): void {
  if (!hasTable(database, "puts")) database.exec(PUTS);
}

/** Has the database know of which task each call is that is put from now on. */
export function noteTasks(database: DatabaseSync): void {
  if (!hasTasks(database)) database.exec(TASKS);
}

/** Tells whether the database may know of which tasks its calls are: one that is only read may not. */
export function hasTasks(database: DatabaseSync): boolean {
  return hasTable(database, "tasks");
}

/** Has the database take note of which calls are put and forgotten, from now on. */
export function noteChanges(database: DatabaseSync): void {
  if (!hasTable(database, "changes")) database.exec(CHANGES);
}

/** Makes the table of failures, if there is none. */
export function noteFailures(database: DatabaseSync): void {
  database.exec(FAILURES);
}

/** Tells whether there is a table of failures. */
export function hasFailures(database: DatabaseSync): boolean {
  return hasTable(database, "failures");
}

type LateTable = "puts" | "tasks" | "changes" | "failures";

function hasTable(database: DatabaseSync, name: LateTable): boolean {
  const query = `SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = '${name}'`;
  return readNumber(database, query) > 0;
}

/** Pages that are given back at once. */
const PAGES = 256;

/** SQLITE_BUSY, SQLITE_LOCKED and SQLITE_FULL. */
const NOT_NOW: readonly number[] = [5, 6, 13];

/**
 * Gives free pages back to the disk. Where there is no room for it, or others use the database, they stay
 * in it, and are written to again.
 *
 * @param pause Called between two steps.
 */
export async function giveBack(
  database: DatabaseSync,
  pause: () => Promise<void>,
): Promise<void> {
  const countFree = () => readNumber(database, "PRAGMA freelist_count");
  try {
    if (readNumber(database, "PRAGMA auto_vacuum") === 0) {
      // Of an earlier version, which has to be written anew once.
      if (2 * countFree() < readNumber(database, "PRAGMA page_count")) return;
      database.exec("PRAGMA auto_vacuum = INCREMENTAL; VACUUM");
    }
    for (let free = countFree(); free > 0;) {
      database.exec(`PRAGMA incremental_vacuum(${PAGES})`);
      await pause();
      const rest = countFree();
      // Others may be freeing pages, too; this ends all the same.
      if (rest >= free) break;
      free = rest;
    }
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (error) {
    if (!NOT_NOW.includes(toErrorCode(error))) throw error;
  }
}
