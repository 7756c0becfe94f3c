import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { toDigest } from "./_values.ts";

/** How a bag is filled. */
export interface FillOptions {
  /** The number of the first call. */
  readonly from?: number;
  /** The size of each result in bytes, at least 8. */
  readonly bytes?: number;
}

/** Puts calls with results that are all different, through the same methods as a cache does. */
export function fillBag(bag: DiskBag, calls: number, options: FillOptions = {}): void {
  const { from = 0, bytes = 8 } = options;
  const payload = new Uint8Array(bytes);
  const view = new DataView(payload.buffer);
  for (let n = from; n < from + calls; n++) {
    view.setFloat64(0, n);
    const result = toDigest(`value ${n}`);
    bag.values.putPart({ digest: result, kind: VALUE_KIND.Float64Array, bytes: payload });
    bag.calls.putLine(toKey(n), { n, result });
  }
}

/** The key of a call that `fillBag()` has put. */
export function toKey(n: number): string {
  return toDigest(`call ${n}`);
}

/** Looks a call up as a cache does, and tells whether record and value are there. */
export function isHit(bag: DiskBag, n: number): boolean {
  const result = bag.calls.getLine(toKey(n))?.result;
  const payload = typeof result === "string" ? bag.values.load(result) : undefined;
  return payload !== undefined && new DataView(payload.bytes.buffer).getFloat64(0) === n;
}
