import type { CacheGuard, StoredPart } from "../disk/disk_storage.ts";
import { DiskValues } from "../disk/disk_stores.ts";
import type { Found, MaybePromise, ValueDescription } from "../disk/stores.ts";
import { decodePlain } from "../value/codec/cbor.ts";
import type { Digest, EncodedPart, Payload, PayloadSource, StoredPayload } from "../value/value.ts";
import type { ByteCache } from "./byte_cache.ts";
import type { Touches } from "./fold/touches.ts";
import type { JournalWriter, PieceSource } from "./journal/journal_writer.ts";
import type { StoredValues } from "./stored_values.ts";

/** The length of a digest in hexadecimal. */
const DIGEST_LENGTH = 64;

/** The largest payload; the HDF5 library writes no more at once. */
export const LARGEST_BYTES: number = 2 ** 31 - 1;

/** To look for what others have written meanwhile takes less time than to write so many bytes. */
const LOOK_AGAIN_BYTES = 1024 * 1024;

/** How much of a value that is known is read at once. */
const PIECE_BYTES = 1024 * 1024;

/** What the values of a bag stand on. */
export interface BagValuesOptions {
  /** Says what may be done. */
  readonly guard: CacheGuard;
  /** What is kept in memory. */
  readonly cache: ByteCache;
  /** The own journal. */
  readonly writer: JournalWriter;
  /** Finds values in journals and segments. */
  readonly stored: StoredValues;
  /** Keeps others from dropping what is put again. */
  readonly touches: Touches;
  /** Brings a known value to the disk itself, where that is promised. */
  readonly syncKnown?: ((digest: Digest) => void) | undefined;
  /** Called with each part that was appended to the own journal. */
  readonly onPut: () => void;
  /** Appends what comes in pieces to a journal beside the own one. */
  readonly appendPieces: (source: PieceSource) => Promise<void>;
}

/** The values of a bag: in memory, in journals, in segments. */
export class BagValues extends DiskValues implements PayloadSource {
  readonly #options: BagValuesOptions;
  // Of their own, for these a hit needs.
  readonly #guard: CacheGuard;
  readonly #cache: ByteCache;

  /**
   * Takes what they stand on.
   *
   * @param options What that is.
   */
  constructor(options: BagValuesOptions) {
    super();
    this.#options = options;
    this.#guard = options.guard;
    this.#cache = options.cache;
  }

  /** As the interface says. */
  override get(digest: Digest): Found<unknown> {
    this.#guard.checkOpen("read from");
    const plain = this.#cache.plain(digest);
    return plain === undefined ? super.get(digest) : { hit: true, value: decodePlain(plain) };
  }

  /** As the base class says. */
  putPart(part: EncodedPart): MaybePromise<void> {
    const { stored, touches, syncKnown } = this.#options;
    this.#guard.checkWritable("put a value into");
    const { digest, bytes } = part;
    if (digest.length !== DIGEST_LENGTH) {
      throw new TypeError(`Cannot put a value as "${digest}": a digest has 64 characters`);
    }
    checkLength(bytes.length);
    const known = stored.isWhole(digest) ||
      bytes.length >= LOOK_AGAIN_BYTES && this.open(digest) !== undefined && stored.isWhole(digest);
    if (!known) return this.#append(part);
    syncKnown?.(digest);
    const stays = touches.leave(digest, () => this.#isLive(digest));
    if (stays === true) return;
    if (stays === false) return this.#append(part);
    // The caller may change its buffer meanwhile.
    const copy = part.lazy ? part : { ...part, bytes: bytes.slice() };
    return stays.then((stays) => stays ? undefined : this.#append(copy));
  }

  #append(part: EncodedPart): void {
    const { stored, writer, onPut } = this.#options;
    const { journal, entry } = writer.append(part);
    stored.add(journal, entry);
    onPut();
  }

  /**
   * Keeps a part that comes in pieces, as `putPart()` does; no more than a piece of it is in memory.
   *
   * @param source The part, known by its digest; it is read once, and not at all if it is known.
   */
  async putPieces(source: PieceSource): Promise<void> {
    const { stored, touches, syncKnown, appendPieces } = this.#options;
    this.#guard.checkWritable("put a value into");
    const { digest, length } = source;
    this.#guard.checkDigest("put a value into", digest);
    checkLength(length);
    if (!this.#isReadable(digest)) return await appendPieces(source);
    syncKnown?.(digest);
    if (!await touches.leave(digest, () => stored.isLive(digest))) await appendPieces(source);
  }

  /** Reads all of a value, in pieces, to see whether it is there. */
  #isReadable(digest: Digest): boolean {
    const payload = this.open(digest);
    if (payload === undefined) return false;
    const buffer = new Uint8Array(Math.min(PIECE_BYTES, payload.length));
    for (let at = 0; at < payload.length; at += buffer.length) {
      const piece = buffer.subarray(0, Math.min(buffer.length, payload.length - at));
      if (!payload.read(at, piece)) return false;
    }
    return true;
  }

  /** Whether a value is in what is live now: it may have been dropped since this handle looked. */
  #isLive(digest: Digest): boolean {
    const { stored } = this.#options;
    stored.reload();
    return stored.isWhole(digest);
  }

  /** As the interface says. */
  load(digest: Digest): Payload | undefined {
    this.#guard.checkOpen("read from");
    const kept = this.#cache.get(digest);
    if (kept !== undefined) return kept;
    const payload = this.#options.stored.read(digest);
    if (payload !== undefined) this.#cache.put(digest, payload);
    return payload;
  }

  /** As the interface says; the payload is good until the next fold. */
  open(digest: Digest): StoredPayload | undefined {
    this.#guard.checkOpen("read from");
    return this.#options.stored.open(digest);
  }

  /** As the interface says. */
  matching(prefix: string): Iterable<Digest> {
    this.#guard.checkOpen("look into");
    return this.#options.stored.matching(prefix);
  }

  /** As the base class says; this handle does not give it again. */
  rejectPart(digest: Digest): boolean {
    this.#guard.checkOpen("reject a value of");
    this.#cache.delete(digest);
    return this.#options.stored.reject(digest);
  }

  /** As the base class says; nothing of it is read. */
  find(digest: Digest): StoredPart | undefined {
    this.#guard.checkOpen("look into");
    return this.#options.stored.find(digest);
  }

  /** As the base class says; the parts are those of all copies, as one may be made up. */
  override describe(digest: Digest): ValueDescription | undefined {
    const part = this.find(digest);
    const parts = part && this.#options.stored.partsOf(digest);
    return parts && { bytes: part.length, parts };
  }
}

function checkLength(length: number): void {
  if (length <= LARGEST_BYTES) return;
  throw new RangeError(`Cannot put a value of ${length} bytes: the largest has ${LARGEST_BYTES}`);
}
