import { checksumOf, SHARED_BLOCK, sharedBytesOf } from "./array_part.ts";
import type { SharedGuard, SharedMemory } from "./share.ts";

/** How many blocks are looked at after each call, wherever they are. */
const SAMPLES = 2;

/** How much of the time may go into looking at the rest. */
const TIME_SHARE = 0.05;

/** When so many calls were remembered since a pass began, all is looked at. */
const MOST_DOUBTED = 1000;

/** Says why a call is not remembered. */
export function toSpoiledMessage(name: string): string {
  return `Cannot remember a call of "${name}": a task has written into an array of a shared value, ` +
    "which tasks may only read; copy it first, by `slice()`";
}

/** A block of an array, and what it held when the array was shared. */
interface Block {
  readonly bytes: Uint8Array;
  readonly sum: number;
}

/**
 * Finds out whether somebody has written into the arrays of a shared value, which nothing can prevent.
 *
 * To look at all of 100 MB takes 30 ms, which is far more than a short call. So after each call that is
 * remembered some blocks are looked at, and as many others as fit into a twentieth of the time, one after
 * another. Calls are forgotten again that were remembered since all had been looked at.
 */
export class MemoryGuard implements SharedGuard {
  readonly #memory: SharedMemory;
  #looked = performance.now();
  /** The block that is looked at next. */
  #next = 0;
  /** Forget the calls that were remembered before the present pass began, and since then. */
  #before: (() => void)[] = [];
  #since: (() => void)[] = [];

  private constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /** The guard of a shared value, which is made for the first call that is remembered. */
  static of(memory: SharedMemory): MemoryGuard {
    const { guard } = memory;
    if (guard instanceof MemoryGuard) return guard;
    const made = new MemoryGuard(memory);
    memory.guard = made;
    return made;
  }

  /**
   * Looks at some of the value, after a call.
   *
   * @returns Whether it is as it was, as far as that was looked at.
   */
  look(): boolean {
    const begun = performance.now();
    const budget = (begun - this.#looked) * TIME_SHARE;
    const { length } = this;
    for (let sample = 0; sample < Math.min(SAMPLES, length); sample++) {
      if (!this.#isWhole(Math.floor(Math.random() * length))) return this.#fail();
    }
    if (this.#memory.spoiled) return this.#fail();
    for (let count = 0; count < length && performance.now() - begun < budget; count++) {
      if (!this.#isWhole(this.#next)) return this.#fail();
      this.#next = (this.#next + 1) % length;
      if (this.#next === 0) this.#endPass();
    }
    this.#looked = performance.now();
    return true;
  }

  /**
   * Looks at all of the value.
   *
   * @returns Whether it is as it was.
   */
  lookAtAll(): boolean {
    if (this.#memory.spoiled) return this.#fail();
    for (let index = 0; index < this.length; index++) {
      if (!this.#isWhole(index)) return this.#fail();
    }
    this.#next = 0;
    this.#endPass();
    this.#endPass();
    this.#looked = performance.now();
    return true;
  }

  settle(): void {
    if (this.#before.length > 0 || this.#since.length > 0) this.lookAtAll();
  }

  /**
   * A call is remembered.
   *
   * @param forget Forgets it, if the value turns out to be another one.
   */
  remembered(forget: () => void): void {
    if (this.#memory.spoiled) return forget();
    if (this.#since.push(forget) >= MOST_DOUBTED) this.lookAtAll();
  }

  /** How many blocks there are. */
  get length(): number {
    return this.#memory.arrays.reduce((count, { sums }) => count + (sums?.length ?? 0), 0);
  }

  /** All that was remembered before the pass began is certain now. */
  #endPass(): void {
    this.#before = this.#since;
    this.#since = [];
  }

  #fail(): boolean {
    this.#memory.spoil();
    const forget = [...this.#before, ...this.#since];
    this.#endPass();
    this.#endPass();
    for (const one of forget) one();
    return false;
  }

  #isWhole(index: number): boolean {
    const block = this.#blockAt(index);
    return block === undefined || checksumOf(block.bytes) === block.sum;
  }

  #blockAt(index: number): Block | undefined {
    let rest = index;
    for (const { value, sums } of this.#memory.arrays) {
      if (sums === undefined) continue;
      const sum = sums[rest];
      if (sum !== undefined) {
        const at = rest * SHARED_BLOCK;
        return { bytes: sharedBytesOf(value).subarray(at, at + SHARED_BLOCK), sum };
      }
      rest -= sums.length;
    }
    return undefined;
  }
}
