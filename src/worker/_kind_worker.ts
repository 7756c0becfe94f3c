import type { WorkerDeath, WorkerEnding } from "../base/errors.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import type { AbortFrame } from "./_call_frames.ts";
import type { CloseReply } from "./_protocol.ts";
import type { SentCalls } from "./_sent_calls.ts";
import { givesAway } from "./transfer.ts";
import {
  type CallFollower,
  type CallRequest,
  type CallTaker,
  PromisedCall,
  type RunResult,
  type Worker,
} from "./worker.ts";

/** What a kind of worker has of its own. */
export interface WorkerKind {
  /** Resolves when the worker has ended, in whatever way, and all that it answered was handed over. */
  readonly ended: Promise<WorkerDeath>;
  /**
   * Sends a call.
   *
   * @throws {UnclonableError} When it cannot be sent; a kind may also tell so later.
   */
  send(slot: number, request: CallRequest): void;
  /** Tells the call that runs to end. */
  abort(frame: AbortFrame): void;
  /** Runs the close hook; there are no calls any more. */
  close(): Promise<CloseReply>;
  /**
   * Ends the worker, as far as the kind allows.
   *
   * @returns How it died, when it counts as dead at once; otherwise `ended` tells.
   */
  stop(reason: string): WorkerDeath | undefined;
  /** Waits until none of the worker's code runs any more, or until the signal; tells which came. */
  stopped(signal: AbortSignal): Promise<boolean>;
}

type State =
  | { readonly state: "open" }
  | { readonly state: "closed"; readonly done: Promise<void> };

/** What workers of all kinds have in common: whether they take calls, and how they come to an end. */
export class KindWorker implements Worker {
  readonly name: string;
  readonly dead: Promise<string>;
  readonly #calls: SentCalls;
  readonly #kind: WorkerKind;
  readonly #die: (reason: string) => void;
  /** Who has ended it, if not its own code. */
  #ending: WorkerEnding | undefined;
  #state: State = { state: "open" };

  /**
   * Takes over a worker that listens.
   *
   * @param name Its name.
   * @param calls What was sent to it; its kind tells how each call ends.
   * @param kind Its kind.
   */
  constructor(name: string, calls: SentCalls, kind: WorkerKind) {
    this.name = name;
    this.#calls = calls;
    this.#kind = kind;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.dead = promise;
    this.#die = resolve;
    void kind.ended.then((death) => this.#fail(death));
  }

  get pending(): number {
    return this.#calls.size;
  }

  get room(): number {
    return this.#calls.room;
  }

  send(request: CallRequest, taker: CallTaker): void {
    if (this.#state.state !== "open") {
      return queueMicrotask(() => taker.ended({ type: "revoked" }));
    }
    let slot: number;
    try {
      slot = this.#calls.add(request.task, givesAway(request.args), taker);
    } catch (error) {
      return queueMicrotask(() => taker.failed(error));
    }
    try {
      this.#kind.send(slot, request);
    } catch (error) {
      queueMicrotask(() => this.#calls.reject(slot, error));
    }
  }

  run(request: CallRequest, follower?: CallFollower): Promise<RunResult> {
    const call = new PromisedCall(follower);
    this.send(request, call);
    return call.result;
  }

  abort(follower: CallFollower, reason: unknown): void {
    const frame = this.#calls.abort(follower, reason);
    if (frame !== undefined) this.#kind.abort(frame);
  }

  revoke(): boolean {
    return this.#calls.revokeNewest();
  }

  close(): Promise<void> {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#close() };
    return this.#state.done;
  }

  terminate(): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: this.#died() };
    this.#ending = "killed";
    const death = this.#kind.stop("it was terminated");
    if (death !== undefined) this.#fail(death);
  }

  stopped(signal: AbortSignal): Promise<boolean> {
    return this.#kind.stopped(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #fail(death: WorkerDeath): void {
    if (this.#state.state === "open") this.#state = { state: "closed", done: Promise.resolve() };
    this.#die(death.reason);
    this.#calls.fail(this.#ending === undefined ? death : { ...death, ending: this.#ending });
  }

  async #died(): Promise<void> {
    await this.dead;
  }

  async #close(): Promise<void> {
    await this.#calls.drained();
    const died = this.dead.then(() => ({ type: "closed" } as const));
    const reply = await Promise.race([this.#kind.close(), died]);
    const death = this.#kind.stop("it was closed");
    if (death !== undefined) this.#fail(death);
    await this.dead;
    if (reply.type === "failed") throw toThrown(reply.error.thrown);
  }
}
