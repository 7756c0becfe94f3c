import type { DiskBag } from "../../bag/disk_bag.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import {
  type Digest,
  type EncodedPart,
  type Payload,
  type PayloadSource,
  type StoredPayload,
  toStoredPayload,
} from "../../value/value.ts";
import type { OpenFiles } from "../open_stores.ts";
import type { PromptCalls, PromptValues } from "../stores.ts";

/** What a bag shows to those who look around in it. */
export interface BagView {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Its records. */
  readonly calls: PromptCalls;
  /** Where the payloads of its values lie. */
  readonly source: PayloadSource;
}

/**
 * Looks at an open bag.
 *
 * @param opened The bag. If it is signed, nothing is shown but what the holder of a key has written.
 */
export function createBagView({ files, stores: { values, calls } }: OpenFiles<DiskBag>): BagView {
  // What is believed as it is may be read in pieces.
  const source = values === files.values ? files.values : new CheckedSource(values);
  return { path: files.path, calls, source };
}

/**
 * Gives the payloads of values that were checked when they were read. A digest is that of a whole
 * value, so also whoever wants a part of one has all of it read and digested.
 */
class CheckedSource implements PayloadSource {
  readonly #values: PromptValues;
  /** The value that was asked for last with its large arrays: these are asked for next. */
  #last = new Map<Digest, EncodedPart>();

  constructor(values: PromptValues) {
    this.#values = values;
  }

  open(digest: Digest): StoredPayload | undefined {
    const part = this.#find(digest);
    return part && toStoredPayload(part);
  }

  load(digest: Digest): Payload | undefined {
    const part = this.#find(digest);
    return part && { kind: part.kind, bytes: part.bytes.slice() };
  }

  #find(digest: Digest): EncodedPart | undefined {
    const known = this.#last.get(digest);
    if (known !== undefined) return known;
    const parts = new Map<object, EncodedPart>();
    const found = this.#values.get(digest, parts);
    if (!found.hit) return undefined;
    // What comes out is made of the value that was checked, and not of bytes that are read anew.
    const value = encodeValue(found.value, { parts });
    this.#last = new Map([...value.parts, value].map((part) => [part.digest, part]));
    return value;
  }
}
