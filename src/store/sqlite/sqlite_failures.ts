import type { CallRecord } from "../../call/call_record.ts";
import { decodeCheckedLine } from "../../disk/checked_line.ts";
import type { CacheGuard } from "../../disk/disk_storage.ts";
import { encodeFailure, toFailure } from "../../disk/failure_log.ts";
import { FAILURE_LIMITS, type FailureLimits } from "../../disk/newest_failures.ts";
import type { FailureStore } from "../../disk/stores.ts";
import type { Digest } from "../../value/value.ts";
import { type DatabaseSync, hasFailures, noteFailures } from "./connection.ts";

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();

/** The newest failures of calls, each in a row of a table that is made with the first. */
export class SqliteFailures implements FailureStore {
  readonly seen: Set<Digest> = new Set();
  readonly #guard: CacheGuard;
  readonly #database: DatabaseSync;
  readonly #limits: FailureLimits;
  #statements: ReturnType<typeof prepare> | undefined;

  /**
   * Looks at nothing yet.
   *
   * @param guard Says what may be done.
   * @param database The connection.
   * @param limits How much is kept; by default 1000 failures of 16 MiB.
   */
  constructor(guard: CacheGuard, database: DatabaseSync, limits: FailureLimits = FAILURE_LIMITS) {
    this.#guard = guard;
    this.#database = database;
    this.#limits = limits;
  }

  /** As the interface says. */
  put(record: CallRecord): void {
    this.#guard.checkWritable("keep a failure in");
    noteFailures(this.#database);
    const { put, bound } = this.#statements ??= prepare(this.#database);
    const line = encodeFailure(record).subarray(1, -1);
    put.run(record.key, DECODER.decode(line), line.length + (record.failure?.bytes ?? 0));
    this.seen.add(record.key);
    for (const { key } of bound.all(this.#limits.most, this.#limits.mostBytes)) {
      this.seen.delete(String(key));
    }
  }

  /** As the interface says. */
  delete(key: Digest): boolean {
    this.#guard.checkWritable("forget a failure of");
    this.seen.delete(key);
    return (this.#known?.delete.run(key).changes ?? 0) > 0;
  }

  /** As the interface says. */
  get(key: Digest): CallRecord | undefined {
    this.#guard.checkOpen("read from");
    return this.#take(this.#known?.get.get(key));
  }

  /** As the interface says. */
  records(): CallRecord[] {
    this.#guard.checkOpen("read from");
    return (this.#known?.all.all() ?? []).map((row) => this.#take(row))
      .filter((record) => record !== undefined);
  }

  /** What another handle or program has kept is known from here on. */
  #take(row: { readonly key?: unknown; readonly record?: unknown } | undefined) {
    if (typeof row?.record !== "string") return undefined;
    const record = toFailure(decodeCheckedLine(ENCODER.encode(row.record)) ?? {});
    if (record === undefined || record.key !== row.key) return undefined;
    this.seen.add(record.key);
    return record;
  }

  /** Absent while no handle has kept a failure. */
  get #known(): ReturnType<typeof prepare> | undefined {
    if (this.#statements === undefined && !hasFailures(this.#database)) return undefined;
    return this.#statements ??= prepare(this.#database);
  }
}

function prepare(database: DatabaseSync) {
  return {
    put: database.prepare(
      "INSERT OR REPLACE INTO failures (key, record, bytes) VALUES (?, ?, ?)",
    ),
    delete: database.prepare("DELETE FROM failures WHERE key = ?"),
    get: database.prepare("SELECT key, record FROM failures WHERE key = ?"),
    all: database.prepare("SELECT key, record FROM failures ORDER BY number"),
    bound: database.prepare(
      `DELETE FROM failures WHERE number IN (
        SELECT number FROM (
          SELECT number, count(*) OVER newer AS failures, sum(bytes) OVER newer AS sum
            FROM failures WINDOW newer AS (ORDER BY number DESC)
        ) WHERE failures > ? OR sum > ?
      ) RETURNING key`,
    ),
  };
}
