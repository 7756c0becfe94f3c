import type { Digest } from "../value/encoded_value.ts";
import type { CallControl, CallFollower, ProgressReport } from "../worker/worker.ts";

/** Where a call stands. */
export type FutureState = "pending" | "running" | "done" | "cancelled";

/**
 * What becomes of the worker of a running call that is given up: it is ended, or the call goes on
 * there until its end, and nobody waits for it.
 */
export type OnAbort = "terminate" | "detach";

/** Where a call stands: written by who runs it, read by its future. */
export class CallStatus implements CallControl, CallFollower {
  /** Aborted when the future is cancelled or aborted. */
  readonly cancellation: CancelSource = new CancelSource();
  /** What becomes of the worker when the call is given up while it runs. */
  onAbort: OnAbort | undefined;
  /** Made when first asked for: most futures are never cancelled, and a controller costs. */
  #controller: AbortController | undefined;
  #observers: (() => void)[] | undefined;
  #progress: CallProgress | undefined;
  #state: FutureState = "pending";
  #worker: string | undefined;
  #key: Digest | undefined;
  #hit: boolean | undefined;

  /** Where the call stands. */
  get state(): FutureState {
    return this.#state;
  }

  /** The key of the call, once it is known. */
  get key(): Digest | undefined {
    return this.#key;
  }

  /** Whether the result came without running the body, once that is known. */
  get hit(): boolean | undefined {
    return this.#hit;
  }

  /** The name of the worker that the call was last sent to, if any. */
  get worker(): string | undefined {
    return this.#worker;
  }

  /** Whether the call was given up. */
  get aborted(): boolean {
    return this.cancellation.aborted;
  }

  /** The same as `cancellation`, as a real signal. */
  get signal(): AbortSignal {
    if (this.#controller !== undefined) return this.#controller.signal;
    const { cancellation } = this;
    const controller = this.#controller = new AbortController();
    const abort = () => controller.abort(cancellation.reason);
    if (cancellation.aborted) abort();
    else cancellation.addEventListener("abort", abort);
    return controller.signal;
  }

  /** How far the call is; made when first asked for, or reported. */
  get progress(): CallProgress {
    if (this.#progress === undefined) {
      this.#progress = new CallProgress();
      if (this.#ended) this.#progress.end();
    }
    return this.#progress;
  }

  /** The call says how far it is, here. */
  report(progress: ProgressReport): void {
    if (!this.#ended) this.progress.update(progress);
  }

  /** The call says something here, which only matters where workers are. */
  tell(): boolean {
    return false;
  }

  /** The call says something on a worker: as yet, only how far it is. */
  told(kind: string, data: unknown): void {
    // What `CallControl.report()` has sent.
    if (kind === "progress") this.report(data as ProgressReport);
  }

  /** The key is known. */
  keyed(key: Digest): void {
    this.#key = key;
  }

  /**
   * The body starts: from now on the call can no longer be cancelled.
   *
   * @param worker The worker's name; none when it starts here.
   */
  started(worker?: string): void {
    this.#worker = worker;
    if (this.#state === "pending") this.#state = "running";
  }

  /** The body did not start after all: somebody else computes the result, and the call waits. */
  waits(): void {
    if (this.#state === "running") this.#state = "pending";
  }

  /** The result is known, and whether it came without running the body. */
  recalled(hit: boolean): void {
    if (this.#state !== "cancelled") this.#hit = hit;
  }

  /** The call has ended. */
  settled(): void {
    if (this.#state === "cancelled") return;
    this.#state = "done";
    this.#hit ??= false;
    this.#announce();
  }

  /**
   * Cancels the call if its body has not started.
   *
   * @param reason What those who wait in it are told.
   * @returns Whether this has cancelled it.
   */
  cancel(reason: unknown): boolean {
    return this.#state === "pending" && this.abort(reason);
  }

  /**
   * Gives the call up, whether its body has started or not.
   *
   * @param reason Why.
   * @returns Whether this has given it up.
   */
  abort(reason: unknown): boolean {
    if (this.#ended) return false;
    this.#state = "cancelled";
    this.cancellation.abort(reason);
    this.#announce();
    return true;
  }

  /**
   * Calls a function once when the call has ended, however it did.
   *
   * @param fn The function.
   */
  onDone(fn: () => void): void {
    if (this.#ended) queueMicrotask(fn);
    // A list that grows by push is made for seventeen, and there is nearly always one.
    else if (this.#observers === undefined) this.#observers = [fn];
    else this.#observers.push(fn);
  }

  get #ended(): boolean {
    return this.#state === "done" || this.#state === "cancelled";
  }

  #announce(): void {
    this.#progress?.end();
    const observers = this.#observers;
    this.#observers = undefined;
    for (const fn of observers ?? []) queueMicrotask(fn);
  }
}

/** What is told of a cancellation: a function, or an object where a closure for each would cost. */
export type CancelListener = (() => void) | { handleEvent(): void };

/**
 * What a wait needs of an `AbortSignal`. A real one will do; one costs more to make than a short call
 * to run, so that futures have a lighter one until somebody asks for the real one.
 */
export interface CancelSignal {
  /** Whether the wait is to end. */
  readonly aborted: boolean;
  /** Why. */
  readonly reason: unknown;
  /** Tells a listener when the wait is to end. */
  addEventListener(type: "abort", listener: CancelListener): void;
  /** Tells it no more. */
  removeEventListener(type: "abort", listener: CancelListener): void;
}

/** A cancel signal and what aborts it. */
export class CancelSource implements CancelSignal {
  /** Nearly every wait has one listener or none: the set is made for the second. */
  #first: CancelListener | undefined;
  #others: Set<CancelListener> | undefined;
  #aborted: { readonly reason: unknown } | undefined;

  /** Whether the wait is to end. */
  get aborted(): boolean {
    return this.#aborted !== undefined;
  }

  /** Why. */
  get reason(): unknown {
    return this.#aborted?.reason;
  }

  /**
   * Ends the waits; a second call does nothing.
   *
   * @param reason Why.
   */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    const listeners = [this.#first, ...this.#others ?? []];
    this.#first = undefined;
    this.#others = undefined;
    for (const listener of listeners) {
      if (typeof listener === "function") listener();
      else listener?.handleEvent();
    }
  }

  /** Tells a listener when the wait is to end. */
  addEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === undefined) this.#first = listener;
    else if (this.#first !== listener) (this.#others ??= new Set()).add(listener);
  }

  /** Tells it no more. */
  removeEventListener(_type: "abort", listener: CancelListener): void {
    if (this.#first === listener) this.#first = undefined;
    else this.#others?.delete(listener);
  }
}

/**
 * How far a call is, as its task says by `report()`.
 *
 * @example Follow a call
 * ```ts
 * import { report, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const climb = task(import.meta, async () => {
 *   for (const fraction of [0.5, 1]) {
 *     report(fraction);
 *     await new Promise((resolve) => setTimeout(resolve));
 *   }
 * }, { name: "climb" });
 *
 * const fractions = [];
 * for await (const { fraction } of climb().progress) fractions.push(fraction);
 * assertEquals(fractions, [0.5, 1]);
 * ```
 */
export class CallProgress implements AsyncIterable<ProgressReport> {
  #latest: ProgressReport = {};
  #count = 0;
  #ended = false;
  #changed: PromiseWithResolvers<void> | undefined;

  /** The latest fraction and the latest message; what was never reported is absent. */
  get latest(): ProgressReport {
    return this.#latest;
  }

  /**
   * Takes a report.
   *
   * @param progress The report; what it leaves out stays as it was.
   * @internal
   */
  update(progress: ProgressReport): void {
    this.#latest = { ...this.#latest, ...progress };
    this.#count++;
    this.#announce();
  }

  /**
   * The call has ended.
   *
   * @internal
   */
  end(): void {
    this.#ended = true;
    this.#announce();
  }

  /**
   * Gives each change from the first on, and ends with the call, however that ends; who is slow gets
   * the latest and misses what was between.
   */
  async *[Symbol.asyncIterator](): AsyncGenerator<ProgressReport, void, void> {
    for (let seen = 0;;) {
      if (seen !== this.#count) {
        seen = this.#count;
        yield this.#latest;
      } else if (this.#ended) return;
      else await (this.#changed ??= Promise.withResolvers()).promise;
    }
  }

  #announce(): void {
    this.#changed?.resolve();
    this.#changed = undefined;
  }
}
