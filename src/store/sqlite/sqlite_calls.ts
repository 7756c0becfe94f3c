import type { RecordPlan } from "../../call/call_query.ts";
import { decodeCheckedLine } from "../../disk/checked_line.ts";
import { type CacheGuard, isDigest } from "../../disk/disk_storage.ts";
import { KeyedCalls } from "../../disk/disk_stores.ts";
import type { CallFeed, RecordChange, TellDamaged } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { type DatabaseSync, hasTasks, noteChanges, type StatementSync } from "./connection.ts";
import { SqliteQuery, TaskIds } from "./sqlite_query.ts";

/** How many records are read at once by who follows from the beginning. */
const PAGE_RECORDS = 1000;

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** Each record in a row of its own. */
export class SqliteCalls extends KeyedCalls {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;
  readonly #query: SqliteQuery;
  #tasks: TaskIds | undefined;
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
    this.#query = new SqliteQuery(database, hasTasks(database));
    this.#path = path;
  }

  protected override write(
    key: Digest,
    line: Uint8Array<ArrayBuffer>,
    fields: Record<string, unknown>,
  ): void {
    this.#tasks ??= new TaskIds(this.#database);
    this.#statements.put ??= this.#database.prepare(
      "INSERT OR REPLACE INTO calls (key, record, task) VALUES (?, ?, ?)",
    );
    const task = this.#tasks.idOf(fields);
    this.#statements.put.run(key, DECODER.decode(line.subarray(1, -1)), task);
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

  /** As the base class says; where a task is wanted, only damaged lines of that task are told of. */
  *lines(damaged?: TellDamaged, plan?: RecordPlan): Generator<Record<string, unknown>> {
    for (const row of this.#query.rows(plan, () => this.guard.checkOpen("read from"))) {
      const key = String(row.key);
      const line = toLine(key, row.record);
      if (line !== undefined) yield line;
      else damaged?.(`"${this.#path}", the row of ${key}`);
    }
  }

  /** As the interface says: no record is looked at, so that a damaged one counts. */
  count(plan: RecordPlan): number | undefined {
    this.guard.checkOpen("read from");
    return this.#query.count(plan);
  }

  /** As the interface says, the records in the order in which they were put. */
  feed(): CallFeed {
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

/** What a database that is only read lacks is prepared when it is first needed. */
interface Statements {
  put?: StatementSync;
  readonly get: StatementSync;
  readonly delete: StatementSync;
}

function prepare(database: DatabaseSync): Statements {
  return {
    get: database.prepare("SELECT record FROM calls WHERE key = ?"),
    delete: database.prepare("DELETE FROM calls WHERE key = ?"),
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
