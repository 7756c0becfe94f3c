import { ReportPace } from "./_report_pace.ts";
import { pollWhenRead } from "./polled_signal.ts";
import type { CallControl, ProgressReport } from "./worker.ts";

/** What connects a call that runs with its parent. */
export interface CallLine {
  /** Whether the parent has told the call to end, though the message may not be read yet. */
  isAborted(slot: number): boolean;
  /** Says something to the parent, before it returns. */
  tell(slot: number, kind: string, data: unknown): void;
}

/** A call that runs, as its code sees it; what few calls use is made when they do. */
export class ServedCall implements CallControl {
  /** What stands for the call. */
  readonly slot: number;
  readonly #line: CallLine;
  #controller: AbortController | undefined;
  #aborted: { readonly reason: unknown } | undefined;
  #pace: ReportPace | undefined;
  #told = false;
  #ended = false;

  /**
   * Creates a call that has just begun.
   *
   * @param slot What stands for it.
   * @param line Leads to its parent.
   */
  constructor(slot: number, line: CallLine) {
    this.slot = slot;
    this.#line = line;
  }

  get aborted(): boolean {
    this.#poll();
    return this.#aborted !== undefined;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#aborted !== undefined) this.#controller.abort(this.#aborted.reason);
      else pollWhenRead(this.#controller.signal, () => this.#poll());
    }
    return this.#controller.signal;
  }

  report(progress: ProgressReport): void {
    if (this.#ended) return;
    this.#pace ??= new ReportPace((latest) => this.tell("progress", latest));
    this.#pace.add(progress);
  }

  tell(kind: string, data: unknown): boolean {
    if (this.#ended) return false;
    this.#told = true;
    this.#line.tell(this.slot, kind, data);
    return true;
  }

  /**
   * The call is to end.
   *
   * @param reason Why.
   */
  abort(reason: unknown): void {
    if (this.#aborted !== undefined) return;
    this.#aborted = { reason };
    this.#controller?.abort(reason);
  }

  /**
   * The call has ended: what its code leaves behind says nothing any more.
   *
   * @returns Whether it has said anything.
   */
  end(): boolean {
    this.#pace?.end();
    this.#ended = true;
    return this.#told;
  }

  /** Code that never awaits reads no messages: it learns of the abort, but not why. */
  #poll(): void {
    if (this.#aborted !== undefined || this.#ended || !this.#line.isAborted(this.slot)) return;
    this.abort(new DOMException("The call was given up", "AbortError"));
  }
}
