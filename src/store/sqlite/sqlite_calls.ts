import { decodeCheckedLine } from "../../disk/checked_line.ts";
import { type CacheGuard, isDigest } from "../../disk/disk_storage.ts";
import { KeyedCalls } from "../../disk/disk_stores.ts";
import type { CallFeed, RecordChange, TellDamaged } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { type DatabaseSync, noteChanges } from "./connection.ts";

/** How many records are read at once, so that no reader holds the database for long. */
const PAGE_RECORDS = 1000;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Each record in a row of its own. */
export class SqliteCalls extends KeyedCalls {
  readonly #database: DatabaseSync;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #path: string;

  /**
   * Takes what they stand on.
   *
   * @param database The connection; the tables are there.
   * @param path The database, for messages.
   */
  constructor(guard: CacheGuard, database: DatabaseSync, path: string) {
    super(guard);
    this.#database = database;
    this.#statements = prepare(database);
    this.#path = path;
  }

  protected override write(key: Digest, line: Uint8Array<ArrayBuffer>): void {
    this.#statements.put.run(key, DECODER.decode(line.subarray(1, -1)));
  }

  getLine(key: Digest): Record<string, unknown> | undefined {
    this.guard.checkOpen("read from");
    return toLine(key, this.#statements.get.get(key)?.record);
  }

  delete(key: Digest): boolean {
    this.guard.checkWritable("delete a call from");
    const known = this.#statements.delete.run(key).changes > 0;
    if (known) this.noteForgotten(key);
    return known;
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

  /** As the interface says, the records in the order in which they were put. */
  follow(): CallFeed {
    this.guard.checkWritable("limit");
    noteChanges(this.#database);
    const { since, newest, recorded } = prepareFeed(this.#database);
    const toNewest = () => Number(newest.get()?.number ?? 0);
    let last: number | undefined;
    const readAll = function* (get: SqliteCalls): Generator<RecordChange> {
      yield { type: "reset" };
      // What changes meanwhile is read again.
      for (let row = 0, rows = recorded.all(row); rows.length > 0; rows = recorded.all(row)) {
        row = Number(rows.at(-1)?.row);
        for (const { key } of rows) {
          const record = get.get(String(key));
          if (record !== undefined) yield { type: "put", record };
        }
      }
    };
    return {
      read: () => {
        this.guard.checkOpen("read from");
        const changes = last === undefined ? [] : since.all(last);
        const isWhole = last !== undefined &&
          (changes.length === 0 ? toNewest() === last : Number(changes[0]?.number) === last + 1);
        if (!isWhole) {
          last = toNewest();
          return readAll(this);
        }
        last = Number(changes.at(-1)?.number ?? last);
        const keys = new Set(changes.map(({ key }) => String(key)).toReversed());
        return [...keys].reverse().map((key): RecordChange => {
          const record = this.get(key);
          return record === undefined ? { type: "delete", key } : { type: "put", record };
        });
      },
    };
  }
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare("INSERT OR REPLACE INTO calls (key, record) VALUES (?, ?)"),
    get: database.prepare("SELECT record FROM calls WHERE key = ?"),
    delete: database.prepare("DELETE FROM calls WHERE key = ?"),
    page: database.prepare(
      `SELECT key, record FROM calls WHERE key > ? ORDER BY key LIMIT ${PAGE_RECORDS}`,
    ),
  };
}

function prepareFeed(database: DatabaseSync) {
  return {
    since: database.prepare("SELECT number, key FROM changes WHERE number > ? ORDER BY number"),
    newest: database.prepare("SELECT max(number) AS number FROM changes"),
    recorded: database.prepare(
      `SELECT rowid AS row, key FROM calls WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE_RECORDS}`,
    ),
  };
}

function toLine(key: Digest, text: unknown): Record<string, unknown> | undefined {
  if (typeof text !== "string" || !isDigest(key)) return undefined;
  const line = decodeCheckedLine(ENCODER.encode(text));
  return line?.key === key ? line : undefined;
}
