import { resolve } from "node:path";
import { checkOptions, type OptionRules, withDefaults } from "../../base/check_options.ts";
import { decodeCheckedLine } from "../../disk/checked_line.ts";
import {
  CACHE_FILES_RULES,
  CacheGuard,
  type CacheSettings,
  integerFrom,
  isDigest,
} from "../../disk/disk_storage.ts";
import { type DiskStorage, KeyedCalls, KeyedValues } from "../../disk/disk_stores.ts";
import { DISK, lookAt } from "../../disk/file_system.ts";
import { createLeases, DiskLeases, exclusively } from "../../disk/leases.ts";
import {
  allowUse,
  type CachePermissions,
  likeDirectory,
  makeBeside,
} from "../../disk/ownership.ts";
import { toPayload, toPayloadCheck } from "../../disk/payload.ts";
import { writeFirst } from "../../disk/read_only.ts";
import type { TellDamaged } from "../../disk/stores.ts";
import type { Digest, EncodedPart, Payload } from "../../value/value.ts";
import type { SqliteOptions } from "../stores.ts";
import { connect, createTables, type DatabaseSync, isNewDatabase, refuse } from "./connection.ts";

/** The largest payload: SQLite takes rows of at most 10^9 bytes. */
const LARGEST_BYTES = 1_000_000_000 - 1024;

/** How many records are read at once, so that no reader holds the database for long. */
const PAGE_RECORDS = 1000;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** What the connection runs again and again. */
type Statements = ReturnType<typeof prepare>;

/** Each part in a row of its own. */
class SqliteValues extends KeyedValues {
  readonly #statements: Statements;

  constructor(guard: CacheGuard, statements: Statements) {
    super(guard, LARGEST_BYTES);
    this.#statements = statements;
  }

  protected override write(part: EncodedPart): void {
    const { digest, kind, bytes } = part;
    this.#statements.putPayload.run(digest, kind, toPayloadCheck(digest, part), bytes);
  }

  load(digest: Digest): Payload | undefined {
    this.guard.checkOpen("read from");
    const { kind, crc, bytes } = this.#statements.getPayload.get(digest) ?? {};
    if (typeof kind !== "number" || !(bytes instanceof Uint8Array)) return undefined;
    const { buffer, byteOffset, byteLength } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return undefined;
    const payload = toPayload(kind, new Uint8Array(buffer, byteOffset, byteLength));
    return payload && toPayloadCheck(digest, payload) === crc ? payload : undefined;
  }
}

/** Each record in a row of its own. */
class SqliteCalls extends KeyedCalls {
  readonly #statements: Statements;
  readonly #path: string;

  constructor(guard: CacheGuard, statements: Statements, path: string) {
    super(guard);
    this.#statements = statements;
    this.#path = path;
  }

  protected override write(key: Digest, line: Uint8Array<ArrayBuffer>): void {
    this.#statements.putCall.run(key, DECODER.decode(line.subarray(1, -1)));
  }

  getLine(key: Digest): Record<string, unknown> | undefined {
    this.guard.checkOpen("read from");
    return toLine(key, this.#statements.getCall.get(key)?.record);
  }

  delete(key: Digest): boolean {
    this.guard.checkWritable("delete a call from");
    return this.#statements.deleteCall.run(key).changes > 0;
  }

  *lines(damaged?: TellDamaged): Generator<Record<string, unknown>> {
    let last = "";
    while (true) {
      this.guard.checkOpen("read from");
      const rows = this.#statements.page.all(last);
      for (const { key, record } of rows) {
        last = String(key);
        const line = toLine(last, record);
        if (line !== undefined) yield line;
        else damaged?.(`"${this.#path}", the row of ${last}`);
      }
      if (rows.length < PAGE_RECORDS) return;
    }
  }
}

function prepare(database: DatabaseSync) {
  return {
    putPayload: database.prepare(
      "INSERT OR REPLACE INTO payloads (digest, kind, crc, bytes) VALUES (?, ?, ?, ?)",
    ),
    getPayload: database.prepare("SELECT kind, crc, bytes FROM payloads WHERE digest = ?"),
    putCall: database.prepare("INSERT OR REPLACE INTO calls (key, record) VALUES (?, ?)"),
    getCall: database.prepare("SELECT record FROM calls WHERE key = ?"),
    deleteCall: database.prepare("DELETE FROM calls WHERE key = ?"),
    page: database.prepare(
      `SELECT key, record FROM calls WHERE key > ? ORDER BY key LIMIT ${PAGE_RECORDS}`,
    ),
    bytes: database.prepare(
      "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()",
    ),
  };
}

function toLine(key: Digest, text: unknown): Record<string, unknown> | undefined {
  if (typeof text !== "string" || !isDigest(key)) return undefined;
  const line = decodeCheckedLine(ENCODER.encode(text));
  return line?.key === key ? line : undefined;
}

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
  const statements = prepare(database);
  const layout = { leases: directory, locks: directory };
  const fileSystem = mode === "read" ? DISK : likeDirectory(DISK, directory);
  const leases = new DiskLeases({ fileSystem, layout, guard, place: path });
  const close = () =>
    Promise.try(() => {
      if (!guard.close()) return;
      leases[Symbol.dispose]();
      database.close();
    });
  return {
    path,
    mode,
    values: new SqliteValues(guard, statements),
    calls: new SqliteCalls(guard, statements, path),
    leases,
    statistics() {
      guard.checkOpen("look into");
      return { bytes: Number(statements.bytes.get()?.bytes) };
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
