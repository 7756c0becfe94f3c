import type { Scope } from "../scope/scope.ts";
import { CallAnswer } from "../task/future.ts";
import type { Outcome } from "../worker/worker.ts";
import type { OutcomeTaker } from "./_dispatch_call.ts";
import { unwrapOutcome } from "./unwrap_outcome.ts";

/** The answer to a call that a dispatcher runs. */
export class RunAnswer extends CallAnswer implements OutcomeTaker {
  readonly #scope: Scope;

  /**
   * Creates an answer that is not there yet.
   *
   * @param scope The scope of the call, which is told of warnings.
   */
  constructor(scope: Scope) {
    super();
    this.#scope = scope;
  }

  resolve(outcome: Outcome): void {
    const plain = outcome.type === "value" && outcome.warnings.length === 0;
    if (plain && !outcome.carried) this.succeed(outcome.value);
    // Who is warned, and classes of errors, are the user's: they run when the dispatcher is done.
    else queueMicrotask(() => this.#unwrap(outcome));
  }

  reject(reason: unknown): void {
    this.fail(reason);
  }

  #unwrap(outcome: Outcome): void {
    let value: unknown;
    try {
      ({ value } = unwrapOutcome(outcome, this.#scope));
    } catch (error) {
      return this.fail(error);
    }
    this.succeed(value);
  }
}
