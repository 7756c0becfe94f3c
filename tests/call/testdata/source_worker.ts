/// <reference lib="deno.worker" />
import {
  findChangedFile,
  findChangedSource,
  type SourceWitness,
} from "../../../src/call/module_sources.ts";

/** What a worker is to look at. */
export interface Question {
  /** What was witnessed elsewhere. */
  readonly witness: SourceWitness;
  /** What it loads before. */
  readonly load?: string;
  /** A file, and what it is to say once that was loaded. */
  readonly put?: readonly [path: string, text: string];
}

/** The URLs of what it has found. */
export type Looked = readonly string[];

// Tests import the type.
if (typeof DedicatedWorkerGlobalScope !== "undefined") {
  onmessage = async ({ data }: MessageEvent<readonly Question[]>) => {
    const looked: Looked[] = [];
    for (const { witness, load, put } of data) {
      if (load !== undefined) await import(load);
      if (put !== undefined) Deno.writeTextFileSync(...put);
      const found = [
        await findChangedSource(witness),
        findChangedFile(witness.late, performance.timeOrigin),
      ];
      looked.push(found.filter((url) => url !== undefined));
    }
    postMessage(looked);
  };
}
