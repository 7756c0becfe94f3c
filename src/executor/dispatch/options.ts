import type { Capacity, RetryOptions } from "../../task/comforts.ts";
import type { OnAbort } from "../../task/future.ts";
import type { OutputTaker } from "../call_options.ts";
import type { CallLimits } from "../wire/call_context.ts";
import type { WorkerPoolOptions } from "./worker_pool.ts";

/** Options of `Dispatcher`. */
export interface DispatcherOptions extends WorkerPoolOptions {
  /**
   * How many calls a worker is sent ahead when calls are short; 1 for none.
   *
   * @default {128}
   */
  prefetch?: number;
  /**
   * What becomes of a worker whose call is given up while it runs, unless the call says otherwise.
   *
   * @default {"detach"}
   */
  onAbort?: OnAbort;
  /** Takes what tasks print; it is printed by the workers when left out. */
  output?: OutputTaker | undefined;
  /** What holds for each call on its worker; what a worker takes for granted, if not given. */
  limits?: CallLimits | undefined;
  /**
   * What the dispatcher is known by where its workers are in this isolate, so that the body of a call may
   * make others.
   */
  owner?: string | undefined;
  /**
   * How a call is run again when it fails, if it does not say so itself.
   *
   * @default {0}
   */
  retries?: number | RetryOptions;
  /** What there is that calls may need. */
  capacity?: Capacity | undefined;
}

/** Options of `Dispatcher.close`. */
export interface DispatcherCloseOptions {
  /**
   * Whether calls that have not started are rejected instead of waited for.
   *
   * @default {false}
   */
  cancelPending?: boolean;
  /** Told of workers that could not be stopped. */
  warn?: (message: string) => void;
}
