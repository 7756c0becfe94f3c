import type { DiskBag } from "../../bag/disk_bag.ts";
import { QuiverError } from "../../base/errors.ts";
import type { CallRecord } from "../../call/call_record.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import type {
  Digest,
  EncodedPart,
  EncodedValue,
  Payload,
  PayloadSource,
  StoredPayload,
} from "../../value/value.ts";
import { decodeFound } from "../../value/codec/decode_value.ts";
import type { OpenFiles } from "../open_stores.ts";
import { RecordSigner } from "../signed/record_signer.ts";
import type { Found, ValueStore } from "../stores.ts";

/** What a bag shows to those who look around in it. */
export interface BagView {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Where the payloads of its values lie. */
  readonly source: PayloadSource;
  /**
   * Finds a record.
   *
   * @param key The key of the call.
   * @returns The record, or `undefined`.
   */
  record(key: Digest): CallRecord | undefined;
  /** Goes over all records, each key once. */
  records(): Iterable<CallRecord>;
  /**
   * Tells whether a record from elsewhere would be shown.
   *
   * @param record The record.
   * @returns Whether it would.
   */
  believes(record: CallRecord): boolean;
}

/**
 * Looks at an open bag.
 *
 * @param opened The bag. If it is signed, nothing is shown but what the holder of a key has written.
 * @returns The view.
 */
export function createBagView({ files, stores }: OpenFiles<DiskBag>): BagView {
  const view = new PlainView(files);
  const { description } = stores;
  if (description?.type !== "signed") return view;
  return new SignedView(view, new RecordSigner(description.keys), stores.values);
}

class PlainView implements BagView {
  readonly #files: DiskBag;

  constructor(files: DiskBag) {
    this.#files = files;
  }

  get source(): PayloadSource {
    return this.#files.values;
  }

  get path(): string {
    return this.#files.path;
  }

  record(key: Digest): CallRecord | undefined {
    return this.#files.calls.get(key);
  }

  records(): Iterable<CallRecord> {
    return this.#files.calls.records();
  }

  believes(): boolean {
    return true;
  }
}

/**
 * Shows nothing of a bag but what the holder of a key has written, as signed stores do: records with
 * a good signature, and values that are what their digests say. A digest is that of a whole value,
 * so also whoever wants a part of one has all of it read and digested.
 */
class SignedView implements BagView {
  readonly source: PayloadSource;
  readonly #view: BagView;
  readonly #signer: RecordSigner;

  /**
   * Looks at a view.
   *
   * @param view The view.
   * @param signer Tells who signed a record.
   * @param values Told what is not what its digest says.
   */
  constructor(view: BagView, signer: RecordSigner, values: ValueStore) {
    const reject = (digest: Digest) => values.reject?.(digest) ?? false;
    this.source = new DigestedSource(view.source, reject);
    this.#view = view;
    this.#signer = signer;
  }

  /** As the interface says. */
  get path(): string {
    return this.#view.path;
  }

  /** As the interface says. A good record of another call is no record of this one. */
  record(key: Digest): CallRecord | undefined {
    const record = this.#view.record(key);
    return record?.key === key && this.believes(record) ? record : undefined;
  }

  /** As the interface says. */
  *records(): Generator<CallRecord> {
    for (const record of this.#view.records()) if (this.believes(record)) yield record;
  }

  /** As the interface says. */
  believes(record: CallRecord): boolean {
    return this.#signer.verify(record);
  }
}

/** Gives the payloads of values that have their digests. */
class DigestedSource implements PayloadSource {
  readonly #source: PayloadSource;
  readonly #reject: (digest: Digest) => boolean;
  /** The value that was asked for last with its large arrays: these are asked for next. */
  #last = new Map<Digest, EncodedPart>();

  constructor(source: PayloadSource, reject: (digest: Digest) => boolean) {
    this.#source = source;
    this.#reject = reject;
  }

  open(digest: Digest): StoredPayload | undefined {
    const part = this.#find(digest);
    if (part === undefined) return undefined;
    const { kind, bytes, shape } = part;
    return {
      digest,
      kind,
      length: bytes.length,
      ...(shape !== undefined && { shape }),
      read(offset, target) {
        const end = offset + target.length;
        if (offset < 0 || end > bytes.length) return false;
        target.set(bytes.subarray(offset, end));
        return true;
      },
    };
  }

  load(digest: Digest): Payload | undefined {
    const part = this.#find(digest);
    return part && { kind: part.kind, bytes: part.bytes.slice() };
  }

  #find(digest: Digest): EncodedPart | undefined {
    const known = this.#last.get(digest);
    if (known !== undefined) return known;
    for (;;) {
      const found = read(digest, this.#source);
      if (!found.hit) return undefined;
      if (found.value !== undefined) {
        const { parts } = found.value;
        this.#last = new Map([...parts, found.value].map((part) => [part.digest, part]));
        return found.value;
      }
      // Behind a copy that was tampered with there may be another one.
      if (!this.#reject(digest)) return undefined;
    }
  }
}

/** A value that is there, encoded again; `undefined` when it is not what its digest says. */
function read(digest: Digest, source: PayloadSource): Found<EncodedValue | undefined> {
  try {
    const found = decodeFound(digest, (part) => source.load(part));
    if (!found.hit) return found;
    // What comes out is made of the value that was read, so its digest vouches for all of it.
    const value = encodeValue(found.value);
    return { hit: true, value: value.digest === digest ? value : undefined };
  } catch (error) {
    // It was made to look whole, or has no digest: nothing like that was ever stored.
    if (error instanceof SyntaxError || error instanceof QuiverError) {
      return { hit: true, value: undefined };
    }
    throw error;
  }
}
