import type { CallRecord } from "../call/call_record.ts";
import type { Digest, PayloadSource } from "../value/value.ts";

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
