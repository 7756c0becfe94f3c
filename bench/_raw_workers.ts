/**
 * The floor that everything is compared with: workers and processes with nothing around them.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";

const RAW_WORKER = new URL("./_raw_worker.ts", import.meta.url);
const RAW_PROCESS = new URL("./_raw_process.ts", import.meta.url);

/** Web Workers that answer each message. */
export class RawWorkers implements Disposable {
  readonly #workers: readonly Worker[];
  /** For each worker who waits for its answers, oldest first. */
  readonly #waiting: ((answer: unknown) => void)[][] = [];
  #turn = 0;

  /** Starts so many. */
  constructor(count: number) {
    this.#workers = Array.from({ length: count }, () => new Worker(RAW_WORKER, { type: "module" }));
  }

  /** Sends a message to the first and waits for the answer. */
  async ask(message: unknown, transfer: ArrayBuffer[] = []): Promise<unknown> {
    const [worker] = this.#workers;
    const answer = new Promise<MessageEvent>((resolve) =>
      worker?.addEventListener("message", resolve, { once: true })
    );
    worker?.postMessage(message, { transfer });
    return (await answer).data;
  }

  /** Sends a message to the next, and resolves with its answer: a worker answers in order. */
  askInTurn(message: unknown): Promise<unknown> {
    const turn = this.#turn++ % this.#workers.length;
    const waiting = this.#waiting[turn] ??= this.#listen(turn);
    const { promise, resolve } = Promise.withResolvers<unknown>();
    waiting.push(resolve);
    this.#workers[turn]?.postMessage(message);
    return promise;
  }

  /** Sends so many messages in turn, all at once, and waits for all the answers. */
  async flood(calls: number, message?: unknown): Promise<void> {
    let left = calls;
    const done = Promise.withResolvers<void>();
    const count = () => {
      if (--left === 0) done.resolve();
    };
    for (const worker of this.#workers) worker.addEventListener("message", count);
    for (let n = 0; n < calls; n++) {
      this.#workers[n % this.#workers.length]?.postMessage(message);
    }
    await done.promise;
    for (const worker of this.#workers) worker.removeEventListener("message", count);
  }

  #listen(turn: number): ((answer: unknown) => void)[] {
    const waiting: ((answer: unknown) => void)[] = [];
    let next = 0;
    this.#workers[turn]?.addEventListener("message", ({ data }) => {
      waiting[next++]?.(data);
      // Let go of now and then: to shift a long list takes as long as it is.
      if (next === waiting.length) next = waiting.length = 0;
    });
    return waiting;
  }

  [Symbol.dispose](): void {
    for (const worker of this.#workers) worker.terminate();
  }
}

/** Processes that send each message back. */
export class RawProcesses implements AsyncDisposable {
  readonly #children: readonly ChildProcess[];

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children;
  }

  /** Starts so many, and waits until they listen. */
  static async open(count: number): Promise<RawProcesses> {
    const children = Array.from({ length: count }, spawnRaw);
    await Promise.all(children.map((child) => once(child, "message")));
    return new RawProcesses(children);
  }

  /** Sends a message to the first and waits for the answer. */
  async ask(message: unknown): Promise<unknown> {
    const [child] = this.#children;
    if (child === undefined) return undefined;
    const answer = once(child, "message");
    child.send(toMessage(message));
    const [data] = await answer;
    return data;
  }

  /** Sends so many messages in turn, all at once, and waits for all the answers. */
  async flood(calls: number): Promise<void> {
    let left = calls;
    const done = Promise.withResolvers<void>();
    const count = () => {
      if (--left === 0) done.resolve();
    };
    for (const child of this.#children) child.on("message", count);
    for (let n = 0; n < calls; n++) this.#children[n % this.#children.length]?.send("");
    await done.promise;
    for (const child of this.#children) child.off("message", count);
  }

  /** Kills them and waits for their ends. */
  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#children.map((child) => once(child, "exit"));
    for (const child of this.#children) child.kill("SIGKILL");
    await Promise.all(ended);
  }
}

function spawnRaw(): ChildProcess {
  const args = ["run", "--quiet", "--allow-all", RAW_PROCESS.href];
  return spawn(Deno.execPath(), args, {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    serialization: "advanced",
  });
}

/** What a channel between processes can send. */
function toMessage(message: unknown): string | object {
  return typeof message === "object" && message !== null ? message : "";
}
