import type { CallRecord } from "../call/call_record.ts";

/** Options of `task.accept`. */
export interface AcceptOptions {
  /**
   * Calls of any older code whose body ended at this or later: a date, or milliseconds since 1970.
   *
   * @default {those of the code that was there before the last edit}
   */
  since?: Date | number;
  /**
   * Whether nothing is changed, and it is only told what would be.
   *
   * @default {false}
   */
  dryRun?: boolean;
}

/** What `task.accept` has done, or would do. */
export interface AcceptResult {
  /** The calls of older code whose results hold for the present code now. */
  readonly accepted: readonly CallRecord[];
  /** How many are known under the present code already. */
  readonly known: number;
  /** How many stay behind, as it is not known how their key was made, or an argument is gone. */
  readonly unknown: number;
}
