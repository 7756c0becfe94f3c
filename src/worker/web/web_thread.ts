import { abortable, type ArrivalCheck, GiveUpTimer, sleep } from "../../base/abortable.ts";
import { WorkerInitError } from "../../base/errors.ts";
import { findProjects } from "../../call/projects.ts";
import { mainModule } from "../current_worker.ts";
import { requireOpenFiles } from "../open_files.ts";
import { isReadyMessage, type ProgramMessage, type ReadyMessage } from "../wire/frames.ts";
import { AnswerRing } from "../wire/small_answers.ts";
import { Claims } from "./claims.ts";
import { waitForEnd } from "./worker_lock.ts";

/** Options of {@linkcode openWebThread}. */
export interface WebThreadOptions {
  /** The worker's name. */
  name: string;
  /** Gives the start up, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * After how many milliseconds a worker that says nothing counts as failed.
   *
   * @default {60000}
   */
  startTimeout?: number;
}

/** How many turns of the event loop a worker's messages get to arrive. */
const DRAIN_TURNS = 200;
/** How many of them the text of an uncaught error gets, which travels on its own way. */
const ERROR_TURNS = 5;

/** How many files a thread has open at once while it starts: six for itself, and those of modules. */
const FILES = 16;

/** The threads that are starting, which have not opened all of their files yet. */
class ThreadStarts {
  readonly #starting = new Set<Disposable>();

  /**
   * Makes sure that one more thread finds the files that it needs, as far as that can be told.
   *
   * @returns The start, which is over when it is disposed, once or more often.
   * @throws What the system says when there are too few.
   */
  begin(): Disposable {
    requireOpenFiles(FILES * (this.#starting.size + 1));
    const start = { [Symbol.dispose]: () => void this.#starting.delete(start) };
    this.#starting.add(start);
    return start;
  }
}

const STARTS = new ThreadStarts();

/**
 * Starts a thread and waits until it listens.
 *
 * @param entry The module to start with; it calls `exposeWorker()`.
 * @param options Its name, and when to give up.
 * @throws {WorkerInitError} When the thread cannot start; `cause` has Deno's own text. What the system
 * says that gives no more threads, or opens no more files, is an error of its own.
 */
export async function openWebThread(entry: URL, options: WebThreadOptions): Promise<WebThread> {
  const { name, signal, startTimeout = 60_000 } = options;
  signal?.throwIfAborted();
  const start = STARTS.begin();
  const worker = openWorker(entry, name, start);
  const ready = Promise.withResolvers<ReadyMessage>();
  const fail = (cause: Error) =>
    ready.reject(
      new WorkerInitError(
        `Cannot start worker "${name}": its entry "${entry}" failed: ${cause.message}`,
        { cause },
      ),
    );
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    fail(new Error(event.message));
  };
  const onMessage = (event: MessageEvent) => {
    if (isReadyMessage(event.data)) ready.resolve(event.data);
  };
  using _timer = new GiveUpTimer(
    startTimeout,
    () => fail(new Error(`it was not ready after ${startTimeout} ms`)),
  );
  worker.addEventListener("error", onError);
  worker.addEventListener("message", onMessage);
  try {
    const message = await abortable(ready.promise, signal);
    const program: ProgramMessage = {
      ...{ type: "quiver.program", mainModule: mainModule() },
      projects: findProjects(),
    };
    worker.postMessage(program);
    return new WebThread(worker, message, start);
  } catch (error) {
    start[Symbol.dispose]();
    worker.terminate();
    throw error;
  } finally {
    worker.removeEventListener("message", onMessage);
    // A listener stays: an error that nobody prevents from spreading would end the parent, too.
    worker.addEventListener("error", (event) => event.preventDefault());
    worker.removeEventListener("error", onError);
  }
}

function openWorker(entry: URL, name: string, start: Disposable): Worker {
  try {
    return new Worker(entry, { type: "module", name });
  } catch (error) {
    start[Symbol.dispose]();
    throw error;
  }
}

/** A thread that listens, and notices its end however it comes. */
export class WebThread {
  /** Where its messages go and come from. */
  readonly worker: Worker;
  /** Who owns which call. */
  readonly claims: Claims;
  /** Small answers. */
  readonly ring: AnswerRing;
  /** Resolves with the reason when the thread has ended and all its messages have arrived. */
  readonly ended: Promise<string>;
  readonly #end: (reason: string) => void;
  readonly #lock: string;
  readonly #watch = new AbortController();
  readonly #start: Disposable;
  #received = 0;
  #uncaught: string | undefined;

  /**
   * Takes over a thread.
   *
   * @param start Over when it has answered a call, whose modules it has loaded then, or has ended.
   */
  constructor(worker: Worker, ready: ReadyMessage, start: Disposable) {
    this.worker = worker;
    this.#start = start;
    this.claims = new Claims(ready.claims);
    this.ring = new AnswerRing({ buffer: ready.ring });
    this.#lock = ready.lock;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.ended = promise;
    this.#end = resolve;
    worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.#uncaught ??= event.message;
    });
    worker.addEventListener("messageerror", () => this.stop("a message could not be read"));
    void this.#watchEnd(ready.lock);
  }

  /** Something that it has posted has arrived. */
  countReceived(): void {
    if (this.#received++ === 0) this.#start[Symbol.dispose]();
  }

  /** Tells when what it has posted by now has arrived. */
  checkArrivals(): ArrivalCheck {
    const { posted } = this.claims;
    let turns = 0;
    return () => this.#received >= posted || ++turns > DRAIN_TURNS;
  }

  /**
   * Ends the thread now; a busy one goes on until its code returns.
   *
   * @param reason Why.
   */
  stop(reason: string): void {
    this.worker.terminate();
    this.#start[Symbol.dispose]();
    this.#watch.abort();
    this.#end(reason);
  }

  /**
   * Waits until none of the thread's code runs any more.
   *
   * @param signal Ends the wait.
   * @returns Whether the thread has stopped.
   */
  stopped(signal: AbortSignal): Promise<boolean> {
    return waitForEnd(this.#lock, signal);
  }

  async #watchEnd(lock: string): Promise<void> {
    if (!await waitForEnd(lock, this.#watch.signal)) return;
    await this.#drain();
    this.stop(
      this.#uncaught === undefined
        ? "it called self.close() or Deno.exit(), where a task must return or throw"
        : `an error was not caught (${this.#uncaught}), in a timer, say, or in a promise that nobody awaits`,
    );
  }

  /**
   * Lets what the thread posted before its end arrive. Messages, errors and the lock come on separate
   * ways, and nothing tells when the last is through but the count that the thread kept.
   */
  async #drain(): Promise<void> {
    for (let turn = 0; turn < DRAIN_TURNS && !this.#watch.signal.aborted; turn++) {
      const complete = this.#received >= this.claims.posted;
      if (complete && (this.#uncaught !== undefined || turn >= ERROR_TURNS)) return;
      // It ends here when it is stopped meanwhile.
      await sleep(0, this.#watch.signal).catch(() => {});
    }
  }
}
