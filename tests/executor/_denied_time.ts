/** How long the system let no thread of this program run that wanted to, as others had the processors. */
export class DeniedTime implements Disposable {
  readonly #worker = new Worker(import.meta.resolve("./testdata/witness_worker.ts"), {
    type: "module",
  });

  /** How long that was since the beginning, in milliseconds. */
  async total(): Promise<number> {
    const { promise, resolve } = Promise.withResolvers<number>();
    this.#worker.onmessage = ({ data }: MessageEvent<number>) => resolve(data);
    this.#worker.postMessage(undefined);
    return await promise;
  }

  [Symbol.dispose](): void {
    this.#worker.terminate();
  }
}
