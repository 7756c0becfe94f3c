import { resolve } from "node:path";
import { QuiverError } from "../../base/errors.ts";
import { decodeCheckedLine, encodeCallLine } from "../../disk/checked_line.ts";
import {
  CacheGuard,
  checkCacheOptions,
  type DiskStorage,
  isDigest,
  type LeaseLock,
  type StorageStatistics,
  type TellDamaged,
} from "../../disk/disk_storage.ts";
import { LeasedFiles, LeaseDirectory } from "../../disk/leases.ts";
import { toPayload, toPayloadCheck } from "../../disk/payload.ts";
import type { Digest, EncodedPart, Payload } from "../../value/value.ts";
import type { SqliteOptions } from "../stores.ts";
import {
  checkDatabase,
  connect,
  createTables,
  type DatabaseSync,
  refuse,
  type StatementSync,
} from "./connection.ts";

/** The largest payload: SQLite takes rows of at most 10^9 bytes. */
const LARGEST_BYTES = 1_000_000_000 - 1024;

/** How many records are read at once, so that no reader holds the database for long. */
const PAGE_RECORDS = 1000;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** What the connection runs again and again. */
interface Statements {
  readonly putPayload: StatementSync;
  readonly getPayload: StatementSync;
  readonly putCall: StatementSync;
  readonly getCall: StatementSync;
  readonly deleteCall: StatementSync;
  readonly page: StatementSync;
  readonly bytes: StatementSync;
}

/** A cache in a SQLite database. Each put is a transaction of its own. */
export class SqliteStorage extends LeasedFiles implements DiskStorage {
  readonly path: string;
  readonly mode: "readwrite" | "read";
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #guard: CacheGuard;

  /**
   * Takes a connection, and closes it at the end.
   *
   * @param path The database, absolute.
   * @param mode Whether it may be changed.
   * @param database The connection; the tables are there.
   * @param leases Who computes what.
   */
  constructor(
    path: string,
    mode: "readwrite" | "read",
    database: DatabaseSync,
    leases: LeaseDirectory,
  ) {
    const guard = new CacheGuard(`the SQLite cache "${path}"`, mode);
    super(guard, leases);
    this.path = path;
    this.mode = mode;
    this.#database = database;
    this.#guard = guard;
    this.#statements = prepare(database);
  }

  putValue(part: EncodedPart): void {
    const { digest, kind, bytes } = part;
    this.#guard.checkWritable("put a value into");
    this.#guard.checkDigest("put a value into", digest);
    if (bytes.length > LARGEST_BYTES) {
      throw new RangeError(
        `Cannot put a value of ${bytes.length} bytes: the largest has ${LARGEST_BYTES}`,
      );
    }
    if (!this.rejected.has(digest) && this.getValue(digest) !== undefined) return;
    this.#statements.putPayload.run(digest, kind, toPayloadCheck(digest, part), bytes);
    this.rejected.delete(digest);
  }

  getValue(digest: Digest): Payload | undefined {
    this.#guard.checkOpen("read from");
    const { kind, crc, bytes } = this.#statements.getPayload.get(digest) ?? {};
    if (typeof kind !== "number" || !(bytes instanceof Uint8Array)) return undefined;
    const { buffer, byteOffset, byteLength } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return undefined;
    const payload = toPayload(kind, new Uint8Array(buffer, byteOffset, byteLength));
    return payload && toPayloadCheck(digest, payload) === crc ? payload : undefined;
  }

  putCall(key: Digest, fields: Record<string, unknown>, lease?: LeaseLock): boolean {
    this.#guard.checkWritable("put a call into");
    this.#guard.checkDigest("put a call into", key);
    if (lease?.revoked) return false;
    const line = DECODER.decode(encodeCallLine(key, fields).subarray(1, -1));
    this.#statements.putCall.run(key, line);
    return this.keepUnlessRevoked(key, lease);
  }

  getCall(key: Digest): Record<string, unknown> | undefined {
    this.#guard.checkOpen("read from");
    return toRecord(key, this.#statements.getCall.get(key)?.record);
  }

  override deleteCall(key: Digest): boolean {
    this.#guard.checkWritable("delete a call from");
    return this.#statements.deleteCall.run(key).changes > 0;
  }

  *calls(damaged?: TellDamaged): Generator<Record<string, unknown>> {
    let last = "";
    while (true) {
      this.#guard.checkOpen("read from");
      const rows = this.#statements.page.all(last);
      for (const { key, record } of rows) {
        last = String(key);
        const line = toRecord(last, record);
        if (line !== undefined) yield line;
        else damaged?.(`"${this.path}", the row of ${last}`);
      }
      if (rows.length < PAGE_RECORDS) return;
    }
  }

  /** Counts the pages of the database. */
  statistics(): StorageStatistics {
    this.#guard.checkOpen("look into");
    return { bytes: Number(this.#statements.bytes.get()?.bytes) };
  }

  protected override release(): void {
    this.#database.close();
  }
}

function prepare(database: DatabaseSync): Statements {
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

function toRecord(key: Digest, text: unknown): Record<string, unknown> | undefined {
  if (typeof text !== "string" || !isDigest(key)) return undefined;
  const line = decodeCheckedLine(ENCODER.encode(text));
  return line?.key === key ? line : undefined;
}

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
export function openSqliteFiles(path: string, options: SqliteOptions = {}): SqliteStorage {
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
): SqliteStorage {
  const database = connect(file, settings);
  try {
    if (isNew) createTables(database);
    return new SqliteStorage(file, settings.mode, database, leases);
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
