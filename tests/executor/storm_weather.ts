/** What happens to workers and to the main thread beside the calls of a storm. */
import type { WorkerType } from "@quiver/quiver";
import type { Random } from "../random.ts";
import type { Submitter } from "./storm_faults.ts";
import { blockLater, processId } from "./testdata/storm_tasks.ts";

/** Has the system refuse some starts of workers: no call may end otherwise because of that. */
export function refuseStarts(workerType: WorkerType, random: Random): Disposable {
  const { execPath } = Deno;
  const { Worker } = globalThis;
  if (workerType === "process") {
    Deno.execPath = () => random.below(80) === 0 ? "/nowhere/deno" : execPath();
  }
  if (workerType === "web") {
    globalThis.Worker = class extends Worker {
      constructor(...args: ConstructorParameters<typeof Worker>) {
        if (random.below(20) === 0) {
          throw Object.assign(new Deno.errors.WouldBlock("no more threads"), { code: "EAGAIN" });
        }
        super(...args);
      }
    };
  }
  return {
    [Symbol.dispose]: () => {
      Deno.execPath = execPath;
      globalThis.Worker = Worker;
    },
  };
}

/** Stops workers in such a way that nothing tells of it. */
export class WorkerStops implements Disposable {
  readonly #executor: Submitter;
  readonly #workerType: WorkerType;
  /** Lets threads go on that were stopped. */
  readonly #memory = new SharedArrayBuffer(4);
  /** How many workers were stopped. */
  count = 0;

  constructor(executor: Submitter, workerType: WorkerType) {
    this.#executor = executor;
    this.#workerType = workerType;
  }

  /** Stops one of the workers: a process wherever it is, a thread by what a call leaves behind. */
  async stopOne(delay: number): Promise<void> {
    if (this.#workerType === "inline") return;
    this.count++;
    if (this.#workerType === "web") {
      await this.#executor.submit(blockLater, delay, this.#memory);
      return;
    }
    const pid = await this.#executor.submit(processId);
    await new Promise((resolve) => setTimeout(resolve, delay));
    // What has ended meanwhile may have given its number to somebody else's process.
    if (isChild(pid)) Deno.kill(pid, "SIGSTOP");
  }

  /** Lets the threads go on. */
  [Symbol.dispose](): void {
    const words = new Int32Array(this.#memory);
    Atomics.store(words, 0, 1);
    Atomics.notify(words, 0);
  }
}

function isChild(pid: number): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return new RegExp(`^PPid:\\s*${Deno.pid}$`, "m").test(status);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
