import type { DiskBag } from "../../bag/disk_bag.ts";
import { encodeValue } from "../../value/codec/encode_value.ts";
import {
  type Digest,
  type EncodedPart,
  type PayloadSource,
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
  const source = values === files.values ? files.values : checkedSource(values);
  return { path: files.path, calls, source };
}

/**
 * Gives the payloads of values that were checked when they were read. A digest is that of a whole
 * value, so also whoever wants a part of one has all of it read and digested.
 */
function checkedSource(values: PromptValues): PayloadSource {
  /** The value that was asked for last with its large arrays: these are asked for next. */
  let last = new Map<Digest, EncodedPart>();
  const find = (digest: Digest): EncodedPart | undefined => {
    const known = last.get(digest);
    if (known !== undefined) return known;
    const parts = new Map<object, EncodedPart>();
    const found = values.get(digest, parts);
    if (!found.hit) return undefined;
    // What comes out is made of the value that was checked, and not of bytes that are read anew.
    const value = encodeValue(found.value, { parts });
    last = new Map([...value.parts, value].map((part) => [part.digest, part]));
    return value;
  };
  return {
    open(digest) {
      const part = find(digest);
      return part && toStoredPayload(part);
    },
    load(digest) {
      const part = find(digest);
      return part && { kind: part.kind, bytes: part.bytes.slice() };
    },
  };
}
