/** Decides how many calls run at once: each holds a permit while a worker has it. */
export interface Limiter {
  /**
   * Takes a permit.
   *
   * @returns The permit, at once or when there is one; disposing it gives it back.
   */
  acquire(): Disposable | Promise<Disposable>;
}

/** A limiter with a number of permits, first come, first served. */
export class CountingLimiter implements Limiter {
  readonly #waiting: ((permit: Disposable) => void)[] = [];
  #free: number;

  /**
   * Creates a limiter.
   *
   * @param permits How many calls may run at once.
   */
  constructor(permits: number) {
    this.#free = permits;
  }

  acquire(): Disposable | Promise<Disposable> {
    if (this.#free > 0) {
      this.#free--;
      return this.#createPermit();
    }
    const { promise, resolve } = Promise.withResolvers<Disposable>();
    this.#waiting.push(resolve);
    return promise;
  }

  #createPermit(): Disposable {
    let held = true;
    return {
      [Symbol.dispose]: () => {
        if (held) this.#release();
        held = false;
      },
    };
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#free++;
    else next(this.#createPermit());
  }
}
