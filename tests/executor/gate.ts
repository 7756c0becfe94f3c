/** Memory by which a test learns that calls run, and lets them end. */
export class Gate implements Disposable {
  readonly memory = new SharedArrayBuffer(8);
  readonly #words = new Int32Array(this.memory);
  // Atomics.waitAsync() does not keep the event loop alive.
  readonly #alive = setInterval(() => {}, 60_000);

  /** Resolves when so many calls have said that they run. */
  async reached(count: number): Promise<void> {
    for (let there = this.#load(); there < count; there = this.#load()) {
      await Atomics.waitAsync(this.#words, 0, there).value;
    }
  }

  /** Lets the calls end. */
  open(): void {
    Atomics.store(this.#words, 1, 1);
    Atomics.notify(this.#words, 1);
  }

  [Symbol.dispose](): void {
    this.open();
    clearInterval(this.#alive);
  }

  #load(): number {
    return Atomics.load(this.#words, 0);
  }
}
