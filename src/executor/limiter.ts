import type { Recalled } from "../cache/recall.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/call_task.ts";
import type { CallStatus } from "../task/future.ts";

/** Decides how many calls run at once: each holds a permit while a worker has it. */
export interface Limiter {
  /**
   * Takes a permit.
   *
   * @returns The permit, at once or when there is one; disposing it gives it back.
   */
  acquire(): Disposable | Promise<Disposable>;
}

/** One who waits for a permit. */
interface Waiter {
  readonly resolve: (permit: Disposable) => void;
  next: Waiter | undefined;
}

/** A limiter with a number of permits, first come, first served. */
export class CountingLimiter implements Limiter {
  #free: number;
  /** A list, as taking from the front of a long array takes long. */
  #first: Waiter | undefined;
  #last: Waiter | undefined;

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
    const waiter: Waiter = { resolve, next: undefined };
    if (this.#last === undefined) this.#first = waiter;
    else this.#last.next = waiter;
    this.#last = waiter;
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
    const waiter = this.#first;
    if (waiter === undefined) {
      this.#free++;
      return;
    }
    this.#first = waiter.next;
    if (waiter.next === undefined) this.#last = undefined;
    waiter.resolve(this.#createPermit());
  }
}

/** Runs calls when a limiter lets them; what the cache answers needs no permit. */
export class LimitedRunner implements CallRunner {
  readonly #runner: CallRunner;
  readonly #limiter: Limiter;

  /**
   * Wraps a runner.
   *
   * @param runner What runs the calls.
   * @param limiter Decides when.
   */
  constructor(runner: CallRunner, limiter: Limiter) {
    this.#runner = runner;
    this.#limiter = limiter;
  }

  run(ready: ReadyCall): Promise<unknown> {
    return this.#withPermit(ready.status, () => this.#runner.run(ready));
  }

  attempt(remembered: RememberedCall): Promise<Recalled | undefined> {
    return this.#withPermit(remembered.status, () => this.#runner.attempt(remembered));
  }

  alone(remembered: RememberedCall): Promise<Recalled> {
    return this.#withPermit(remembered.status, () => this.#runner.alone(remembered));
  }

  async #withPermit<T>(status: CallStatus, run: () => T | Promise<T>): Promise<T> {
    const acquired = this.#limiter.acquire();
    using _permit = acquired instanceof Promise ? await untilGivenUp(acquired, status) : acquired;
    return await run();
  }
}

/** Waits for a permit until the call is given up; a permit that comes later goes back at once. */
async function untilGivenUp(
  acquired: Promise<Disposable>,
  { cancellation }: CallStatus,
): Promise<Disposable> {
  const { promise, reject } = Promise.withResolvers<never>();
  const giveUp = () => {
    reject(cancellation.reason);
    // What the limiter throws then, nobody waits for any more.
    acquired.then((permit) => permit[Symbol.dispose](), () => {});
  };
  if (cancellation.aborted) giveUp();
  else cancellation.addEventListener("abort", giveUp);
  try {
    return await Promise.race([acquired, promise]);
  } finally {
    cancellation.removeEventListener("abort", giveUp);
  }
}
