import type { QuiverWarning } from "../../base/warning.ts";
import type { ExecutorObserver } from "../call_options.ts";

/** The hooks, each with what it is told. */
type Events = {
  readonly [K in keyof ExecutorObserver]-?: Parameters<Required<ExecutorObserver>[K]>[0];
};

/** Tells an observer, whatever it throws. */
export class SafeObserver {
  readonly #observer: ExecutorObserver;
  readonly #warn: (warning: QuiverWarning) => void;
  #warned = false;

  /**
   * Wraps an observer.
   *
   * @param warn Told once when the observer throws.
   */
  constructor(observer: ExecutorObserver, warn: (warning: QuiverWarning) => void) {
    this.#observer = observer;
    this.#warn = warn;
  }

  /** Whether the observer has a hook. */
  has(hook: keyof Events): boolean {
    return this.#observer[hook] !== undefined;
  }

  /**
   * Calls a hook, if the observer has it.
   *
   * @param event What it is told.
   */
  tell<K extends keyof Events>(hook: K, event: Events[K]): void {
    // One of the hooks, called with its own event.
    const fn = this.#observer[hook] as ((event: Events[K]) => unknown) | undefined;
    if (fn === undefined) return;
    try {
      const result = fn.call(this.#observer, event);
      // An async function is accepted where nothing is returned.
      if (result instanceof Promise) result.catch((error) => this.#failed(hook, error));
    } catch (error) {
      this.#failed(hook, error);
    }
  }

  #failed(hook: string, cause: unknown): void {
    if (this.#warned) return;
    this.#warned = true;
    const message = `Cannot tell the executor's observer: its \`${hook}\` threw; calls go on`;
    this.#warn({ message, cause });
  }
}
