/**
 * What checking a bag gives: data that a program can print.
 *
 * @module
 */
import type { Digest } from "../value/value.ts";

/** Options of `verifyBag()` and `Bag.verify()`. */
export interface VerifyOptions {
  /**
   * Whether to put right what is wrong: tables, `values.h5` and the manifest are made again from
   * segments, journals and the call log; what is damaged goes to `quarantine/`.
   *
   * @default {false}
   */
  repair?: boolean;
  /**
   * Whether the digest of each value is computed again, which finds what a checksum cannot: a value
   * that was put under a wrong digest on purpose. It takes a few times as long.
   *
   * @default {false}
   */
  digests?: boolean;
  /** Ends the check between two of its steps with the signal's reason; nothing is left half done. */
  signal?: AbortSignal;
  /** Told how the check goes. */
  progress?: VerifyObserver;
}

/** Told how the check of a bag goes. */
export interface VerifyObserver {
  /**
   * Some time has passed, or a step has ended.
   *
   * @param step The step as far as it is done.
   */
  update(step: VerifyStep): void;
}

/** What is checked, in this order. */
export type VerifyStepName =
  | "links"
  | "bag.json"
  | "manifest"
  | "front door"
  | "segments"
  | "tables"
  | "journals"
  | "log"
  | "unfinished"
  | "records";

/** Something that is not as it should be. */
export interface VerifyFinding {
  /** The file, relative to the bag. */
  readonly file: string;
  /** Where in the file, in bytes, if that is known. */
  readonly offset?: number;
  /** What is wrong, in words. */
  readonly problem: string;
}

/** What one step found. */
export interface VerifyStep {
  /** What was checked. */
  readonly name: VerifyStepName;
  /** How many things were looked at: files, values, lines or records. */
  readonly checked: number;
  /** How many bytes were read and compared with their checksums. */
  readonly bytes: number;
  /** What a killed program left behind; that is no problem, and nothing acknowledged is among it. */
  readonly unfinished: number;
  /** How many things are damaged or missing. */
  readonly problems: number;
  /**
   * How many of the problems are gone. What was lost is still lost: it has become a miss, and is
   * computed again when it is asked for.
   */
  readonly repaired: number;
  /** How many files went to `quarantine/`. */
  readonly quarantined: number;
  /** The first 100 problems in words. */
  readonly findings: readonly VerifyFinding[];
}

/** What checking a bag found. */
export interface VerifyReport {
  /** The absolute path of the bag. */
  readonly path: string;
  /** Whether no problem is left. */
  readonly sound: boolean;
  /** What each step found. */
  readonly steps: readonly VerifyStep[];
  /** How many calls the log knows whose results cannot be had. */
  readonly missed: number;
  /** The keys of the first 1,000 of them. */
  readonly misses: readonly Digest[];
  /** Where damaged files were put, if any were. */
  readonly quarantine?: string;
}
