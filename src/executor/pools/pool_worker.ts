/**
 * What the workers of another library's pool run Quiver's calls with; see `wrapExecutor`.
 *
 * @module
 */
// Before all that needs a runtime, as it refuses others than Deno.
import "../../base/ambient.ts";
import { UnclonableError } from "../../base/errors.ts";
import { importLater } from "../../base/lazy_import.ts";
import { CallStatus } from "../../task/future.ts";
import { currentWorker, enterWorker } from "../../worker/current_worker.ts";
import type { Outcome } from "../../worker/worker.ts";
import { ResultCarrier } from "../guest/result_carrier.ts";
import { WorkerCalls } from "../guest/worker_calls.ts";
import { type BoundCall, type BoundOutcome, fromText, toText } from "./pool_call.ts";

export type { BoundCall, BoundOutcome } from "./pool_call.ts";

/** The calls of this worker: what they open stays open for as long as the worker lives. */
class PoolCalls {
  #calls: WorkerCalls | undefined;
  readonly #carrier = new ResultCarrier();

  async run(call: BoundCall): Promise<Outcome> {
    if (this.#calls === undefined) {
      // Before a task's module is imported, which may be a program that is not guarded.
      if (currentWorker() === undefined) enterWorker("quiver-pool-worker");
      this.#calls = new WorkerCalls();
    }
    const outcome = await this.#calls.run(call, new CallStatus(call.task));
    return await this.#carrier.carry(outcome);
  }
}

/** The isolate has but one owner of these: nobody could hand them to `runBound`. */
const CALLS = new PoolCalls();

/**
 * Runs a call in a worker of a pool: imports the task's module, restores the scope, opens its cache,
 * and remembers the result there. The worker of a piscina, a tinypool or a workerpool finds this
 * function by itself. Call it only in workers: whatever calls it is one from then on.
 *
 * Requires `--allow-read` of Quiver's own files, and what the task and its cache need.
 *
 * @param call What `wrapExecutor` has given to the pool.
 * @returns How it ended, for `wrapExecutor`; never rejects.
 *
 * @example What a worker of a pool of one's own does
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { type BoundCall, wrapExecutor } from "@quiver/quiver/pools";
 * import { runBound } from "@quiver/quiver/pools";
 * import { assertEquals } from "@std/assert";
 *
 * // In the worker's file; here it stands beside the program.
 * const onMessage = async ({ data }: { data: BoundCall }) => await runBound(data);
 *
 * const double = task(import.meta, (n: number) => 2 * n, { name: "double" });
 * const pool = wrapExecutor(
 *   { run: async (call: BoundCall) => await onMessage({ data: structuredClone(call) }) },
 *   { method: "run", send: (give, call) => give(call) },
 * );
 * assertEquals(await pool.run(double, [21]), 42);
 * ```
 */
export async function runBound(call: BoundCall): Promise<BoundOutcome>;
/**
 * Runs a call that came as text, for pools whose processes speak JSON.
 *
 * @param text What `wrapExecutor` has given to the pool.
 * @returns How it ended, as text.
 */
export async function runBound(text: string): Promise<string>;
export async function runBound(call: BoundCall | string): Promise<BoundOutcome | string> {
  if (typeof call !== "string") return await toClonable(await CALLS.run(call));
  // What was written by `wrapExecutor`, which writes calls.
  const outcome = await CALLS.run(fromText(call) as BoundCall);
  return toText(await toClonable(outcome));
}

/** Many a pool loses the worker, or the call, over a result that cannot be sent. */
async function toClonable(outcome: Outcome): Promise<Outcome> {
  if (outcome.type === "error" || isPrimitive(outcome.value)) return outcome;
  const { value, duration, warnings } = outcome;
  try {
    structuredClone(value);
    return outcome;
  } catch (cause) {
    const { findUnclonable } = await importLater<typeof import("../../value/digest/refusal.ts")>(
      "refusal",
    );
    const { path, reason } = findUnclonable(value, "result") ??
      { path: "result", reason: String(cause) };
    const message = `Cannot send ${path} back from a worker: ${reason}`;
    const { fromThrown } = await importLater<typeof import("../../value/codec/thrown_value.ts")>(
      "thrown",
    );
    const thrown = fromThrown(new UnclonableError(message, path, { cause }));
    return { type: "error", error: { thrown }, duration, warnings };
  }
}

function isPrimitive(value: unknown): boolean {
  const type = typeof value;
  return value === null || (type !== "object" && type !== "function" && type !== "symbol");
}
