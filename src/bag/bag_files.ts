/**
 * What the bag's room offers to the rooms above: bytes under digests, lines under keys, leases.
 *
 * @module
 */
import type { Digest, EncodedPart, Payload } from "../value/encoded_value.ts";

/** Options of {@linkcode openBagFiles}. */
export interface BagFilesOptions {
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
   * When values move from journals into sealed HDF5 segments: `"auto"` when a journal is full and
   * at close, `"manual"` only on request. A worker's bag is `"manual"` at close.
   *
   * @default {"auto"}
   */
  fold?: "auto" | "manual";
  /**
   * The size at which a journal is sealed and a new one begun, in bytes.
   *
   * @default {33554432}
   */
  journalBytes?: number;
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

/** An open bag directory: many isolates and processes use one at once. */
export interface BagFiles extends AsyncDisposable {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Whether the bag may be changed. */
  readonly mode: "readwrite" | "read";
  /**
   * Keeps a part under its digest; does nothing when the digest is known already.
   * When this returns the part is safe to the degree of `durability`.
   */
  putValue(part: EncodedPart): void;
  /** Whether a part is there, without reading it. */
  hasValue(digest: Digest): boolean;
  /**
   * Reads a part into bytes that the caller owns.
   *
   * @returns The payload, or `undefined` when the part is missing or damaged.
   */
  getValue(digest: Digest): Payload | undefined;
  /** Appends a line (an object whose first field is `key`) to the call log. */
  putCall(key: Digest, fields: Record<string, unknown>): void;
  /** Appends a tombstone: the key is no longer known. */
  deleteCall(key: Digest): boolean;
  /** The newest line of a key as an object, or `undefined`. */
  getCall(key: Digest): Record<string, unknown> | undefined;
  /** The newest line of every key, in the order of the log. */
  calls(): Iterable<Record<string, unknown>>;
  /** Takes the lease of a key if it is free. */
  tryLease(key: Digest): LeaseLock | undefined;
  /**
   * Waits until the lease of a key may be free or the log has changed.
   *
   * @param signal Ends the wait with the signal's reason.
   */
  leaseChanged(key: Digest, signal?: AbortSignal): Promise<void>;
  /** Moves all that journals hold into sealed segments. Returns `undefined` when another folds. */
  fold(): Promise<FoldResult | undefined>;
  /** Lets go of all files; folds first when `fold` is `"auto"`. May be called twice. */
  close(): Promise<void>;
}
