import type { OptionRule, OptionRules } from "../base/check_options.ts";
import { QuiverError } from "../base/errors.ts";
import type { Digest } from "../value/value.ts";
import { lookAt } from "./file_system.ts";
import type { BagLayout } from "./layout.ts";
import { type CachePermissions, PERMISSIONS_RULE } from "./ownership.ts";
import type { SweepOptions, SweepResult } from "./stores.ts";

/** How a cache on disk is opened, whatever its kind. */
export interface CacheFilesOptions {
  /**
   * Whether the cache may be changed; a read-only one never stores anything, and never writes a byte.
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
   * Who may use a new cache: `"user"` its owner, `"group"` all of its directory's group, or whom the
   * mode of its files names, such as `0o640`. All that is made in it later, by whoever, is as its
   * directory is, whatever the umask; a cache that is there stays as it is, and a warning says where
   * that is something else. Left out, a new directory is as the umask makes it. Not on Windows.
   *
   * @default {undefined}
   */
  permissions?: CachePermissions;
}

/** Options with their defaults; what is left out of a new cache's permissions has none. */
export type CacheSettings<T extends CacheFilesOptions> = Required<Omit<T, "permissions">>;

/** The rules of these options, in the words of messages about what is on disk. */
export const CACHE_FILES_RULES: OptionRules<CacheFilesOptions> = {
  mode: either("readwrite", "read"),
  durability: either("process", "power"),
  permissions: PERMISSIONS_RULE,
};

/** Makes the rule of an option that has a few values. */
export function either(...choices: readonly string[]): OptionRule {
  const must = choices.map((choice) => `"${choice}"`).join(" or ");
  return {
    allows: (value) => choices.some((choice) => choice === value),
    says: (name, value) => ` as "${name}" must be ${must}: current value is "${String(value)}"`,
  };
}

/**
 * Makes the rule of a number of bytes or milliseconds.
 *
 * @param least The least that there may be.
 */
export function integerFrom(least: number): OptionRule {
  return {
    allows: (value) => Number.isInteger(value) && Number(value) >= least,
    says: (name, value) =>
      ` as "${name}" must be an integer of at least ${least}: current value is ${String(value)}`,
    number: true,
  };
}

/** Options of `openBag`. */
export interface BagOptions extends CacheFilesOptions {
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
export interface CompactOptions extends Partial<SweepOptions> {
  /** The digests of all values that are wanted, each once, with or without their parts; without it, all are. */
  readonly live?: Iterable<Digest>;
}

/** What a compaction did. */
export interface CompactResult extends SweepResult {
  /** How many segments were left as they are because a value in them is damaged. */
  readonly damaged: number;
}

/** What is known of a value without reading it. */
export interface StoredPart {
  /** How to read the payload. */
  readonly kind: number;
  /** The length of the payload in bytes. */
  readonly length: number;
}

const DIGEST_REGEXP = /^[0-9a-f]{64}$/;

/**
 * Tells whether a text is a digest in full, and so can be a part of a path.
 *
 * @returns Whether it is.
 */
export function isDigest(text: string): boolean {
  return DIGEST_REGEXP.test(text);
}

/**
 * Makes the guard of a bag.
 *
 * @param layout Where the bag is.
 * @param mode Whether it may be changed.
 */
export function guardBag(
  { root, bagJson }: Pick<BagLayout, "root" | "bagJson">,
  mode: "readwrite" | "read",
): CacheGuard {
  return new CacheGuard(`the bag "${root}"`, mode, bagJson);
}

/** Refuses what cannot be done with a cache on disk: when it is closed, read-only, or by a bad name. */
export class CacheGuard {
  readonly #name: string;
  readonly #mode: "readwrite" | "read";
  readonly #marker: string;
  #closed = false;

  /**
   * Creates a guard that lets pass what the mode allows.
   *
   * @param name What the cache is called in errors, as in `the file cache "/results"`.
   * @param mode Whether the cache may be changed.
   * @param marker The file without which there is no such cache.
   */
  constructor(name: string, mode: "readwrite" | "read", marker: string) {
    this.#name = name;
    this.#mode = mode;
    this.#marker = marker;
  }

  /** Whether the cache may be changed, as it was opened. */
  get writable(): boolean {
    return this.#mode === "readwrite";
  }

  /** Whether nothing passes any more. */
  get closed(): boolean {
    return this.#closed;
  }

  /** From here on nothing passes; tells whether something did before. */
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
    if (this.writable) return;
    throw new QuiverError(`Cannot ${action} ${this.#name}: it was opened with mode: "read"`);
  }

  /**
   * Lets pass while the cache is where it was opened: asked where files turn out to be others, or
   * none. Of a cache that is there only some were removed, which are made anew.
   *
   * @throws {QuiverError} If there is no cache any more.
   */
  checkThere(): void {
    if (lookAt(this.#marker) !== undefined) return;
    throw new QuiverError(
      `Cannot go on with ${this.#name}: it was moved, removed or cleared while it was open; open it ` +
        "where it is now",
    );
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
