// Before all that needs a runtime, as it refuses others than Deno.
import "../base/ambient.ts";
import { checkIsOptions, showOption } from "../base/check_options.ts";
import { Executor } from "./executor.ts";
import { type ExecutorOptions, toExecutorSettings } from "./options.ts";

/** Options of {@linkcode getReusableExecutor}. */
export interface ReusableExecutorOptions extends ExecutorOptions {
  /**
   * Which executor will do: `"auto"` one with the same options, apart from `maxWorkers`; `true` whichever
   * there is, its options kept; `false` only a new one.
   *
   * @default {"auto"}
   */
  reuse?: "auto" | boolean;
}

/**
 * Gives the one executor that a program shares, so that its parts need not hand one about and still use
 * warm workers. Where `maxWorkers` differs it is resized; where other options differ it is rotated: a new
 * one takes its place, and the old one ends when it has finished its calls. Who still holds the old one may
 * go on: what is submitted there runs on the new one.
 *
 * Nobody needs to shut it down; idle workers end by `idleTimeout`. Shutting it down or disposing it does so
 * for all who share it, and the next who asks gets a new one.
 *
 * @param options Which executor is asked for.
 * @returns The executor.
 * @throws {TypeError} When an option is unknown or of the wrong type.
 * @throws {RangeError} When a number is out of range.
 *
 * @example Share workers between the parts of a program
 * ```ts
 * import { task } from "@quiver/quiver";
 * import { getReusableExecutor } from "@quiver/quiver/workers";
 * import { assertEquals, assertStrictEquals } from "@std/assert";
 *
 * const increment = task(import.meta, (n: number) => n + 1, { name: "increment" });
 *
 * const executor = getReusableExecutor({ workerType: "inline", maxWorkers: 2 });
 * assertEquals(await executor.submit(increment, 1), 2);
 * assertStrictEquals(getReusableExecutor({ workerType: "inline", maxWorkers: 3 }), executor);
 * assertEquals(executor.maxWorkers, 3);
 *
 * const rotated = getReusableExecutor({ workerType: "inline", maxTasksPerWorker: 100 });
 * assertEquals(rotated.id, executor.id + 1);
 * assertEquals(await executor.submit(increment, 2), 3);
 * await rotated.shutdown();
 * ```
 */
export function getReusableExecutor(options: ReusableExecutorOptions = {}): ReusableExecutor {
  return SHARED.get(options);
}

/** An executor that {@linkcode getReusableExecutor} gave. */
export class ReusableExecutor extends Executor {
  /** Grows with each executor that takes the place of another. */
  readonly id: number;
  readonly #successor: () => ReusableExecutor;
  #rotated = false;

  /**
   * Creates an executor. Users get it from {@linkcode getReusableExecutor}.
   *
   * @param options Its options.
   * @param id Its number.
   * @param successor Gives the executor that took its place.
   */
  constructor(options: ExecutorOptions, id: number, successor: () => ReusableExecutor) {
    super(options);
    this.id = id;
    this.#successor = successor;
  }

  /** Also views of this executor and maps under way go on where its place was taken. */
  protected override get active(): Executor {
    return this.#rotated ? this.#successor() : this;
  }

  /**
   * Lets another take its place: it finishes its calls and ends.
   *
   * @internal
   */
  rotate(): void {
    this.#rotated = true;
    void this.shutdown({ wait: false });
  }
}

/** Holds the executor that is shared. */
class SharedExecutor {
  #current: ReusableExecutor | undefined;
  #options: ExecutorOptions = {};
  #count = 0;
  readonly #successor = (): ReusableExecutor =>
    this.#current?.closed === false ? this.#current : this.get({ ...this.#options, reuse: false });

  get(all: ReusableExecutorOptions): ReusableExecutor {
    checkIsOptions("get an executor", all);
    const { reuse = "auto", ...options } = all;
    if (reuse !== "auto" && typeof reuse !== "boolean") {
      throw new TypeError(
        `Cannot get an executor: \`reuse\` is "auto", true or false, not ${showOption(reuse)}`,
      );
    }
    const { maxWorkers } = toExecutorSettings(options);
    const current = this.#current;
    if (current !== undefined && !current.closed && reuse !== false) {
      if (reuse === true || isSame(this.#options, options, "maxWorkers")) {
        const wanted = reuse === true ? options.maxWorkers ?? current.maxWorkers : maxWorkers;
        if (wanted !== current.maxWorkers) current.resize(wanted);
        return current;
      }
    }
    const next = new ReusableExecutor(options, ++this.#count, this.#successor);
    this.#current = next;
    this.#options = options;
    current?.rotate();
    return next;
  }
}

// The one place beside the scope and the tasks that outlives calls: to be shared is what it is for.
const SHARED = new SharedExecutor();

/** Plain data by what is in it, all else by identity; what is `undefined` counts as left out. */
function isSame(left: unknown, right: unknown, ignored?: string): boolean {
  if (Object.is(left, right)) return true;
  if (!isPlain(left) || !isPlain(right)) return false;
  if (Array.isArray(left) !== Array.isArray(right)) return false;
  const names = new Set([...Object.keys(left), ...Object.keys(right)]);
  return [...names].every((name) =>
    name === ignored || isSame(Reflect.get(left, name), Reflect.get(right, name))
  );
}

function isPlain(value: unknown): value is object {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null;
}
