import type { Recalled } from "../cache/recall.ts";
import { importLater } from "../import_later.ts";
import type { WorkerAllowance } from "../scope/scope.ts";
import type { CallRunner, ReadyCall, RememberedCall } from "../task/answer_call.ts";
import type { CallStatistics } from "./call_statistics.ts";
import type { DispatcherCloseOptions, DispatcherStatistics } from "./dispatcher.ts";
import type { Engine, EngineOptions } from "./engine.ts";

type EngineModule = typeof import("./engine.ts");

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

  run(ready: ReadyCall): unknown {
    if (this.#state.state === "ready") return this.#state.engine.runner.run(ready);
    return this.#whenReady(ready, (runner) => runner.run(ready));
  }

  attempt(remembered: RememberedCall): Promise<Recalled | undefined> {
    if (this.#state.state === "ready") return this.#state.engine.runner.attempt(remembered);
    return this.#whenReady(remembered, (runner) => runner.attempt(remembered));
  }

  alone(remembered: RememberedCall): Promise<Recalled> {
    if (this.#state.state === "ready") return this.#state.engine.runner.alone(remembered);
    return this.#whenReady(remembered, (runner) => runner.alone(remembered));
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): DispatcherStatistics & CallStatistics {
    if (this.#state.state === "ready") {
      const { dispatcher } = this.#state.engine;
      return { ...dispatcher.statistics(), ...dispatcher.callStatistics() };
    }
    const none = { running: 0, idle: 0, workers: 0, lost: 0, completed: 0, failed: 0, retried: 0 };
    return { queued: this.#waiting, ...none };
  }

  /**
   * Changes how many workers may take calls.
   *
   * @param maxWorkers The new number.
   */
  resize(maxWorkers: number): void {
    this.#options = { ...this.#options, maxWorkers };
    if (this.#state.state !== "ready") return;
    const { dispatcher, share } = this.#state.engine;
    share.resize(maxWorkers);
    dispatcher.resize(share.maxWorkers);
  }

  /**
   * Waits for the calls it has, then ends the workers. May be called again.
   *
   * @param options What happens to calls that have not started.
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

  async #whenReady<T>(
    { scope }: ReadyCall,
    use: (runner: CallRunner) => T | Promise<T>,
  ): Promise<T> {
    this.#waiting++;
    let engine: Engine;
    try {
      engine = await this.#load(scope.nesting?.allowance);
    } finally {
      this.#waiting--;
    }
    return await use(engine.runner);
  }

  /** The first call that needs the engine decides beneath which worker it is. */
  #load(allowance?: WorkerAllowance): Promise<Engine> {
    if (this.#state.state === "ready") return Promise.resolve(this.#state.engine);
    if (this.#state.state === "unused") {
      const engine = this.#create(allowance);
      this.#state = { state: "loading", engine };
    }
    return this.#state.engine;
  }

  async #create(allowance: WorkerAllowance | undefined): Promise<Engine> {
    try {
      const { createEngine } = await importLater<EngineModule>("./engine.ts", import.meta.url);
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
