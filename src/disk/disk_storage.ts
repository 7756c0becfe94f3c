import { QuiverError } from "../base/errors.ts";
import type { Digest, EncodedPart, Payload, StoredPayload } from "../value/value.ts";

/**
 * What any place offers that keeps a cache on disk: bytes under digests, lines under keys, leases.
 * A bag does, and so do a directory with a file for each value, and a database.
 */
export type DiskStorage =
  & AsyncDisposable
  & Pick<
    BagStorage,
    | "path"
    | "mode"
    | "putValue"
    | "getValue"
    | "plainBytes"
    | "rejectValue"
    | "putCall"
    | "getCall"
    | "deleteCall"
    | "calls"
    | "tryLease"
    | "revokeLease"
    | "leaseChanged"
    | "tellWaits"
    | "readWaits"
    | "close"
  >;

/** How a cache on disk is opened, whatever its kind. */
export interface CacheFilesOptions {
  /**
   * Whether the cache may be changed; a read-only one never stores anything.
   *
   * @default {"readwrite"}
   */
  mode?: "readwrite" | "read";
  /**
   * What an acknowledged value survives: `"process"` the death of the process, `"power"` also loss
   * of power (data is synced first).
   *
   * @default {"process"}
   */
  durability?: "process" | "power";
}

const CHOICES: { readonly [name in keyof Required<CacheFilesOptions>]: readonly string[] } = {
  mode: ["readwrite", "read"],
  durability: ["process", "power"],
};

/**
 * Checks options that a user gave.
 *
 * @typeParam T The options of the kind.
 * @param kind What is opened, as in "a file cache".
 * @param options What the user gave.
 * @param defaults All options of the kind.
 * @returns The options, all of them.
 * @throws {TypeError} If one is misspelled, or has a value that it cannot have.
 */
export function checkCacheOptions<T extends Required<CacheFilesOptions>>(
  kind: string,
  options: Partial<T>,
  defaults: T,
): T {
  const settings = { ...defaults, ...options };
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(defaults, name));
  if (unknown !== undefined) {
    const names = Object.keys(defaults).map((name) => `"${name}"`).join(", ");
    throw new TypeError(
      `Cannot open ${kind}: "${unknown}" is no option; the options are ${names}`,
    );
  }
  for (const name of ["mode", "durability"] as const) {
    if (CHOICES[name].includes(settings[name])) continue;
    throw new TypeError(
      `Cannot open ${kind} as "${name}" must be ${
        CHOICES[name].map((choice) => `"${choice}"`).join(" or ")
      }: current value is "${settings[name]}"`,
    );
  }
  return settings;
}

// What the bag's room offers to the rooms above: bytes under digests, lines under keys, leases.

/** Told where a record lies that is passed over as it is damaged. */
export type TellDamaged = (where: string) => void;

/** Options of `openBag`. */
export interface BagOptions {
  /**
   * Whether the bag may be changed; a read-only bag never writes a byte.
   *
   * @default {"readwrite"}
   */
  mode?: "readwrite" | "read";
  /**
   * What an acknowledged value survives: `"process"` the death of the process, `"power"` also loss
   * of power (data is synced first).
   *
   * @default {"process"}
   */
  durability?: "process" | "power";
  /**
   * When values move from journals into sealed HDF5 segments: `"auto"` when a journal is full and at
   * close, `"full"` only when a journal is full (as in workers, which leave the rest to whoever
   * started them), `"manual"` only on request. Full journals of few large values wait until their
   * writer pauses, but never more than eight of them.
   *
   * @default {"auto"}
   */
  fold?: "auto" | "full" | "manual";
  /**
   * The size at which a journal is sealed and a new one begun, in bytes.
   *
   * @default {33554432}
   */
  journalBytes?: number;
  /**
   * Whether arrays of 4 KiB and more are compressed when they are sealed, and how hard, by the level
   * of gzip: 1 is fast, 9 is small. It is decided when a bag is created, and holds for all who use it; a bag that is there
   * can be opened without it, or with the same.
   *
   * @default {undefined}
   */
  compression?: { readonly gzip: number };
  /**
   * How many bytes of small values are kept in memory, encoded.
   *
   * @default {33554432}
   */
  memoryBytes?: number;
}

/** The right to do something with a key, held in a lock file. */
export interface LeaseLock extends Disposable {
  /** The key. */
  readonly key: Digest;
  /** Whether somebody has said since that the result is not to be kept. */
  readonly revoked: boolean;
}

/** What a fold did. */
export interface FoldResult {
  /** How many values were sealed. */
  readonly values: number;
  /** Their payload in bytes. */
  readonly bytes: number;
  /** How many journals were removed. */
  readonly journals: number;
}

/** What lies in a cache on disk, as far as it can be told without reading values. */
export interface StorageStatistics {
  /** The bytes that hold values: payloads in segments and whole journals, or the database's pages. */
  readonly bytes?: number;
  /** How many values lie in sealed segments; those in journals are not counted. */
  readonly sealedValues?: number;
  /** How many segments are live. */
  readonly segments?: number;
  /** How many journals there are. */
  readonly journals?: number;
}

/** What a compaction is to do. */
export interface CompactOptions {
  /** The digests of all values that are wanted, each once; without it, all are. */
  live?: Iterable<Digest>;
  /**
   * Values that were put later than this are kept: what {@linkcode BagStorage.horizon} gave *before*
   * the records were read that `live` follows from. In milliseconds since 1970.
   *
   * @default {0}
   */
  horizon?: number;
  /**
   * A segment is rewritten when less than this share of it is kept; 1 means: when anything is
   * dropped.
   *
   * @default {1}
   */
  share?: number;
  /**
   * Whether all segments become one, and the call log is rewritten. A segment has up to 1 GiB and a
   * million values, so that a large bag becomes several: the HDF5 library holds 2 GiB.
   *
   * @default {false}
   */
  full?: boolean;
}

/** What a compaction did. */
export interface CompactResult {
  /** How many values were dropped. */
  readonly values: number;
  /** Their payload in bytes. */
  readonly bytes: number;
  /** How many segments were left as they are because a value in them is damaged. */
  readonly damaged: number;
}

/** What was said of a key: that there is a new line, or that it is forgotten. */
interface CallChange {
  /** The key of the call. */
  readonly key: Digest;
  /** Whether it is forgotten. */
  readonly evicted: boolean;
}

/** What changed in the call log. */
export interface CallChanges {
  /** Stands for the moment; to be given back as `since`. */
  readonly position: unknown;
  /** The changes in their order; absent when everything may be different. */
  readonly lines?: readonly CallChange[];
}

/** What is known of a value without reading it. */
export interface StoredPart {
  /** How to read the payload. */
  readonly kind: number;
  /** The length of the payload in bytes. */
  readonly length: number;
}

/** An open bag directory: many isolates and processes use one at once. */
export interface BagStorage extends AsyncDisposable {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Whether the bag may be changed. */
  readonly mode: "readwrite" | "read";
  /**
   * Keeps a part under its digest; does nothing when the digest is known already and its payload
   * was not found damaged. When this returns, the part is safe to the degree of `durability`; when
   * it throws, the bag is as it was before.
   *
   * @param part The part; its buffer stays the caller's.
   * @throws {QuiverError} If the bag is closed or read-only.
   * @throws {RangeError} If the payload has 2^31 bytes or more.
   */
  putValue(part: EncodedPart): void;
  /**
   * Tells whether a part is there, without reading it.
   *
   * @param digest The digest of the part.
   * @returns Whether it is there, and was not found damaged.
   */
  hasValue(digest: Digest): boolean;
  /**
   * Reads a part into bytes that the caller owns.
   *
   * @param digest The digest of the part.
   * @returns The payload, or `undefined` when the part is missing or damaged.
   */
  getValue(digest: Digest): Payload | undefined;
  /**
   * Gives the bytes of plain data that are in memory already, as `isPlain()` has checked them.
   *
   * @param digest The digest of the part.
   * @returns The bytes, which belong to the bag and must not change, or `undefined` when `getValue` is
   * to be asked.
   */
  plainBytes?(digest: Digest): Uint8Array | undefined;
  /**
   * Opens a part for reading pieces of it, whose bytes are checked like those of a whole part.
   *
   * @param digest The digest of the part.
   * @returns The payload, good until the next fold, or `undefined` when the part is missing or
   * damaged.
   */
  openPayload(digest: Digest): StoredPayload | undefined;
  /**
   * Takes note that what `getValue` gives is whole, but is not what the digest says: it is not given
   * again by this handle, and the next `putValue` keeps another copy.
   *
   * @param digest The digest of the part.
   * @returns Whether `getValue` may have another copy to give.
   */
  rejectValue(digest: Digest): boolean;
  /**
   * Tells what is known of a part, without reading it.
   *
   * @param digest The digest of the part.
   * @returns Its kind and length, or `undefined` when it is missing.
   */
  describeValue(digest: Digest): StoredPart | undefined;
  /**
   * Appends a line to the call log: an object whose first field is `key`.
   *
   * @param key The key of the call: 64 hexadecimal characters.
   * @param fields The other fields, as JSON carries them. A field `key` among them is left out.
   * @param lease The lease that the call was computed under: if it was revoked, nothing is kept.
   * @returns Whether the line is there.
   */
  putCall(key: Digest, fields: Record<string, unknown>, lease?: LeaseLock): boolean;
  /**
   * Appends a tombstone: the key is no longer known.
   *
   * @param key The key of the call.
   * @returns Whether the key was known.
   */
  deleteCall(key: Digest): boolean;
  /**
   * Finds the newest line of a key.
   *
   * @param key The key of the call.
   * @returns The line, frozen as others may have the same object, or `undefined`.
   */
  getCall(key: Digest): Record<string, unknown> | undefined;
  /**
   * Goes over the newest line of every key, in the order of the log.
   *
   * @param damaged Told where a line lies that is passed over as it is damaged.
   * @returns The lines as they are when the iteration begins; it can be done once.
   */
  calls(damaged?: TellDamaged): Iterable<Record<string, unknown>>;
  /**
   * Tells what changed in the call log, whoever changed it.
   *
   * @param since The position that an earlier call has given.
   * @returns The changes, and the position now.
   */
  callChanges(since?: unknown): CallChanges;
  /**
   * Takes the lease of a key if it is free.
   *
   * @param key The key of the call: 64 lower-case hexadecimal characters.
   * @returns The lease, or `undefined` when somebody holds it, or has just looked at it. A lease
   * that outlives the bag stays held until it is disposed.
   */
  tryLease(key: Digest): LeaseLock | undefined;
  /**
   * Tells whoever holds the lease of a key that its result is not to be kept.
   *
   * @param key The key of the call: 64 lower-case hexadecimal characters.
   */
  revokeLease(key: Digest): void;
  /**
   * Waits until the lease of a key may be free or the log has changed.
   *
   * @param key The key of the call.
   * @param signal Ends the wait with the signal's reason.
   */
  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void>;
  /** Counts what lies in the bag. */
  statistics(): StorageStatistics;
  /**
   * Tells all who have the bag open what calls here wait for, in place of what was told before.
   *
   * @param note What they are to know; nothing, if not given.
   */
  tellWaits(note?: Record<string, unknown>): void;
  /**
   * Reads what the others tell.
   *
   * @returns A note of each handle that is open, lives, and has something to tell.
   */
  readWaits(): Record<string, unknown>[];
  /**
   * Moves all that journals hold into sealed segments.
   *
   * @returns What was done, or `undefined` when another folds.
   * @throws What an earlier fold in the background threw, or this one. Nothing is lost by that.
   */
  fold(): Promise<FoldResult | undefined>;
  /**
   * Finds the moment before which values may be dropped that no record names: calls that run under
   * a lease have put none of theirs before it.
   *
   * @param gracePeriod For how long other values are kept, in milliseconds.
   * @returns The moment, in milliseconds since 1970.
   */
  horizon(gracePeriod: number): Promise<number>;
  /**
   * Folds, writes what is wanted of segments into new ones, and drops the rest; others read and
   * write meanwhile. A segment with a damaged value that is wanted stays as it is.
   *
   * @param options What is wanted; without it, segments are merged at most.
   * @returns What was dropped.
   * @throws What folding or writing threw. Nothing is lost by that.
   */
  compact(options?: CompactOptions): Promise<CompactResult>;
  /**
   * Lets go of all files; folds first when `fold` is `"auto"`. May be called twice.
   *
   * @throws What a fold threw; the files are let go of all the same.
   */
  close(): Promise<void>;
}

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Tells whether a text is a digest in full, and so can be a part of a path.
 *
 * @param text The text.
 * @returns Whether it is.
 */
export function isDigest(text: string): boolean {
  return DIGEST_REGEXP.test(text);
}

/** Refuses what cannot be done with a cache on disk: when it is closed, read-only, or by a bad name. */
export class CacheGuard {
  readonly #name: string;
  readonly #mode: "readwrite" | "read";
  #closed = false;

  /**
   * Creates a guard that lets pass what the mode allows.
   *
   * @param name What the cache is called in errors, as in `the file cache "/results"`.
   * @param mode Whether the cache may be changed.
   */
  constructor(name: string, mode: "readwrite" | "read") {
    this.#name = name;
    this.#mode = mode;
  }

  /** From here on nothing passes. */
  close(): boolean {
    const first = !this.#closed;
    this.#closed = true;
    return first;
  }

  /**
   * Lets pass while the cache is open.
   *
   * @param action What is to be done, as in "read from".
   * @throws {QuiverError} If the cache is closed.
   */
  checkOpen(action: string): void {
    if (this.#closed) throw new QuiverError(`Cannot ${action} ${this.#name}: it is closed`);
  }

  /**
   * Lets pass while the cache is open and may be changed.
   *
   * @param action What is to be done, as in "put a value into".
   * @throws {QuiverError} If the cache is closed or read-only.
   */
  checkWritable(action: string): void {
    this.checkOpen(action);
    if (this.#mode === "readwrite") return;
    throw new QuiverError(`Cannot ${action} ${this.#name}: it was opened with mode: "read"`);
  }

  /**
   * Lets digests pass.
   *
   * @param action What is to be done, as in "put a value into".
   * @param digest What should be a digest.
   * @throws {TypeError} If it is none.
   */
  checkDigest(action: string, digest: Digest): void {
    if (isDigest(digest)) return;
    throw new TypeError(
      `Cannot ${action} ${this.#name} as "${digest}": ` +
        "a digest is 64 lower-case hexadecimal characters",
    );
  }
}
