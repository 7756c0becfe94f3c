import { ExecutorShutdownError, NestedExecutorError, WorkerInitError } from "../../base/errors.ts";
import type { ChunkResult } from "./chunk_call.ts";
import type { MapBatch } from "./map_buffer.ts";

/** What becomes of a call that fails. */
export type OnError = "throw" | "yield" | "skip";

/** Stands for a call that has failed, and is left out. */
export const SKIPPED: unique symbol = Symbol("skipped");

/** Makes what a map gives of how its calls have ended. */
export class MapEnds {
  readonly #onError: OnError;

  /**
   * Creates what makes it.
   *
   * @param onError What becomes of a call that fails.
   */
  constructor(onError: OnError) {
    this.#onError = onError;
  }

  /** Items in a row have ended. */
  ofResult({ values, failures }: ChunkResult): MapBatch<unknown> {
    const [first] = failures;
    if (this.#onError === "throw") {
      if (first === undefined) return { values };
      return { values: values.slice(0, first[0]), failure: { error: first[1] } };
    }
    // A buffer of numbers holds nothing else.
    const ends: unknown[] = this.#onError === "skip"
      ? [...values]
      : Array.from(values, (value) => ({ status: "fulfilled", value }));
    for (const [index, reason] of failures) ends[index] = this.#toEnd(reason);
    return { values: ends };
  }

  /** A call has a result. */
  ofValue(value: unknown): MapBatch<unknown> {
    return { values: [this.#onError === "yield" ? { status: "fulfilled", value } : value] };
  }

  /**
   * Calls have no result.
   *
   * @param reason Why; what is no fault of theirs ends the map.
   * @param count How many.
   */
  ofFailure(reason: unknown, count: number = 1): MapBatch<never> {
    if (this.#onError === "throw" || !isOwnFault(reason)) {
      return { values: [], failure: { error: reason } };
    }
    // The types are those of whoever chose what becomes of failures.
    return { values: Array.from({ length: count }, () => this.#toEnd(reason) as never) };
  }

  #toEnd(reason: unknown): unknown {
    return this.#onError === "skip" ? SKIPPED : { status: "rejected", reason };
  }
}

/** Whether another call may end otherwise: else an input without end would never end the map. */
function isOwnFault(reason: unknown): boolean {
  return !(reason instanceof ExecutorShutdownError || reason instanceof WorkerInitError ||
    reason instanceof NestedExecutorError);
}

/**
 * Leaves out what is skipped.
 *
 * @typeParam R A result.
 * @returns The rest; nothing where all of it is skipped.
 */
export function withoutSkipped<R>(batch: MapBatch<R>): MapBatch<R> | undefined {
  const values = Array.from(batch.values).filter((value) => value !== SKIPPED);
  return values.length === 0 && batch.failure === undefined ? undefined : { ...batch, values };
}
