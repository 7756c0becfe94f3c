/**
 * The pools that others have made, behind one interface.
 *
 * @module
 */
import { type Remote, wrap } from "comlink/dist/esm/comlink.mjs";
import { Piscina } from "piscina";
import { FixedThreadPool } from "poolifier";
import workerpool from "workerpool";
import type * as functions from "./_peer_functions.ts";

/** A pool of somebody else's. */
export interface Peer extends AsyncDisposable {
  /** Calls one of `_peer_functions.ts` on one of its workers. */
  call(name: keyof typeof functions, argument?: unknown): Promise<unknown>;
}

/** How a pool is called, and how it is opened with so many workers. */
export interface PeerKind {
  /** What it is called in tables. */
  readonly name: string;
  /** Opens it. */
  readonly open: (workers: number) => Peer;
}

const FUNCTIONS = new URL("./_peer_functions.ts", import.meta.url);
const COMLINK = new URL("./_comlink_worker.ts", import.meta.url);
const WORKERPOOL = new URL("./_workerpool_worker.ts", import.meta.url);
const POOLIFIER = new URL("./_poolifier_worker.ts", import.meta.url);

/** Those whose workers are threads. */
export const THREAD_PEERS: readonly PeerKind[] = [
  { name: "Comlink, round robin", open: openComlink },
  { name: "piscina", open: openPiscina },
  { name: "workerpool", open: (workers) => openWorkerpool(workers, "thread") },
  { name: "poolifier", open: openPoolifier },
];

/** Those whose workers are processes. */
export const PROCESS_PEERS: readonly PeerKind[] = [
  { name: "workerpool, processes", open: (workers) => openWorkerpool(workers, "process") },
];

/** Peers that are open together. */
export class OpenPeers implements AsyncDisposable {
  readonly #peers: readonly (readonly [name: string, peer: Peer])[];

  /** Opens each with so many workers. */
  constructor(kinds: readonly PeerKind[], workers: number) {
    this.#peers = kinds.map(({ name, open }) => [name, open(workers)]);
  }

  /** Makes a contender of each. */
  map<T>(contend: (name: string, peer: Peer) => T): T[] {
    return this.#peers.map(([name, peer]) => contend(name, peer));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [, peer] of this.#peers) await peer[Symbol.asyncDispose]();
  }
}

function openComlink(count: number): Peer {
  const workers = Array.from({ length: count }, () => new Worker(COMLINK, { type: "module" }));
  const remotes = workers.map((worker): Remote<typeof functions> => wrap(worker));
  let turn = 0;
  return {
    call: (name, argument) => {
      const remote = remotes[turn++ % count];
      return Promise.resolve(Reflect.get(remote ?? {}, name)(argument));
    },
    [Symbol.asyncDispose]: () => {
      for (const worker of workers) worker.terminate();
      return Promise.resolve();
    },
  };
}

function openPiscina(count: number): Peer {
  const pool = new Piscina({ filename: FUNCTIONS.href, minThreads: count, maxThreads: count });
  return {
    call: (name, argument) => pool.run(argument, { name }),
    [Symbol.asyncDispose]: () => pool.destroy(),
  };
}

function openWorkerpool(count: number, workerType: "thread" | "process"): Peer {
  const options = { minWorkers: count, maxWorkers: count, workerType } as const;
  const pool = workerpool.pool(WORKERPOOL.pathname, options);
  return {
    // Its promises are its own.
    call: async (name, argument) => await pool.exec(name, [argument]),
    [Symbol.asyncDispose]: async () => {
      await pool.terminate(true);
    },
  };
}

function openPoolifier(count: number): Peer {
  const pool = new FixedThreadPool<unknown, unknown>(count, POOLIFIER.pathname);
  return {
    call: (name, argument) => pool.execute(argument, name),
    [Symbol.asyncDispose]: () => {
      // In Deno 2.9.6 a quarter of the waits for the end of its threads never end.
      void pool.destroy();
      return Promise.resolve();
    },
  };
}
