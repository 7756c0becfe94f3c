import type { VerifyReport, VerifyStep } from "../bag/verify/report.ts";
import { BagCorruptError, BagFormatError, QuiverError } from "../base/errors.ts";

/** What the worker that checks a bag is told. */
export type VerifyRequest =
  | {
    readonly type: "verify";
    readonly path: string;
    readonly repair: boolean;
    readonly digests: boolean;
    readonly observed: boolean;
  }
  | { readonly type: "abort" };

/** An error as data that structured clone carries: it would lose the class of ours. */
export interface VerifyFailure {
  /** The name of the error's class. */
  readonly name: string;
  /** What could not be done. */
  readonly message: string;
  /** The error's stack. */
  readonly cause: string | undefined;
  /** The damaged file and where, if that is what is wrong. */
  readonly corrupt?: { readonly file: string; readonly offset: number };
}

/** What the worker says. */
export type VerifyAnswer =
  | { readonly type: "progress"; readonly step: VerifyStep }
  | { readonly type: "verified"; readonly report: VerifyReport }
  | { readonly type: "error"; readonly error: VerifyFailure };

/**
 * Makes an error into data.
 *
 * @param error What was thrown.
 * @returns The data.
 */
export function toFailure(error: unknown): VerifyFailure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), cause: undefined };
  const { name, message, stack: cause } = error;
  if (!(error instanceof BagCorruptError)) return { name, message, cause };
  return { name, message, cause, corrupt: { file: error.file, offset: error.offset } };
}

/**
 * Makes data into the error that it was; what is none of ours is the cause of one.
 *
 * @param path The bag's directory.
 * @param failure The data.
 * @returns The error.
 */
export function fromFailure(path: string, failure: VerifyFailure): QuiverError {
  const { name, message, cause, corrupt } = failure;
  if (corrupt !== undefined) {
    return new BagCorruptError(message, corrupt.file, corrupt.offset, { cause });
  }
  if (name === "BagFormatError") return new BagFormatError(message, { cause });
  return new QuiverError(`Cannot check "${path}": ${message}`, { cause });
}
