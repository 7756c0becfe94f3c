import type { ProgressReport } from "./worker.ts";

/** How many milliseconds lie between two messages at least. */
const INTERVAL = 10;

/** Passes on the latest of many reports: a call that reports a million times sends few messages. */
export class ReportPace {
  readonly #send: (progress: ProgressReport) => void;
  #last = -Infinity;
  #held: ProgressReport | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates the pace of one call.
   *
   * @param send Sends a message.
   */
  constructor(send: (progress: ProgressReport) => void) {
    this.#send = send;
  }

  /**
   * Takes a report: it goes at once if the last one is long ago, else with the next.
   *
   * @param progress The report; what it leaves out stays as it was.
   */
  add(progress: ProgressReport): void {
    this.#held = { ...this.#held, ...progress };
    // Looked at each time, because no timer fires in code that never awaits.
    const wait = this.#last + INTERVAL - performance.now();
    if (wait <= 0) this.#flush();
    else this.#timer ??= setTimeout(() => this.#flush(), wait);
  }

  /** The call has ended: its last word goes now. */
  end(): void {
    this.#flush();
  }

  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const held = this.#held;
    if (held === undefined) return;
    this.#held = undefined;
    this.#last = performance.now();
    this.#send(held);
  }
}
