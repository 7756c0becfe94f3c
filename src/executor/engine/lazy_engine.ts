import { importLater } from "../../base/lazy_import.ts";
import { currentScope } from "../../scope/current_scope.ts";
import type { CallRunner, ReadyCall } from "../../task/call_task.ts";
import type { CallRequest } from "../../worker/worker.ts";
import type { CallOptions, CallStatistics } from "../call_options.ts";
import type { CallObserver, OutcomeListener } from "../dispatch/call.ts";
import type { DispatcherCloseOptions } from "../dispatch/options.ts";
import type { WorkerStatistics } from "../dispatch/worker_statistics.ts";
import type { Engine, EngineOptions } from "./engine.ts";

type State =
  | { readonly state: "unused" }
  | { readonly state: "loading"; readonly engine: Promise<Engine> }
  | { readonly state: "ready"; readonly engine: Engine };

/**
 * An engine that is loaded with the first call that needs it: every worker imports Quiver with the
 * modules of its tasks, and next to none of them has an executor of its own.
 */
export class LateEngine implements CallRunner {
  #options: EngineOptions;
  #state: State = { state: "unused" };
  /** Calls that wait for the engine. */
  #waiting = 0;

  /**
   * Takes the options; nothing is loaded yet.
   *
   * @param options What the engine will run on.
   */
  constructor(options: EngineOptions) {
    this.#options = options;
  }

  run(ready: ReadyCall, options?: CallOptions): unknown {
    if (this.#state.state === "ready") return this.#state.engine.runner.run(ready, options);
    return this.#whenReady(({ runner }) => runner.run(ready, options));
  }

  /**
   * Brings a request to a worker.
   *
   * @param request What to run.
   * @param observer When to give it up, and who is told when it starts.
   * @param listener Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, listener: OutcomeListener): void {
    if (this.#state.state === "ready") {
      return this.#state.engine.dispatcher.dispatch(request, observer, listener);
    }
    this.#whenReady(({ dispatcher }) => dispatcher.dispatch(request, observer, listener))
      .catch((error) => listener.reject(error));
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): WorkerStatistics {
    if (this.#state.state === "ready") return this.#state.engine.dispatcher.statistics();
    return { queued: this.#waiting, running: 0, idle: 0, workers: 0, lost: 0 };
  }

  /** Counts how calls have ended. */
  callStatistics(): CallStatistics {
    if (this.#state.state === "ready") return this.#state.engine.dispatcher.callStatistics();
    return { completed: 0, failed: 0, retried: 0 };
  }

  /** Changes how many workers may take calls. */
  resize(maxWorkers: number): void {
    this.#options = { ...this.#options, maxWorkers };
    if (this.#state.state !== "ready") return;
    const { dispatcher, share } = this.#state.engine;
    share.resize(maxWorkers);
    dispatcher.resize(share.maxWorkers, share.limits);
  }

  /**
   * Waits for the calls it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started, and who is told of workers that could
   * not be stopped.
   */
  async close(options?: DispatcherCloseOptions): Promise<void> {
    if (this.#state.state === "unused") return;
    const { dispatcher, share } = await this.#state.engine;
    try {
      await dispatcher.close(options);
    } finally {
      share.release();
    }
  }

  /** Ends everything now; what comes later is refused. */
  terminate(): void {
    if (this.#state.state === "ready") return terminate(this.#state.engine);
    // An engine that cannot be loaded is told of to the calls that need it.
    void this.#load().then(terminate, () => {});
  }

  async #whenReady<T>(use: (engine: Engine) => T | Promise<T>): Promise<T> {
    this.#waiting++;
    let engine: Engine;
    try {
      engine = await this.#load();
    } finally {
      this.#waiting--;
    }
    return await use(engine);
  }

  #load(): Promise<Engine> {
    if (this.#state.state === "ready") return Promise.resolve(this.#state.engine);
    if (this.#state.state === "unused") this.#state = { state: "loading", engine: this.#create() };
    return this.#state.engine;
  }

  async #create(): Promise<Engine> {
    // The first call that needs the engine decides beneath which worker it is.
    const allowance = currentScope().nesting?.allowance;
    try {
      const { createEngine } = await importLater<typeof import("./engine.ts")>("engine");
      // What they are now: it may have been resized meanwhile.
      const engine = createEngine(this.#options, allowance);
      this.#state = { state: "ready", engine };
      return engine;
    } catch (error) {
      // The next call tries again.
      this.#state = { state: "unused" };
      throw error;
    }
  }
}

function terminate({ dispatcher, share }: Engine): void {
  dispatcher.terminate();
  share.release();
}
