/**
 * The parent's side of a Web Worker; the only file beside `expose_worker.ts` that knows Comlink.
 *
 * @module
 */
import { type Remote, wrap } from "comlink/dist/esm/comlink.mjs";
import { NestedExecutorError, type WorkerDeath } from "../errors.ts";
import { toThrown } from "../value/thrown_value.ts";
import { BatchingEndpoint } from "./_batching_endpoint.ts";
import {
  fromCallFrame,
  isAbortFrame,
  type ParentFrame,
  toCallFrame,
  type WorkerFrame,
} from "./_call_frames.ts";
import type { ExposedWorker } from "./_protocol.ts";
import { type SentCall, SentCalls } from "./_sent_calls.ts";
import { toRequestError } from "./_unclonable.ts";
import { openWebThread, type WebThread, type WebThreadOptions } from "./_web_thread.ts";
import { currentWorker } from "./current_worker.ts";
import type { CallFollower, CallRequest, RunResult, Worker } from "./worker.ts";

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
  const importing = currentWorker()?.importing;
  if (importing !== undefined) {
    throw new NestedExecutorError(
      `Cannot start a worker while a worker imports "${importing}": the module starts workers at ` +
        "its top level; put its main part under `if (import.meta.main)`",
    );
  }
  return new WebWorker(await openWebThread(entry, options), options.name);
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

class WebWorker implements Worker {
  readonly name: string;
  readonly dead: Promise<string>;
  readonly #thread: WebThread;
  readonly #calls: SentCalls;
  readonly #answered = (slot: number, result: RunResult): void => {
    this.#calls.resolve(slot, result);
  };
  /** Held for the worker's life: Comlink makes the worker deaf when this is collected. */
  readonly #remote: Remote<ExposedWorker>;
  readonly #endpoint: BatchingEndpoint<ParentFrame, WorkerFrame>;
  #state: State = { state: "open" };

  constructor(thread: WebThread, name: string) {
    this.name = name;
    this.#thread = thread;
    this.#calls = new SentCalls(name, thread.claims);
    this.#endpoint = new BatchingEndpoint(thread.worker, {
      received: (frame) => this.#calls.receive(frame),
      refused: (frame, cause) => {
        // An abort is plain data.
        if (isAbortFrame(frame)) return;
        this.#calls.reject(frame[0], toRequestError(fromCallFrame(frame), cause));
      },
    });
    this.#remote = wrap<ExposedWorker>(this.#endpoint);
    this.dead = thread.ended;
    void thread.ended.then((reason) => this.#fail({ reason }));
    void this.#readAnswers();
  }

  get pending(): number {
    return this.#calls.size;
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    if (this.#state.state !== "open") return Promise.resolve({ type: "revoked" });
    let call: SentCall;
    try {
      call = this.#calls.add(request.task, follower);
    } catch (error) {
      return Promise.reject(error);
    }
    this.#endpoint.send(toCallFrame(call.slot, request));
    return call.result.promise;
  }

  abort(follower: CallFollower, reason: unknown): void {
    const frame = this.#calls.abort(follower, reason);
    if (frame !== undefined) this.#endpoint.send(frame);
  }

  revoke(): boolean {
    return this.#calls.revokeNewest();
  }

  close(): Promise<void> {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#close() };
    return this.#state.done;
  }

  terminate(): void {
    this.#thread.stop("it was terminated");
    this.#fail({ reason: "it was terminated", ending: "killed" });
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return this.#thread.stopped(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Reads small answers as they come, for as long as calls may be under way. */
  async #readAnswers(): Promise<void> {
    const { ring } = this.#thread;
    while (this.#state.state === "open" || this.#calls.size > 0) {
      ring.read(this.#answered);
      await ring.written();
    }
  }

  #fail(death: WorkerDeath): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: Promise.resolve() };
    const { ring } = this.#thread;
    ring.read(this.#answered);
    ring.wake();
    this.#calls.fail(death);
  }

  async #close(): Promise<void> {
    await this.#calls.drained();
    const died = this.dead.then(() => ({ type: "closed" } as const));
    const reply = await Promise.race([this.#remote.close(), died]);
    this.#thread.stop("it was closed");
    if (reply.type === "failed") throw toThrown(reply.error.thrown);
  }
}
