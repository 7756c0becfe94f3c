/** A call on its way through an executor. */
export interface ObservedCall {
  /** Tells the call from the others of the executor. */
  readonly id: number;
  /** The task's name. */
  readonly task: string;
}

/** A call that is at a worker. */
export interface StartedCall extends ObservedCall {
  /** The worker's name. */
  readonly worker: string;
}

/** A call that is on its way no more. */
export interface FinishedCall extends ObservedCall {
  /**
   * How it ended: `"value"` with a result, `"error"` with what the task threw, `"died"` with its
   * worker, and `"dropped"` when it was cancelled, timed out, could not be sent or found no worker.
   */
  readonly outcome: "value" | "error" | "died" | "dropped";
  /** How long it was on its way, in milliseconds, its runs included. */
  readonly time: number;
}

/** A call that has failed and is run once more. */
export interface RetriedCall extends ObservedCall {
  /** Which attempt comes now: 2 at the first retry. */
  readonly attempt: number;
  /** Why the last one failed. */
  readonly error: unknown;
}

/** A worker of an executor. */
export interface ObservedWorker {
  /** The worker's name. */
  readonly worker: string;
}

/** A worker that is no more. */
export interface EndedWorker extends ObservedWorker {
  /** What happened, in words. */
  readonly reason: string;
}

/**
 * Who follows what an executor does. Each hook is optional; what one throws is warned of once and
 * harms no call. A call that the cache answers never gets so far. Of a map, items that travel together
 * (a chunk) are one call, which ends with `"value"` although some of its items have failed; those that
 * are then run again are calls of their own.
 */
export interface ExecutorObserver {
  /** A call waits for a worker. */
  queued?(call: ObservedCall): void;
  /** A call was sent to a worker; short ones are sent ahead, and may come back to the queue. */
  started?(call: StartedCall): void;
  /** A call has failed and is run once more. */
  retried?(call: RetriedCall): void;
  /** A call has ended. */
  finished?(call: FinishedCall): void;
  /** A worker is there. */
  workerStarted?(worker: ObservedWorker): void;
  /** A worker is no more. */
  workerEnded?(worker: EndedWorker): void;
}
