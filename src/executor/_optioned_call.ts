import type { CallStatus, CancelSignal, OnAbort } from "../task/future.ts";
import type { CallObserver } from "./_dispatch_call.ts";
import type { CallOptions } from "./call_options.ts";

/** The status of a call together with how it is made, as the dispatcher asks for them. */
export class OptionedCall implements CallObserver {
  readonly deadline: number | undefined;
  readonly onAbort: OnAbort | undefined;
  readonly gracePeriod: number | undefined;
  readonly priority: number | undefined;
  readonly retries: number | undefined;
  readonly #status: CallStatus;

  /**
   * Joins the two.
   *
   * @param status Where the call stands.
   * @param options How it is made.
   */
  constructor(status: CallStatus, options: CallOptions) {
    this.#status = status;
    this.deadline = options.deadline;
    this.onAbort = options.onAbort;
    this.gracePeriod = options.gracePeriod;
    this.priority = options.priority;
    this.retries = options.retries;
  }

  get cancellation(): CancelSignal {
    return this.#status.cancellation;
  }

  started(worker: string): void {
    this.#status.started(worker);
  }

  waits(): void {
    this.#status.waits();
  }

  told(kind: string, data: unknown): void {
    this.#status.told(kind, data);
  }
}
