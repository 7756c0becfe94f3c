import { QuiverError } from "../errors.ts";
import type { CallRecord } from "../call/call_record.ts";
import { encodeValue } from "../value/encode_value.ts";
import type { Digest, EncodedPart, Payload } from "../value/encoded_value.ts";
import type { PayloadSource, StoredPayload } from "../value/stored_payload.ts";
import type { BagView } from "./bag_view.ts";
import { decodeFound } from "./decode_found.ts";
import type { RecordSigner } from "./record_signer.ts";

/**
 * Shows nothing of a bag but what the holder of a key has written, as signed stores do: records with
 * a good signature, and values that are what their digests say. A digest is that of a whole value,
 * so also whoever wants a part of one has all of it read and digested.
 */
export class SignedView implements BagView {
  readonly source: PayloadSource;
  readonly #view: BagView;
  readonly #signer: RecordSigner;

  /**
   * Looks at a view.
   *
   * @param view The view.
   * @param signer Tells who signed a record.
   */
  constructor(view: BagView, signer: RecordSigner) {
    this.source = new DigestedSource(view.source);
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
  /** The value that was asked for last with its large arrays: these are asked for next. */
  #last = new Map<Digest, EncodedPart>();

  constructor(source: PayloadSource) {
    this.#source = source;
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
    const encoded = this.#encodeAgain(digest);
    if (encoded?.digest !== digest) return undefined;
    this.#last = new Map([...encoded.parts, encoded].map((part) => [part.digest, part]));
    return encoded;
  }

  /** What comes out is made of the value that was read, so it is what the new digest says. */
  #encodeAgain(digest: Digest): ReturnType<typeof encodeValue> | undefined {
    const found = decodeAny(digest, this.#source);
    if (found === undefined) return undefined;
    try {
      return encodeValue(found.value);
    } catch (error) {
      // Nothing without a digest was ever stored.
      if (error instanceof QuiverError) return undefined;
      throw error;
    }
  }
}

/** What cannot be decoded was made to look whole: it is as good as missing. */
function decodeAny(
  digest: Digest,
  source: PayloadSource,
): { readonly value: unknown } | undefined {
  try {
    const found = decodeFound(digest, (part) => source.load(part));
    return found.hit ? found : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
