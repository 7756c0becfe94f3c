import type { Recalled } from "../cache/recall.ts";
import { importLater } from "../import_later.ts";
import type { ReadyCall, RememberedCall } from "../task/answer_call.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import type { CallObserver } from "./_dispatch_call.ts";
import type { CallOptions } from "./call_options.ts";
import type { EngineRunner } from "./create_runner.ts";
import type { DispatcherStatistics } from "./dispatcher.ts";
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
export class LateEngine implements EngineRunner {
  readonly #options: EngineOptions;
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

  attempt(remembered: RememberedCall, options?: CallOptions): Promise<Recalled | undefined> {
    if (this.#state.state === "ready") {
      return this.#state.engine.runner.attempt(remembered, options);
    }
    return this.#whenReady(({ runner }) => runner.attempt(remembered, options));
  }

  alone(remembered: RememberedCall, options?: CallOptions): Promise<Recalled> {
    if (this.#state.state === "ready") return this.#state.engine.runner.alone(remembered, options);
    return this.#whenReady(({ runner }) => runner.alone(remembered, options));
  }

  /**
   * Brings a request to a worker.
   *
   * @param request What to run.
   * @param observer When to give it up, and who is told when it starts.
   * @returns How it ended.
   */
  send(request: CallRequest, observer: CallObserver): Promise<Outcome> {
    if (this.#state.state === "ready") return this.#state.engine.dispatcher.run(request, observer);
    return this.#whenReady(({ dispatcher }) => dispatcher.run(request, observer));
  }

  /**
   * Counts calls and workers.
   *
   * @returns The counts of this moment.
   */
  statistics(): DispatcherStatistics {
    if (this.#state.state === "ready") return this.#state.engine.dispatcher.statistics();
    return { queued: this.#waiting, running: 0, idle: 0, workers: 0, lost: 0 };
  }

  /**
   * Waits for the calls it has, then ends the workers.
   *
   * @param warn Told of workers that could not be stopped.
   */
  async close(warn: (message: string) => void): Promise<void> {
    if (this.#state.state === "unused") return;
    const { dispatcher } = await this.#state.engine;
    await dispatcher.close({ warn });
  }

  /** Ends everything now; what comes later is refused. */
  terminate(): void {
    if (this.#state.state === "ready") return this.#state.engine.dispatcher.terminate();
    // An engine that cannot be loaded is told of to the calls that need it.
    void this.#load().then(({ dispatcher }) => dispatcher.terminate(), () => {});
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
    if (this.#state.state === "unused") {
      const engine = this.#create();
      this.#state = { state: "loading", engine };
    }
    return this.#state.engine;
  }

  async #create(): Promise<Engine> {
    try {
      const { createEngine } = await importLater<EngineModule>("./engine.ts", import.meta.url);
      const engine = createEngine(this.#options);
      this.#state = { state: "ready", engine };
      return engine;
    } catch (error) {
      // The next call tries again.
      this.#state = { state: "unused" };
      throw error;
    }
  }
}
