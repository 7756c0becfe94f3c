import type { RunResult } from "../worker.ts";
import { NO_WARNINGS, WORKER_CAPACITY } from "./frames.ts";

/** The word that counts the answers written. */
const WRITTEN = 0;
/** The word that tells whether the parent has read all and waits to be woken. */
const WAITING = 1;
/** Then come the entries, two words each: the call's slot, and the kind of its answer. */
const FIRST_WORD = 2;

/** One entry for each call that may be on its way, so that the ring never overflows. */
const ENTRIES = WORKER_CAPACITY;
const NUMBER_BYTES = ENTRIES * 2 * Float64Array.BYTES_PER_ELEMENT;
const WORD_BYTES = (FIRST_WORD + ENTRIES * 2) * Int32Array.BYTES_PER_ELEMENT;

/** What one side of an {@linkcode AnswerRing} has of its own. */
export interface AnswerRingOptions {
  /** The other side's memory; new memory when left out. */
  readonly buffer?: SharedArrayBuffer;
  /** Worker: wakes the parent, which then reads. */
  readonly wake?: () => void;
}

/**
 * Small answers on their way from a worker to its parent, in memory that both share. Neither side pays
 * for a message each, many answers make one wake-up, and still each is there for the parent the moment
 * it is written, even if the worker never comes back from its next call.
 *
 * The parent is woken by a message. `Atomics.waitAsync()` would do without, but in Deno 2.9.6 it
 * misses one `Atomics.notify()` in some millions on a busy machine, and then waits for ever.
 *
 * Other answers are posted, so that answers may overtake one another.
 */
export class AnswerRing {
  /** The shared memory. */
  readonly buffer: SharedArrayBuffer;
  /** For each entry how long the call took, and the value if it is a number. */
  readonly #numbers: Float64Array<SharedArrayBuffer>;
  readonly #words: Int32Array<SharedArrayBuffer>;
  readonly #wake: () => void;
  #read = 0;

  /**
   * Creates the view of one side. Nobody has read yet, so the first answer wakes the parent.
   *
   * @param options The memory, and what wakes the parent.
   */
  constructor({ buffer, wake = () => {} }: AnswerRingOptions = {}) {
    this.buffer = buffer ?? new SharedArrayBuffer(NUMBER_BYTES + WORD_BYTES);
    this.#numbers = new Float64Array(this.buffer, 0, ENTRIES * 2);
    this.#words = new Int32Array(this.buffer, NUMBER_BYTES);
    this.#wake = wake;
    if (buffer === undefined) Atomics.store(this.#words, WAITING, 1);
  }

  /**
   * Worker: writes an answer if it is small.
   *
   * @param result How the call ended.
   * @returns Whether it was written.
   */
  write(slot: number, result: RunResult): boolean {
    const kind = toSmallKind(result);
    if (kind === NOT_SMALL) return false;
    const written = Atomics.load(this.#words, WRITTEN);
    const entry = 2 * toEntry(written);
    this.#words[FIRST_WORD + entry] = slot;
    this.#words[FIRST_WORD + entry + 1] = kind;
    if (result.type === "value") {
      this.#numbers[entry] = result.duration;
      if (typeof result.value === "number") this.#numbers[entry + 1] = result.value;
    }
    // Whoever sees the new count sees the entry.
    Atomics.store(this.#words, WRITTEN, (written + 1) | 0);
    if (Atomics.exchange(this.#words, WAITING, 0) === 1) this.#wake();
    return true;
  }

  /**
   * Parent: reads all that was written since the last time; the next answer wakes it again.
   *
   * @param answered Is given the slot of each call, and how the call ended.
   */
  read(answered: (slot: number, result: RunResult) => void): void {
    do {
      while (this.#read !== Atomics.load(this.#words, WRITTEN)) {
        const entry = 2 * toEntry(this.#read);
        const slot = this.#words[FIRST_WORD + entry] ?? 0;
        const result = this.#resultOf(entry);
        this.#read = (this.#read + 1) | 0;
        answered(slot, result);
      }
      Atomics.store(this.#words, WAITING, 1);
      // Written before the worker could see that, an answer has woken nobody.
    } while (this.#read !== Atomics.load(this.#words, WRITTEN));
  }

  #resultOf(entry: number): RunResult {
    const kind = this.#words[FIRST_WORD + entry + 1] ?? 0;
    return fromSmallKind(kind, this.#numbers[entry] ?? 0, this.#numbers[entry + 1] ?? 0);
  }
}

function toEntry(count: number): number {
  return count & (ENTRIES - 1);
}

/** The kinds of answer that need no number of their own, by position. */
const CONSTANTS: readonly unknown[] = [undefined, null, false, true];
const NUMBER = CONSTANTS.length;
const REVOKED = NUMBER + 1;

/** The kind of an answer that is not small. */
export const NOT_SMALL = -1;

/**
 * Finds the kind of an answer: with it, the number, and how long the call took, a small one is told.
 *
 * @param result How a call ended.
 * @returns The kind, or {@linkcode NOT_SMALL}.
 */
export function toSmallKind(result: RunResult): number {
  if (result.type === "revoked") return REVOKED;
  if (result.type === "error" || result.source !== undefined || result.warnings.length > 0) {
    return NOT_SMALL;
  }
  if (result.heapBytes !== undefined) return NOT_SMALL;
  return typeof result.value === "number" ? NUMBER : CONSTANTS.indexOf(result.value);
}

/**
 * Reads a small answer.
 *
 * @param duration How long the call took.
 * @param number The value, if it is a number.
 * @returns How the call ended.
 */
export function fromSmallKind(kind: number, duration: number, number: number): RunResult {
  if (kind === REVOKED) return { type: "revoked" };
  return {
    type: "value",
    value: kind === NUMBER ? number : CONSTANTS[kind],
    duration,
    warnings: NO_WARNINGS,
  };
}
