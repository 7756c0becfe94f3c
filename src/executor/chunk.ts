/**
 * What of a chunk travels: many calls of one task in one message to a worker and one back, so that
 * short calls do not cost a message each.
 *
 * The request of a chunk has the items where that of a call has the arguments: each item is the one
 * argument of its own call.
 *
 * @module
 */
import type { ThrownValue } from "../worker/worker.ts";

/** How one item failed. */
export type ItemFailure = readonly [index: number, error: ThrownValue];

/** What comes back: the value of the request's outcome. */
export interface ChunkReply {
  /** What the items returned; `undefined` for those that failed. */
  readonly values: readonly unknown[];
  /** Those in whose place something else travels, by index, if any. */
  readonly carried?: readonly number[];
  /** Those that failed, if any. */
  readonly failures?: readonly ItemFailure[];
  /** What is to be said of each result (see `Outcome`), where calls are remembered. */
  readonly notes?: readonly (string | undefined)[];
}
