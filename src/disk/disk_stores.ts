import type { RecordPlan } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import { decodeFound } from "../value/codec/decode_value.ts";
import { mayRefer, neededParts } from "../value/codec/references.ts";
import { isPayloadOf } from "../value/is_payload_of.ts";
import type { Digest, EncodedPart, EncodedValue, Payload } from "../value/value.ts";
import { encodeCallLine } from "./checked_line.ts";
import {
  type CacheGuard,
  isDigest,
  type StorageStatistics,
  type StoredPart,
} from "./disk_storage.ts";
import type { DiskLeases } from "./leases.ts";
import type {
  CallStore,
  Found,
  Lease,
  MaybePromise,
  TellDamaged,
  ValueDescription,
  ValueStore,
  ValueSweeper,
} from "./stores.ts";

/** A cache on disk that is open: a bag, a directory with a file for each value, or a database. */
export interface DiskStorage extends AsyncDisposable {
  /** The absolute path of the cache. */
  readonly path: string;
  /** Whether the cache may be changed. */
  readonly mode: "readwrite" | "read";
  /** Its values. */
  readonly values: DiskValues;
  /** Its records. */
  readonly calls: DiskCalls;
  /** Who computes what. */
  readonly leases: DiskLeases;
  /** Drops values that no record names; absent when it cannot. */
  readonly sweeper?: ValueSweeper;
  /** Counts what lies in it; absent where that is not cheap to tell. */
  statistics?(): StorageStatistics;
  /** Lets go of all files; may be called twice. */
  close(): Promise<void>;
}

/** Values on disk: each lies in parts, which are bytes under a digest of their own. */
export abstract class DiskValues implements ValueStore {
  readonly #load = (part: Digest): Payload | undefined => this.load(part);

  /**
   * Keeps a part under its digest; does nothing when the digest is known already and its payload
   * was not found damaged. When this returns, or what it returns resolves, the part is safe to the
   * degree of `durability`; when it throws, the cache is as it was before.
   *
   * @param part The part; its buffer stays the caller's.
   * @throws {QuiverError} If the cache is closed or read-only.
   * @throws {RangeError} If the payload is larger than any that can be stored.
   */
  abstract putPart(part: EncodedPart): MaybePromise<void>;

  /**
   * Reads a part into bytes that the caller owns.
   *
   * @param digest The digest of the part.
   * @returns The payload, or `undefined` when the part is missing or damaged.
   */
  abstract load(digest: Digest): Payload | undefined;

  /**
   * Takes note that what `load` gives is whole, but is not what the digest says: the next `putPart`
   * keeps another copy.
   *
   * @param digest The digest of the part.
   * @returns Whether `load` may have another copy to give.
   */
  abstract rejectPart(digest: Digest): boolean;

  /**
   * Tells what is known of a part, without reading all of it.
   *
   * @param digest The digest of the part.
   * @returns Its kind and length, or `undefined` when it is missing.
   */
  abstract find(digest: Digest): StoredPart | undefined;

  /** As the interface says. */
  holds(digest: Digest): boolean {
    return this.find(digest) !== undefined;
  }

  /**
   * Tells what is known of a value.
   *
   * @param digest The digest of the value.
   * @returns Its size and parts, or `undefined` when it is missing or damaged.
   */
  describe(digest: Digest): ValueDescription | undefined {
    const part = this.find(digest);
    if (part === undefined) return undefined;
    if (!mayRefer(part.kind)) return { bytes: part.length, parts: [] };
    const payload = this.load(digest);
    return payload && { bytes: part.length, parts: neededParts(payload) };
  }

  /** As the interface says. Parts first: whoever sees the value must find its parts. */
  put(value: EncodedValue): MaybePromise<void> {
    let before: MaybePromise<void> = undefined;
    for (const part of value.parts) before = this.#putAfter(before, part);
    return this.#putAfter(before, value);
  }

  #putAfter(before: MaybePromise<void>, part: EncodedPart): MaybePromise<void> {
    if (before === undefined) return this.putPart(part);
    // The caller may change its buffer meanwhile.
    const copy = part.lazy ? part : { ...part, bytes: part.bytes.slice() };
    return before.then(() => this.putPart(copy));
  }

  /**
   * As the interface says. What cannot be decoded is rejected, so that it is stored again where it is
   * computed again.
   *
   * @throws {SyntaxError} If there is no copy that can be decoded.
   */
  get(digest: Digest): Found<unknown> {
    try {
      return decodeFound(digest, this.#load);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      const behind = this.reject(digest) ? this.get(digest) : undefined;
      if (behind?.hit === true) return behind;
      throw error;
    }
  }

  /** As the interface says. */
  reject(digest: Digest): boolean {
    return this.listWrong(digest).map((part) => this.rejectPart(part)).some((again) => again);
  }

  /**
   * Tells what is wrong with a value that is not what its digest says.
   *
   * @param digest The digest of the value.
   * @returns Its parts that are not what their digests say; if there are none, the value itself.
   */
  listWrong(digest: Digest): readonly Digest[] {
    const wrong = this.#partsOf(digest).filter((part) => !this.#isRight(part));
    return wrong.length > 0 ? wrong : [digest];
  }

  #partsOf(digest: Digest): readonly Digest[] {
    const loaded = new Set<Digest>();
    try {
      decodeFound(digest, (part) => {
        loaded.add(part);
        return this.load(part);
      });
    } catch (error) {
      // What cannot be decoded has no more parts than were asked for.
      if (!(error instanceof SyntaxError)) throw error;
    }
    loaded.delete(digest);
    return [...loaded];
  }

  #isRight(part: Digest): boolean {
    const payload = this.load(part);
    // A part has no parts.
    return payload === undefined || isPayloadOf(part, payload, () => undefined);
  }
}

/** Values of which each part has a place of its own, such as a file or a row. */
export abstract class KeyedValues extends DiskValues {
  /** Says what may be done. */
  protected readonly guard: CacheGuard;
  readonly #largest: number;
  /** Parts that are there, and are not what their digest says. */
  readonly #rejected = new Set<Digest>();

  /**
   * Takes what all have in common.
   *
   * @param guard Says what may be done.
   * @param largest How many bytes the largest payload has that fits.
   */
  constructor(guard: CacheGuard, largest: number) {
    super();
    this.guard = guard;
    this.#largest = largest;
  }

  /** Writes a part to its place, whatever is there. */
  protected abstract write(part: EncodedPart): void;

  /**
   * Takes note that a part was put which is there: a sweep keeps it as if it had been written now.
   *
   * @returns Whether it is still there; if not, it has to be written.
   */
  protected abstract touch(digest: Digest): boolean;

  /** As the base class says. */
  putPart(part: EncodedPart): MaybePromise<void> {
    this.keep(part);
  }

  /** The same, at once. */
  protected keep(part: EncodedPart): void {
    const { digest, bytes: { length } } = part;
    this.guard.checkWritable("put a value into");
    this.guard.checkDigest("put a value into", digest);
    if (length > this.#largest) {
      throw new RangeError(
        `Cannot put a value of ${length} bytes: the largest has ${this.#largest}`,
      );
    }
    const isWhole = !this.#rejected.has(digest) && this.load(digest) !== undefined;
    if (isWhole && this.touch(digest)) return;
    this.write(part);
    this.#rejected.delete(digest);
  }

  /** As the base class says. */
  rejectPart(digest: Digest): boolean {
    this.#rejected.add(digest);
    return false;
  }
}

/** Records on disk: each is one checked line, in which another program may have written anything. */
export abstract class DiskCalls implements CallStore {
  /**
   * Keeps a line; a later one of the same key replaces an earlier one.
   *
   * @param key The key of the call: 64 hexadecimal characters.
   * @param fields The other fields, as JSON carries them. A field `key` among them is left out.
   * @param lease The lease that the call was computed under: if it was revoked, nothing is kept.
   * @returns Whether the line is there.
   */
  abstract putLine(
    key: Digest,
    fields: Record<string, unknown>,
    lease?: Lease,
  ): MaybePromise<boolean>;

  /**
   * Finds the newest line of a key.
   *
   * @param key The key of the call.
   * @returns The line, perhaps frozen as others may have the same object, or `undefined`.
   */
  abstract getLine(key: Digest): Record<string, unknown> | undefined;

  /**
   * Goes over the newest line of every key.
   *
   * @param damaged Told where a line lies that is passed over as it is damaged.
   * @param plan Which lines are wanted; others may be left out.
   */
  abstract lines(damaged?: TellDamaged, plan?: RecordPlan): Iterable<Record<string, unknown>>;

  /** As the interface says. */
  abstract delete(key: Digest): MaybePromise<boolean>;

  /** As the interface says. */
  put({ key, ...fields }: CallRecord, lease?: Lease): MaybePromise<boolean> {
    return this.putLine(key, fields, lease);
  }

  /** As the interface says. */
  get(key: Digest): CallRecord | undefined {
    return toCallRecord(this.getLine(key));
  }

  /** As the interface says. */
  *records(damaged?: TellDamaged, plan?: RecordPlan): Iterable<CallRecord> {
    for (const line of this.lines(damaged, plan)) {
      const record = toCallRecord(line);
      if (record !== undefined) yield record;
    }
  }
}

/**
 * Makes a record of a line. A line that another program wrote may hold anything; what is no record is
 * no hit, and nothing that reads records has to expect it.
 */
export function toCallRecord(line: Record<string, unknown> | undefined): CallRecord | undefined {
  if (line === undefined) return undefined;
  if (RECORDS.has(line)) return line as unknown as CallRecord;
  const { key, module, task, result, args, ignored, version } = line;
  const { scheme, started, duration, wall, code, parts, reads, metadata } = line;
  const isRecord = typeof key === "string" && typeof module === "string" &&
    typeof task === "string" && typeof result === "string" && isDigest(result) &&
    Array.isArray(args) && args.every(isArgument) &&
    isOptionalList(ignored, isName) && isOptionalList(parts, isText) &&
    isOptionalList(reads, isRead) &&
    (version === undefined || isName(version)) && isOptional(scheme, "number") &&
    isOptional(started, "number") && isOptional(duration, "number") &&
    isOptional(wall, "number") &&
    isOptional(code, "string") && (metadata === undefined || isObject(metadata));
  if (!isRecord) return undefined;
  if (Object.isFrozen(line)) RECORDS.add(line);
  // All fields were looked at that have a type of their own.
  return line as unknown as CallRecord;
}

/** Lines that are records for good: those of a bag are kept, and asked for with each hit. */
const RECORDS = new WeakSet<object>();

function isArgument(argument: unknown): boolean {
  if (!isObject(argument)) return false;
  const { name, position, digest, value, lost } = argument;
  return isOptional(name, "string") && isOptional(position, "number") &&
    isOptional(digest, "string") && isOptionalDigest(value) && isOptionalDigest(lost);
}

function isOptionalDigest(content: unknown): boolean {
  return content === undefined || (typeof content === "string" && isDigest(content));
}

function isObject(content: unknown): content is Record<string, unknown> {
  return typeof content === "object" && content !== null && !Array.isArray(content);
}

function isName(content: unknown): boolean {
  return typeof content === "string" || typeof content === "number";
}

function isText(content: unknown): boolean {
  return typeof content === "string";
}

function isRead(read: unknown): boolean {
  if (!isObject(read)) return false;
  const { kind, name, digest } = read;
  return (kind === "file" || kind === "env") && isText(name) && isText(digest);
}

function isOptionalList(content: unknown, isItem: (item: unknown) => boolean): boolean {
  return content === undefined || (Array.isArray(content) && content.every(isItem));
}

function isOptional(content: unknown, type: "string" | "number"): boolean {
  return content === undefined || typeof content === type;
}

/** So many keys are kept of which nothing else tells that they were deleted. */
const MOST_FORGOTTEN = 4096;

/** Records of which each has a place of its own, such as a file or a row. */
export abstract class KeyedCalls extends DiskCalls {
  /** Says what may be done. */
  protected readonly guard: CacheGuard;
  /** What this handle has deleted last. */
  readonly #forgotten = new Set<Digest>();

  /**
   * Takes what all have in common.
   *
   * @param guard Says what may be done.
   */
  constructor(guard: CacheGuard) {
    super();
    this.guard = guard;
  }

  /** As the interface says: of what this handle has deleted. */
  isForgotten(key: Digest): boolean {
    return this.#forgotten.has(key);
  }

  /** Takes note that a key was deleted. */
  protected noteForgotten(key: Digest): void {
    this.#forgotten.add(key);
    const [oldest = ""] = this.#forgotten;
    if (this.#forgotten.size > MOST_FORGOTTEN) this.#forgotten.delete(oldest);
  }

  /** Writes a line between two line feeds, which has these fields, to the key's place, whatever is there. */
  protected abstract write(
    key: Digest,
    line: Uint8Array<ArrayBuffer>,
    fields: Record<string, unknown>,
  ): void;

  /** As the base class says. */
  putLine(key: Digest, fields: Record<string, unknown>, lease?: Lease): boolean {
    this.guard.checkWritable("put a call into");
    this.guard.checkDigest("put a call into", key);
    if (lease?.revoked) return false;
    this.write(key, encodeCallLine(key, fields), fields);
    if (!lease?.revoked) return true;
    // Since the last look: then it was not to be put.
    this.delete(key);
    return false;
  }
}
