import { DeadlineError } from "../base/errors.ts";
import { abortable, type CancelSignal, GiveUpTimer, sleep } from "../base/abortable.ts";
import type { CallControl } from "../worker/worker.ts";
import { type CallDemand, type Comforts, delayOf, timesOf } from "./comforts.ts";
import { RateWindow } from "./rate_window.ts";
import type { ReadyCall } from "./remember_call.ts";
import { mayRetry, noteAttempts } from "./retries.ts";

/** What watches over a body. */
export interface BodyWatch {
  /** What the body can know of who waits for it. */
  readonly control: CallControl;
  /** Runs the body. */
  run(body: () => unknown): unknown;
}

/** How a body is run. */
export interface RunOptions {
  /** What watches over it, if something does. */
  readonly watch?: BodyWatch | undefined;
  /** Whether it may have to run again, with the same arguments. */
  readonly again?: boolean;
}

/** What runs bodies in this isolate. */
interface BodyRunner {
  /** Runs one, and gives what it gives, or what the cache makes of that. */
  run(ready: ReadyCall, options: RunOptions): unknown;
  /** Copies the arguments of one that is not remembered. */
  copy(ready: ReadyCall): readonly unknown[];
}

/**
 * Makes a call in this isolate as its task says: it begins when the rate allows it, its body has as long as
 * the deadline, and what has failed is tried again.
 *
 * @param comforts What the task says.
 * @param runner Runs bodies.
 * @returns What the call gives.
 */
export async function attempt(
  ready: ReadyCall,
  { retries = 0, deadline = Infinity, demand }: Comforts,
  { run, copy }: BodyRunner,
): Promise<unknown> {
  const { definition: { name }, scope, status } = ready;
  const { rate } = demand ?? {};
  const pace = demand && rate &&
    PACES.getOrInsertComputed(demand, () => new Pace(new RateWindow(rate)));
  const warn = ({ message, cause }: { message: string; cause?: unknown }) =>
    scope.warn(message, cause, false);
  for (let tried = 1;; tried++) {
    using turn = await pace?.enter(status.cancellation);
    const late = deadline === Infinity ? undefined : new Deadline(name, deadline, status);
    const watch: BodyWatch = {
      control: late ?? status,
      run(body) {
        turn?.begin();
        return late === undefined ? body() : late.run(body);
      },
    };
    try {
      const args = ready.remembered === undefined ? copy(ready) : ready.args;
      return await run({ ...ready, args }, { watch, again: tried <= timesOf(retries) });
    } catch (error) {
      const isOver = status.aborted || scope.control?.aborted === true || tried > timesOf(retries);
      if (isOver || !mayRetry(error, retries, warn)) throw noteAttempts(error, tried);
    }
    turn?.[Symbol.dispose]();
    await sleep(delayOf(retries, tried), status.cancellation);
  }
}

/** One that was let through. When it is disposed and has not begun, another one may. */
interface Turn extends Disposable {
  /** Its body begins. */
  begin(): void;
}

/** Lets through as many calls as may begin in this isolate. */
class Pace {
  readonly #window: RateWindow;
  /** Resolved when one has begun, or does not begin. */
  #changed = Promise.withResolvers<void>();

  constructor(window: RateWindow) {
    this.#window = window;
  }

  async enter(signal: CancelSignal): Promise<Turn> {
    for (;;) {
      const wait = this.#window.wait(performance.now());
      if (wait === 0) break;
      await (wait === Infinity ? abortable(this.#changed.promise, signal) : sleep(wait, signal));
    }
    this.#window.admit();
    let coming = true;
    const end = (tell: () => void) => {
      if (!coming) return;
      coming = false;
      tell();
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    return {
      begin: () => end(() => this.#window.begin(performance.now())),
      [Symbol.dispose]: () => end(() => this.#window.giveBack()),
    };
  }
}

/** By what tasks demand, as none of their executors lets them through. */
const PACES = new WeakMap<CallDemand, Pace>();

/** Gives a body up when it takes too long; nothing of what it does later counts. */
class Deadline implements CallControl {
  readonly #name: string;
  readonly #deadline: number;
  readonly #status: CallControl;
  readonly #late = new AbortController();
  #signal: AbortSignal | undefined;

  constructor(name: string, deadline: number, status: CallControl) {
    this.#name = name;
    this.#deadline = deadline;
    this.#status = status;
  }

  async run(body: () => unknown): Promise<unknown> {
    const begun = performance.now();
    const late = Promise.withResolvers<never>();
    using _timer = new GiveUpTimer(this.#deadline, () => late.reject(this.#giveUp()));
    const value = await Promise.race([Promise.try(body), late.promise]);
    // One that lets nobody else run meanwhile is found out when it has ended.
    if (performance.now() - begun > this.#deadline) throw this.#giveUp();
    return value;
  }

  #giveUp(): DeadlineError {
    const error = new DeadlineError(
      `Cannot finish "${this.#name}" within ${this.#deadline} ms of its start`,
      this.#deadline,
    );
    this.#late.abort(error);
    return error;
  }

  get aborted(): boolean {
    return this.#late.signal.aborted || this.#status.aborted;
  }

  get signal(): AbortSignal {
    return this.#signal ??= AbortSignal.any([this.#status.signal, this.#late.signal]);
  }

  report(progress: Parameters<CallControl["report"]>[0]): void {
    this.#status.report(progress);
  }

  send(kind: string, data: unknown): boolean {
    return this.#status.send(kind, data);
  }
}
