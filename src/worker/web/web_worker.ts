/**
 * The parent's side of a Web Worker; the only file beside `expose_worker.ts` that knows Comlink.
 *
 * @module
 */
import type { ArrivalCheck } from "../../base/abortable.ts";
import type { WorkerDeath } from "../../base/errors.ts";
import {
  BaseWorker,
  LARGE,
  PATIENCE,
  READING,
  refuseNesting,
  SentCalls,
  type WorkerTransport,
} from "../base_worker.ts";
import {
  type CallFrame,
  type CloseReply,
  type ControlFrame,
  type ExposedWorker,
  fromCallFrame,
  isControlFrame,
  type ParentFrame,
  toCallFrame,
  type WorkerFrame,
} from "../wire/frames.ts";
import { planTransfer } from "../wire/large_buffers.ts";
import { toRequestError } from "../wire/unclonable.ts";
import type { CallRequest, RunResult, Worker } from "../worker.ts";
import { BatchingEndpoint } from "./batching_endpoint.ts";
import { type Remote, wrap } from "./comlink.ts";
import { openWebThread, type WebThread, type WebThreadOptions } from "./web_thread.ts";

/** Options of {@linkcode openWebWorker}. */
export type OpenWebWorkerOptions = WebThreadOptions;

/**
 * Starts a Web Worker.
 *
 * Requires `--allow-read` for a local entry and what it imports.
 *
 * @param entry The module to start with; it calls `exposeWorker()`.
 * @param options Its name, and when to give the start up.
 * @returns The worker, ready for calls.
 * @throws {WorkerInitError} When the worker cannot start; `cause` has Deno's own text.
 * @throws {NestedExecutorError} When a worker that imports a task's module would start it.
 */
export async function openWebWorker(entry: URL, options: OpenWebWorkerOptions): Promise<Worker> {
  refuseNesting();
  const thread = await openWebThread(entry, options);
  const calls = new SentCalls(options.name, thread.claims);
  return new BaseWorker(options.name, calls, new WebKind(thread, calls));
}

class WebKind implements WorkerTransport {
  readonly patience = PATIENCE;
  readonly ended: Promise<WorkerDeath>;
  readonly #thread: WebThread;
  readonly #calls: SentCalls;
  readonly #answered = (slot: number, result: RunResult): void => {
    this.#calls.resolve(slot, result);
  };
  /**
   * Held for the worker's life, as Comlink makes the worker deaf when this is collected, and no longer:
   * Comlink holds on to the endpoint until then, from where all of the worker can be reached.
   */
  #remote: Remote<ExposedWorker> | undefined;
  readonly #endpoint: BatchingEndpoint<ParentFrame, WorkerFrame>;

  constructor(thread: WebThread, calls: SentCalls) {
    this.#thread = thread;
    this.#calls = calls;
    this.#endpoint = new BatchingEndpoint(thread.worker, {
      received: (frame) => calls.receive(frame),
      woken: () => {
        thread.countReceived();
        thread.ring.read(this.#answered);
      },
      refused: (frame, cause) => {
        // What goes to a call that runs is sent at once, and whoever sends it is told.
        if (isControlFrame(frame)) return;
        calls.reject(frame[0], toRequestError(fromCallFrame(frame), cause));
      },
      wrote: (batch, time) => {
        if (time < LARGE) return;
        // Comlink's messages are objects.
        const call = batch.find((message): message is CallFrame => Array.isArray(message));
        if (call !== undefined) calls.noteLarge(call[0], READING * time);
      },
    });
    this.#remote = wrap<ExposedWorker>(this.#endpoint);
    this.ended = thread.ended.then((reason) => this.#end(reason));
  }

  send(slot: number, request: CallRequest, once: boolean): void {
    const plan = planTransfer(request.args, "copy");
    if (plan === undefined) return this.#endpoint.send(toCallFrame(slot, request, once));
    this.#endpoint.send(toCallFrame(slot, { ...request, args: plan.values }, once), plan.moved);
  }

  control(frame: ControlFrame): void {
    this.#endpoint.sendNow(frame);
  }

  close(): Promise<CloseReply> {
    return this.#remote?.close() ?? Promise.resolve({ type: "closed" });
  }

  stop(reason: string): WorkerDeath {
    this.#thread.stop(reason);
    return this.#end(reason);
  }

  checkArrivals(): ArrivalCheck {
    return this.#thread.checkArrivals();
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return this.#thread.stopped(signal);
  }

  /** What the thread wrote before its end counts. */
  #end(reason: string): WorkerDeath {
    this.#remote = undefined;
    this.#thread.ring.read(this.#answered);
    return { reason };
  }
}
