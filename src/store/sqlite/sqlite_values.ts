import type { CacheGuard, StoredPart } from "../../disk/disk_storage.ts";
import { KeyedValues } from "../../disk/disk_stores.ts";
import { CLOCK_LAG } from "../../disk/file_clock.ts";
import type { FileSystem } from "../../disk/file_system.ts";
import { findHorizon } from "../../disk/horizon.ts";
import type { BagLayout } from "../../disk/layout.ts";
import { toPayload, toPayloadCheck } from "../../disk/payload.ts";
import type { SweepOptions, SweepResult, ValueSweeper } from "../../disk/stores.ts";
import type { Digest, EncodedPart, Payload } from "../../value/value.ts";
import { type DatabaseSync, giveBack, NOW } from "./connection.ts";

/** The largest payload: SQLite takes rows of at most 10^9 bytes. */
const LARGEST_BYTES = 1_000_000_000 - 1024;

/** How many values are looked at between two times that others may run. */
const PAGE_VALUES = 1000;

/** How long it is remembered when a value was put, in milliseconds: no grace period is longer. */
const KEPT = 24 * 60 * 60 * 1000;

/** What the values of a SQLite cache stand on. */
export interface SqliteValuesOptions {
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** The connection; the tables are there. */
  readonly database: DatabaseSync;
  /** The seam, for what lies beside the database. */
  readonly fileSystem: FileSystem;
  /** Where leases and locks lie. */
  readonly layout: Pick<BagLayout, "leases" | "locks">;
}

/** Each part in a row of its own. */
export class SqliteValues extends KeyedValues implements ValueSweeper {
  readonly #options: SqliteValuesOptions;
  readonly #reads: ReturnType<typeof prepareReads>;
  #writes: ReturnType<typeof prepareWrites> | undefined;

  /**
   * Takes what they stand on.
   *
   * @param options What that is.
   */
  constructor(options: SqliteValuesOptions) {
    super(options.guard, LARGEST_BYTES);
    this.#options = options;
    this.#reads = prepareReads(options.database);
  }

  /** Who only reads may find a database in which there is nothing to write to. */
  get #written(): ReturnType<typeof prepareWrites> {
    return this.#writes ??= prepareWrites(this.#options.database);
  }

  protected override write(part: EncodedPart): void {
    const { digest, kind, bytes } = part;
    this.#written.put.run(digest, kind, toPayloadCheck(digest, part), bytes);
  }

  protected override touch(digest: Digest): boolean {
    return this.#written.touch.run(digest).changes > 0;
  }

  load(digest: Digest): Payload | undefined {
    this.guard.checkOpen("read from");
    const { kind, crc, bytes } = this.#reads.load.get(digest) ?? {};
    if (typeof kind !== "number" || !(bytes instanceof Uint8Array)) return undefined;
    const { buffer, byteOffset, byteLength } = bytes;
    if (!(buffer instanceof ArrayBuffer)) return undefined;
    const payload = toPayload(kind, new Uint8Array(buffer, byteOffset, byteLength));
    return payload && toPayloadCheck(digest, payload) === crc ? payload : undefined;
  }

  /** As the interface says. */
  *matching(prefix: string): Generator<Digest> {
    this.guard.checkOpen("look into");
    for (const { digest } of this.#reads.matching.all(prefix, prefix)) {
      if (typeof digest === "string") yield digest;
    }
  }

  find(digest: Digest): StoredPart | undefined {
    this.guard.checkOpen("look into");
    const { kind, length } = this.#reads.find.get(digest) ?? {};
    return typeof kind === "number" && typeof length === "number" ? { kind, length } : undefined;
  }

  /** As the interface says. */
  horizon(gracePeriod: number): Promise<number> {
    const { fileSystem, guard, layout } = this.#options;
    guard.checkWritable("collect the garbage of");
    return findHorizon(fileSystem, layout, gracePeriod);
  }

  /** As the interface says: a value is looked at and dropped in one statement. */
  async sweep(
    live: ReadonlySet<Digest>,
    { horizon, full = false }: SweepOptions,
  ): Promise<SweepResult> {
    const { guard, database } = this.#options;
    let [values, bytes, last] = [0, 0, ""];
    const pause = () => new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.#written.boundFuture.run(CLOCK_LAG);
    while (true) {
      guard.checkWritable("collect the garbage of");
      const digests = this.#written.page.all(last).map(({ digest }) => String(digest));
      if (digests.length === 0) break;
      last = digests.at(-1) ?? last;
      const sizes = this.#dropAll(digests.filter((digest) => !live.has(digest)), horizon);
      values += sizes.length;
      bytes += sizes.reduce((sum, size) => sum + size, 0);
      await pause();
    }
    this.#written.forget.run(KEPT);
    if (values > 0 || full) await giveBack(database, pause);
    return { values, bytes };
  }

  /** In one transaction, so that the disk is written to once; the sizes of those that were dropped. */
  #dropAll(digests: readonly Digest[], horizon: number): number[] {
    if (digests.length === 0) return [];
    const { database } = this.#options;
    database.exec("BEGIN IMMEDIATE");
    try {
      const sizes = digests.map((digest) => this.#written.drop.get(digest, digest, horizon)?.bytes);
      for (const digest of digests) this.#written.forgetOne.run(digest, digest);
      database.exec("COMMIT");
      return sizes.filter((size) => typeof size === "number");
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
}

function prepareReads(database: DatabaseSync) {
  return {
    load: database.prepare("SELECT kind, crc, bytes FROM payloads WHERE digest = ?"),
    // A digest has no character behind "f".
    matching: database.prepare(
      "SELECT digest FROM payloads WHERE digest >= ? AND digest < ? || 'g'",
    ),
    find: database.prepare("SELECT kind, length(bytes) AS length FROM payloads WHERE digest = ?"),
  };
}

function prepareWrites(database: DatabaseSync) {
  return {
    put: database.prepare(
      "INSERT OR REPLACE INTO payloads (digest, kind, crc, bytes) VALUES (?, ?, ?, ?)",
    ),
    touch: database.prepare(
      `INSERT OR REPLACE INTO puts (digest, at)
        SELECT unhex(digest), ${NOW} FROM payloads WHERE digest = ?`,
    ),
    page: database.prepare(
      `SELECT digest FROM payloads WHERE digest > ? ORDER BY digest LIMIT ${PAGE_VALUES}`,
    ),
    drop: database.prepare(
      `DELETE FROM payloads WHERE digest = ?
        AND NOT EXISTS (SELECT 1 FROM puts WHERE digest = unhex(?) AND at > ?)
        RETURNING length(bytes) AS bytes`,
    ),
    forgetOne: database.prepare(
      `DELETE FROM puts WHERE digest = unhex(?)
        AND NOT EXISTS (SELECT 1 FROM payloads WHERE digest = ?)`,
    ),
    forget: database.prepare(`DELETE FROM puts WHERE at < ${NOW} - ?`),
    boundFuture: database.prepare(`UPDATE puts SET at = ${NOW} WHERE at > ${NOW} + ?`),
  };
}
