import type { CallLineHead } from "../disk/checked_line.ts";

/** Up to where somebody has followed the log: a place in one file. */
export class LogPosition {
  /** Stands for the file. */
  readonly log: object;
  /** In bytes. */
  readonly offset: number;

  /** Creates a position. */
  constructor(log: object, offset: number) {
    this.log = log;
    this.offset = offset;
  }
}

/** What the log says since a position. */
export interface LogChanges {
  /** Up to where. */
  readonly position: LogPosition;
  /** The lines in their order; absent when the position is none of this file: all may be different. */
  readonly lines?: readonly CallLineHead[];
}
