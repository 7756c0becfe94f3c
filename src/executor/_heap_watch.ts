/** To look takes 10 microseconds: after each short call it would cost more than the call. */
const LOOK_INTERVAL = 1;

/** Watches how much memory a worker holds. */
export class HeapWatch {
  #looked = -Infinity;

  /**
   * Looks after a call, unless it has looked less than a millisecond ago: what a call took that was
   * shorter than that is seen with the next one.
   *
   * @param limit How much memory the worker may hold, in bytes.
   * @returns How much it holds, when that is more.
   */
  excess(limit: number): number | undefined {
    const now = performance.now();
    if (now - this.#looked < LOOK_INTERVAL) return undefined;
    this.#looked = now;
    // Of this isolate alone; buffers are external.
    const { heapUsed, external } = Deno.memoryUsage();
    return heapUsed + external > limit ? heapUsed + external : undefined;
  }
}
