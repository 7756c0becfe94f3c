import { abortable } from "../store/memory_stores.ts";
import { capture, copyLarge } from "../value/capture.ts";
import type { Digest } from "../value/value.ts";

/** How a call was answered. */
export interface Recalled {
  /** The result. */
  readonly value: unknown;
  /** Whether it came without running the task's body here. */
  readonly hit: boolean;
  /** Whether the cache has it, as far as whoever computed it knows. */
  readonly stored?: boolean;
  /** Whether it is for nobody else: it is not the result of what the key says. */
  readonly unfit?: boolean;
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
   * Whoever comes from now on does not wait for the computation of a key that is under way.
   *
   * @param key The key of the call.
   */
  forget(key: Digest): void {
    this.#flights.delete(key);
  }

  /**
   * Runs a computation, visible to others under its key for as long as it lasts.
   *
   * @param key The key of the call.
   * @param compute The computation.
   * @param givenUp Whether whoever began it has given it up, or what it failed with is not for others.
   * @returns What the computation returns.
   */
  run(
    key: Digest,
    compute: () => Promise<Recalled>,
    givenUp: (error: unknown) => boolean,
  ): Promise<Recalled> {
    const flight = new LeadFlight(compute(), givenUp, () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    this.#flights.set(key, flight);
    return flight.result;
  }
}

class LeadFlight implements Flight {
  /** What the one who began it gets. */
  readonly result: Promise<Recalled>;
  readonly #givenUp: (error: unknown) => boolean;
  /** What the others get; a copy where the cache has none, as a result may be changed. */
  #shared: Recalled | undefined;
  #waiting = 0;

  constructor(
    computed: Promise<Recalled>,
    givenUp: (error: unknown) => boolean,
    ended: () => void,
  ) {
    this.#givenUp = givenUp;
    this.result = computed.then((recalled) => {
      ended();
      if (this.#waiting > 0) this.#shared = toShared(recalled);
      return recalled;
    }, (error) => {
      ended();
      throw error;
    });
  }

  async landing(ownSignal?: AbortSignal): Promise<Recalled | undefined> {
    this.#waiting++;
    try {
      const { unfit } = await abortable(this.result, ownSignal);
      const shared = this.#shared;
      return unfit || shared === undefined ? undefined : toShared(shared);
    } catch (error) {
      if (this.#givenUp(error) && !ownSignal?.aborted) return undefined;
      throw error;
    }
  }
}

function toShared(recalled: Recalled): Recalled {
  if (recalled.stored === true || recalled.hit) return recalled;
  try {
    const [value] = capture([recalled.value], { large: copyLarge, bare: true }).values;
    return { ...recalled, value };
  } catch {
    // It has an accessor that throws, and nobody has looked at it yet.
    return recalled;
  }
}
