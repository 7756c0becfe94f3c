// Run with --expose-gc: what do helpers keep, and how does what they take grow? Prints JSON by helper.
import { asCompleted, Executor, task, wait } from "@quiver/quiver";
import process from "node:process";
import { Future } from "../../../src/task/future.ts";

const same = task(import.meta, function same(value: unknown): unknown {
  return value;
});

const hang = task(import.meta, function hang(): Promise<number[]> {
  return new Promise(() => {});
});

/** How often each helper waits for what never settles. */
const ROUNDS = 8000;
/** What each result takes, in bytes, and how many there are. */
const RESULT_BYTES = 100_000;
const RESULTS = 500;

const executor = new Executor({ workerType: "inline", maxWorkers: 2 });

function collect(): void {
  Reflect.apply(Reflect.get(globalThis, "gc"), globalThis, []);
}

async function settledMemory(): Promise<{ heapUsed: number; external: number }> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve));
    collect();
  }
  return Deno.memoryUsage();
}

type Round = (pending: PromiseLike<number[]>) => unknown;

const signal = new AbortController().signal;

/** One round of each helper against something that never settles. */
const ROUNDS_OF: { readonly [helper: string]: Round } = {
  "wait, first": (pending) => wait([pending, Promise.resolve()], { until: "first" }),
  "wait, signal": (pending) => wait([pending, Promise.resolve()], { until: "first", signal }),
  "wait, aborted": (pending) => wait([pending], { signal: AbortSignal.abort() }).catch(() => {}),
  "asCompleted, left": async (pending) => {
    for await (const _ of asCompleted([pending, Promise.resolve()])) break;
  },
  "asCompleted, signal": async (pending) => {
    const completed = asCompleted([pending], { signal: AbortSignal.abort() });
    await completed.next().catch(() => {});
  },
  "batched, cancelled": (pending) => {
    for (const group of executor.batched([pending, pending], 1)) group.cancel();
  },
  "an argument, cancelled": (pending) => executor.submit(same, [pending]).cancel(),
  "an argument, beside one that fails": (pending) =>
    executor.submit(same, [pending, Promise.reject(new Error())]).catch(() => {}),
  "a signal": (pending) => {
    const controller = new AbortController();
    executor.with({ signal: controller.signal }).submit(same, [pending]);
    controller.abort();
  },
};

/** Those that only futures have. */
const ROUNDS_OF_FUTURES: { readonly [helper: string]: (pending: Future<number[]>) => unknown } = {
  "at, cancelled": (pending) => pending.at(0).cancel(),
  "get, cancelled": (pending) => pending.get("length").cancel(),
  "progress, left": async (pending) => {
    const reports = pending.progress[Symbol.asyncIterator]();
    const next = reports.next();
    await reports.return();
    await next;
  },
};

async function growth(round: () => unknown): Promise<number> {
  for (let n = 0; n < 500; n++) await round();
  const before = await settledMemory();
  for (let n = 0; n < ROUNDS; n++) await round();
  const after = await settledMemory();
  return after.heapUsed - before.heapUsed;
}

/** Futures of results that settle one by one, each when the one before was taken. */
class Results {
  readonly futures: Set<Future<Uint8Array>>;
  readonly #settle: (() => void)[] = [];

  constructor(count: number) {
    this.futures = new Set(Array.from({ length: count }, (_, n) => {
      const { promise, resolve } = Promise.withResolvers<Uint8Array>();
      this.#settle.push(() => resolve(new Uint8Array(RESULT_BYTES)));
      return new Future(`result ${n}`, () => promise);
    }));
  }

  next(): void {
    this.#settle.pop()?.();
  }
}

/** Takes all results but the last ten by a helper, drops them, and gives the external memory then. */
const TAKE_ALL: { readonly [helper: string]: () => Promise<number> } = {
  async asCompleted() {
    const results = new Results(RESULTS);
    const completed = asCompleted(results.futures);
    results.futures.clear();
    for (let n = 0; n < RESULTS - 10; n++) {
      results.next();
      await completed.next();
    }
    const { external } = await settledMemory();
    await completed.return?.();
    return external;
  },
  async wait() {
    const results = new Results(RESULTS);
    let pending = new Set(results.futures);
    results.futures.clear();
    for (let n = 0; n < RESULTS - 10; n++) {
      results.next();
      ({ pending } = await wait(pending, { until: "first" }));
    }
    const { external } = await settledMemory();
    return pending.size === 10 ? external : NaN;
  },
  async batched() {
    const results = new Results(RESULTS);
    const groups = executor.batched(results.futures, 10);
    results.futures.clear();
    for (let n = 0; n < RESULTS - 10; n++) {
      results.next();
      if (n % 10 === 9) await groups.shift();
    }
    const { external } = await settledMemory();
    return groups.length === 1 ? external : NaN;
  },
  async map() {
    let external = NaN;
    // The other one has a worker that hangs, and what was sent ahead to that.
    await using executor = new Executor({ workerType: "inline", maxWorkers: 2 });
    const items = function* () {
      for (let n = 0; n < RESULTS; n++) yield new Uint8Array(RESULT_BYTES);
    };
    let taken = 0;
    for await (const _ of executor.map(same, items(), { bufferSize: 10 })) {
      if (++taken === RESULTS - 10) ({ external } = await settledMemory());
    }
    return external;
  },
};

function settling(count: number): { futures: Future<number>[]; settle: () => void } {
  const settles: (() => void)[] = [];
  const futures = Array.from({ length: count }, (_, n) => {
    const { promise, resolve } = Promise.withResolvers<number>();
    settles.push(() => resolve(n));
    return new Future(`future ${n}`, () => promise);
  });
  const settle = () => {
    for (const each of settles) each();
  };
  return { futures, settle };
}

/** Does something with so many. */
const DO: { readonly [helper: string]: (count: number) => Promise<void> } = {
  async asCompleted(count) {
    const { futures, settle } = settling(count);
    const completed = asCompleted(futures);
    settle();
    for await (const _ of completed);
  },
  async "asCompleted of what has settled"(count) {
    const { futures, settle } = settling(count);
    settle();
    await Promise.all(futures);
    for await (const _ of asCompleted(futures));
  },
  async wait(count) {
    const { futures, settle } = settling(count);
    const waiting = wait(futures);
    settle();
    await waiting;
  },
  async batched(count) {
    const { futures, settle } = settling(count);
    const groups = executor.batched(futures, 10);
    settle();
    await Promise.all(groups);
  },
  async "calls with one signal"(count) {
    const { promise, resolve } = Promise.withResolvers<number>();
    const controller = new AbortController();
    const view = executor.with({ signal: controller.signal });
    // Each takes ten times as long as what the others do.
    const futures = Array.from({ length: count / 5 }, () => view.submit(same, promise));
    resolve(1);
    controller.abort();
    await Promise.allSettled(futures);
  },
};

/** Takes so many futures one after another, each as soon as it has settled. */
async function takeOneByOne(count: number): Promise<void> {
  const all = Array.from({ length: count }, () => Promise.withResolvers<number>());
  let pending = new Set(all.map(({ promise }, n) => new Future(`future ${n}`, () => promise)));
  for (const { resolve } of all) {
    resolve(1);
    ({ pending } = await wait(pending, { until: "first" }));
  }
}

/** How many times as long a wait for one of a thousand takes as one for one of two, in a loop. */
async function waitRatio(): Promise<number> {
  const ofThousand = await time(() => takeOneByOne(1000));
  const ofTwo = await time(async () => {
    for (let n = 0; n < 500; n++) await takeOneByOne(2);
  });
  return ofThousand / ofTwo;
}

/** What the shorter of two runs takes of processors, in milliseconds: others only make it longer. */
async function time(run: () => Promise<void>): Promise<number> {
  let shortest = Infinity;
  for (let n = 0; n < 2; n++) {
    await settledMemory();
    const before = process.cpuUsage();
    await run();
    const { user, system } = process.cpuUsage(before);
    shortest = Math.min(shortest, (user + system) / 1000);
  }
  return shortest;
}

/** The least of a few measurements, as soon as one is small: what else goes on makes them larger only. */
async function least(small: number, measure: () => Promise<number>): Promise<number> {
  let least = Infinity;
  for (let attempt = 0; attempt < 6 && least >= small; attempt++) {
    least = Math.min(least, await measure());
  }
  return least;
}

if (import.meta.main) {
  const growths: { [helper: string]: number } = {};
  const future = executor.submit(hang);
  const promise = new Promise<number[]>(() => {});
  for (const [helper, round] of Object.entries(ROUNDS_OF)) {
    growths[`${helper}, a future`] = await growth(() => round(future));
    growths[`${helper}, a promise`] = await growth(() => round(promise));
  }
  for (const [helper, round] of Object.entries(ROUNDS_OF_FUTURES)) {
    growths[helper] = await growth(() => round(future));
  }
  const kept: { [helper: string]: number } = {};
  for (const [helper, take] of Object.entries(TAKE_ALL)) {
    const before = await settledMemory();
    kept[helper] = await take() - before.external;
  }
  const ratios: { [helper: string]: number } = {};
  for (const [helper, run] of Object.entries(DO)) {
    const count = 20_000;
    await run(count);
    // What searches all the others takes four times as long.
    ratios[helper] = await least(2.5, async () => {
      const once = await time(() => run(count));
      return await time(() => run(2 * count)) / once;
    });
  }
  const waits = await least(4, waitRatio);
  console.log(JSON.stringify({ growths, kept, ratios, waits }));
  executor.terminate();
}
