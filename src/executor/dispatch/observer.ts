import { type QuiverWarning, SafeCallbacks } from "../../base/warning.ts";
import type { ExecutorObserver } from "../call_options.ts";

/** The hooks, each with what it is told. */
type Events = {
  readonly [K in keyof ExecutorObserver]-?: Parameters<Required<ExecutorObserver>[K]>[0];
};

/** Tells an observer, whatever it throws. */
export class SafeObserver {
  readonly #observer: ExecutorObserver;
  readonly #callbacks: SafeCallbacks;

  /**
   * Wraps an observer.
   *
   * @param warn Told once when the observer throws; must not throw.
   */
  constructor(observer: ExecutorObserver, warn: (warning: QuiverWarning) => void) {
    this.#observer = observer;
    this.#callbacks = new SafeCallbacks("the executor's observer", warn);
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
    this.#callbacks.tell(hook, () => {
      // One of the hooks, called with its own event.
      const fn = this.#observer[hook] as ((event: Events[K]) => unknown) | undefined;
      return fn?.call(this.#observer, event);
    });
  }
}
