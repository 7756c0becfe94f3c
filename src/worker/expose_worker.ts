/**
 * The worker's side of a Web Worker; the only file beside `web_worker.ts` that knows Comlink.
 *
 * @module
 */
import { expose } from "comlink/dist/esm/comlink.mjs";
import { BatchingEndpoint, type MessageEnd } from "./_batching_endpoint.ts";
import { Claims } from "./_claims.ts";
import {
  type CloseReply,
  type ExposedWorker,
  fromAnswer,
  type ReadyMessage,
  type Reply,
  toAnswer,
} from "./_protocol.ts";
import { runToOutcome, toRefusedOutcome, toThrownValue } from "./_run_to_outcome.ts";
import { holdLock } from "./_worker_lock.ts";
import { enterWorker } from "./current_worker.ts";
import type { CallRequest, RunCall, WorkerHooks } from "./worker.ts";

/**
 * Makes this isolate a worker that runs calls, one at a time, in the order they were sent.
 *
 * The worker's entry calls this once, synchronously, before anything imports a task's module: what
 * the parent posts earlier is lost where a module awaits at its top level.
 *
 * @param runCall Does the work of one call.
 * @param hooks What else the worker does.
 */
export function exposeWorker(runCall: RunCall, hooks: WorkerHooks = {}): void {
  // The global scope of a worker, which the type library of the main isolate does not describe.
  const scope = globalThis as unknown as MessageEnd & { readonly name: string };
  enterWorker(scope.name);
  const claims = new Claims();
  const served = new ServedCalls(runCall, hooks, claims);
  const endpoint: BatchingEndpoint = new BatchingEndpoint(scope, {
    refused: async (message, cause) => {
      const outcome = await toRefusedOutcome(fromAnswer(message), cause);
      endpoint.postMessage(toAnswer(message, outcome));
    },
    posted: () => served.posted(),
  });
  expose(served, endpoint);
  const lock = crypto.randomUUID();
  // A worker without its lock could die unseen: a failure here is left uncaught and ends it.
  void holdLock(lock).then(() =>
    scope.postMessage(
      { type: "quiver.ready", lock, claims: claims.buffer } satisfies ReadyMessage,
    )
  );
}

/** Runs the calls one after the other. */
class ServedCalls implements ExposedWorker {
  readonly #runCall: RunCall;
  readonly #hooks: WorkerHooks;
  readonly #claims: Claims;
  #last: Promise<void> = Promise.resolve();
  #answered: () => void = () => {};

  constructor(runCall: RunCall, hooks: WorkerHooks, claims: Claims) {
    this.#runCall = runCall;
    this.#hooks = hooks;
    this.#claims = claims;
  }

  run(request: CallRequest, slot: number): Promise<Reply> {
    const reply = Promise.withResolvers<Reply>();
    this.#last = this.#last.then(async () => {
      const result: Reply = this.#claims.claim(slot)
        ? await runToOutcome(this.#runCall, request)
        : { type: "revoked" };
      // The answer is posted before the next call is claimed, so that neither a long call nor the
      // worker's death can hold back or lose a result that is there.
      const answered = new Promise<void>((resolve) => this.#answered = resolve);
      reply.resolve(result);
      await answered;
    });
    return reply.promise;
  }

  async close(): Promise<CloseReply> {
    try {
      await this.#hooks.close?.();
      return { type: "closed" };
    } catch (error) {
      return { type: "failed", error: await toThrownValue(error) };
    }
  }

  posted(): void {
    this.#claims.countPosted();
    this.#answered();
  }
}
