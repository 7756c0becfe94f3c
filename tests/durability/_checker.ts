import type { CheckAnswer, CheckCounts, CheckRequest } from "./_check_worker.ts";

/** Checks bags in a worker, one after another. */
export class Checker implements AsyncDisposable {
  readonly #worker = new Worker(new URL("./_check_worker.ts", import.meta.url), {
    type: "module",
    name: "check",
  });

  /** Checks a bag after a kill, and fails when something is not as it should be. */
  async check(team: number, path: string, told: Record<string, string[]>): Promise<CheckCounts> {
    const answer = await this.#ask({ type: "check", team, path, told });
    if (answer.type === "counts") return answer.counts;
    throw new Error(answer.type === "wrong" ? answer.problem : "Cannot check: it has ended");
  }

  #ask(request: CheckRequest): Promise<CheckAnswer> {
    const { promise, resolve, reject } = Promise.withResolvers<CheckAnswer>();
    this.#worker.onmessage = ({ data }: MessageEvent<CheckAnswer>) => resolve(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      reject(new Error(`Cannot check: ${event.message}`));
    };
    this.#worker.postMessage(request);
    return promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#ask({ type: "end" });
    this.#worker.terminate();
  }
}
