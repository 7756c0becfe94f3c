import { WorkerDiedError } from "../../base/errors.ts";
import { CallStatus } from "../../task/future.ts";
import { capture, copyLarge } from "../../value/capture.ts";
import { toThrown } from "../../value/codec/thrown_value.ts";
import type { CallRequest, Outcome, RunCall } from "../../worker/worker.ts";
import type { CallContext } from "../wire/call_context.ts";

/** The `retire` task of this worker, which says after each call whether the worker leaves. */
export class Retirement {
  readonly #run: RunCall;
  readonly #worker: string;
  readonly #request: CallRequest;
  #asking = Promise.resolve(false);
  /** Why the worker leaves, when that is not its own wish. */
  #failure: WorkerDiedError | undefined;

  /**
   * Takes the task; it is not asked yet.
   *
   * @param run Runs calls in this worker.
   * @param request The call of the task, whose context says that it is such a one.
   */
  constructor(run: RunCall, request: CallRequest) {
    this.#run = run;
    // What `openWorkerOfType` made.
    const { retire = "", ...context } = request.context as CallContext;
    this.#worker = retire;
    this.#request = { ...request, context: context.tasks && context };
  }

  /**
   * Asks the task, until it has said once that the worker leaves.
   *
   * @returns Whether the worker leaves: also when the task fails.
   */
  ask(): Promise<boolean> {
    return this.#asking = this.#asking.then((leaves) => leaves || this.#ask());
  }

  /**
   * Waits for the task, if it runs.
   *
   * @throws {WorkerDiedError} When it has failed.
   */
  async close(): Promise<void> {
    await this.#asking;
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #ask(): Promise<boolean> {
    const { task } = this.#request;
    // What the task does to its arguments must not count the next time.
    const args = capture(this.#request.args, { large: copyLarge }).values;
    const request = { ...this.#request, args };
    const outcome: Outcome = await this.#run(request, new CallStatus(task));
    if (outcome.type === "value") return Boolean(outcome.value);
    const cause = toThrown(outcome.error.thrown);
    const reason = `its \`retire\` task "${task}" failed: ${
      cause instanceof Error ? cause.message : cause
    }`;
    const message = `Cannot keep worker "${this.#worker}": ${reason}`;
    this.#failure = new WorkerDiedError(message, { reason }, { cause });
    return true;
  }
}
