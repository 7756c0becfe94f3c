import type { DiskBag } from "../../bag/disk_bag.ts";
import type { Digest, EncodedPart, PayloadSource } from "../../value/value.ts";
import type { OpenFiles } from "../open_stores.ts";
import type { PromptCalls, PromptValues, UseSet } from "../stores.ts";
import { sourceOf } from "./cache_source.ts";

/** What a bag shows to those who look around in it. */
export interface BagView {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Its records. */
  readonly calls: PromptCalls;
  /** Who has used which of the calls. */
  uses(): readonly UseSet[];
  /** Where the payloads of its values lie. */
  readonly source: PayloadSource;
}

/**
 * Looks at an open bag.
 *
 * @param opened The bag. If it is signed, nothing is shown but what the holder of a key has written.
 */
export function createBagView(
  { files, stores: { values, calls, uses } }: OpenFiles<DiskBag>,
): BagView {
  // What is believed as it is may be read in pieces.
  const source = values === files.values ? files.values : checkedSource(values);
  return { path: files.path, calls, uses: () => uses?.read() ?? [], source };
}

/**
 * Gives the payloads of values that were checked when they were read. A digest is that of a whole
 * value, so also whoever wants a part of one has all of it read and digested.
 */
function checkedSource(values: PromptValues): PayloadSource {
  /** The value that was asked for last with its large arrays: these are asked for next. */
  let last: PayloadSource | undefined;
  const find = (digest: Digest): PayloadSource => {
    if (last?.open(digest) !== undefined) return last;
    const parts = new Map<object, EncodedPart>();
    return last = sourceOf(values.get(digest, parts), parts);
  };
  return {
    open: (digest) => find(digest).open(digest),
    load: (digest) => find(digest).load(digest),
  };
}
