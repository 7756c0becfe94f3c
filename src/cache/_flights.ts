import { abortable } from "../store/memory_stores.ts";
import type { Digest } from "../value/encoded_value.ts";

/** How a call was answered. */
export interface Recalled {
  /** The result. */
  readonly value: unknown;
  /** Whether it came without running the task's body here. */
  readonly hit: boolean;
}

/** A computation that is under way. */
export interface Flight {
  /**
   * Waits for the computation.
   *
   * @param signal Ends the wait, not the computation.
   * @returns The result, or `undefined` when whoever began the computation has given it up.
   */
  landing(signal?: AbortSignal): Promise<Recalled | undefined>;
}

/** The computations of one isolate that are under way, by key: whoever comes second waits. */
export class Flights {
  readonly #flights = new Map<Digest, Flight>();

  /**
   * Finds the computation of a key.
   *
   * @param key The key of the call.
   * @returns The flight, or `undefined`.
   */
  get(key: Digest): Flight | undefined {
    return this.#flights.get(key);
  }

  /**
   * Runs a computation, visible to others under its key for as long as it lasts.
   *
   * @param key The key of the call.
   * @param compute The computation.
   * @param givenUp Whether whoever began it has given it up, for reasons that are not those of others.
   * @returns What the computation returns.
   */
  run(key: Digest, compute: () => Promise<Recalled>, givenUp: () => boolean): Promise<Recalled> {
    const result = compute().finally(() => this.#flights.delete(key));
    this.#flights.set(key, {
      async landing(ownSignal?: AbortSignal): Promise<Recalled | undefined> {
        try {
          return await abortable(result, ownSignal);
        } catch (error) {
          if (givenUp() && !ownSignal?.aborted) return undefined;
          throw error;
        }
      },
    });
    return result;
  }
}
