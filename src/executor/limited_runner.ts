import type { Recalled } from "../cache/recall.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import type { CallStatus } from "../task/call_status.ts";
import type { Limiter } from "./limiter.ts";

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
