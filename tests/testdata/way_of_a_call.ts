/**
 * Tells which modules of Quiver's a call passes: those of which a function runs between the moment
 * that the call is made and that its result is there, in this isolate and on the worker. Everything is
 * warm: what a first call loads is not counted.
 *
 * `deno run -A tests/testdata/way_of_a_call.ts` lists them.
 */
import { Session } from "node:inspector";
import { type Cache, cacheScope, createMemoryCache, Executor, openBag, task } from "@quiver/quiver";

/** How often each function of Quiver's has run, by its module, name and place. */
type Counts = ReadonlyMap<string, number>;

interface Coverage {
  readonly result: readonly {
    readonly url: string;
    readonly functions: readonly {
      readonly functionName: string;
      readonly ranges: readonly { readonly startOffset: number; readonly count: number }[];
    }[];
  }[];
}

/** Calls until nothing is loaded or remembered for the first time. */
const WARM = 20;
const ROOT = new URL("../../src/", import.meta.url).href;

/** Counts the calls of functions in this isolate. */
class Profiler {
  readonly #session = new Session();

  async start(): Promise<void> {
    this.#session.connect();
    await this.#post("Profiler.enable");
    await this.#post("Profiler.startPreciseCoverage", { callCount: true, detailed: false });
  }

  /** The counts since the last time. */
  async take(): Promise<Counts> {
    const { result } = await this.#post("Profiler.takePreciseCoverage") as Coverage;
    const counts = new Map<string, number>();
    for (const { url, functions } of result) {
      if (!url.startsWith(ROOT)) continue;
      for (const { functionName, ranges: [range] } of functions) {
        if (range === undefined || range.count === 0) continue;
        counts.set(`${url.slice(ROOT.length)} ${functionName} ${range.startOffset}`, range.count);
      }
    }
    return counts;
  }

  #post(method: string, parameters: object = {}): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#session.post(method, parameters, (error: Error | null, result?: object) => {
      if (error === null) resolve(result);
      else reject(error);
    });
    return promise;
  }
}

let profiler: Promise<Profiler> | undefined;

async function take(): Promise<Counts> {
  profiler ??= (async () => {
    const profiler = new Profiler();
    await profiler.start();
    return profiler;
  })();
  return await (await profiler).take();
}

export const takeThere = task(import.meta, () => take(), { name: "takeThere" });
export const half = task(import.meta, (n: number) => n / 2, { name: "half" });

function without(counts: Counts, others: Counts): Counts {
  return new Map([...counts].filter(([name, count]) => count > (others.get(name) ?? 0)));
}

function modulesOf(...all: readonly Counts[]): string[] {
  const modules = all.flatMap((counts) => Array.from(counts.keys(), (name) => name.split(" ")[0]));
  return [...new Set(modules)].filter((module) => module !== undefined).sort();
}

async function wayHere(call: () => PromiseLike<unknown>): Promise<string[]> {
  await take();
  await call();
  return modulesOf(await take());
}

/** The calls that count there are on the way, too: what they pass is known from none in between. */
async function wayThere(
  executor: Executor,
  call: () => PromiseLike<unknown>,
): Promise<string[]> {
  const takeAround = async (call: () => PromiseLike<unknown>): Promise<[Counts, Counts]> => {
    const there = () => cacheScope({ cache: undefined }, () => executor.submit(takeThere));
    await there();
    await take();
    await call();
    return [await take(), await there()];
  };
  await takeAround(() => Promise.resolve());
  const [idleHere, idleThere] = await takeAround(() => Promise.resolve());
  const [here, there] = await takeAround(call);
  return modulesOf(without(here, idleHere), without(there, idleThere));
}

/** The shortest of some: now and then a timer fires meanwhile, or a thread is asleep. */
async function shortest(way: () => Promise<string[]>): Promise<string[]> {
  const ways: string[][] = [];
  for (let time = 0; time < 5; time++) ways.push(await way());
  return ways.sort((one, other) => one.length - other.length)[0] ?? [];
}

/** The ways through one cache, by what happens to the call. */
async function listWays(cache: Cache, executor: Executor): Promise<Record<string, string[]>> {
  let next = 0;
  return await cacheScope({ cache }, async () => {
    for (let n = 0; n < WARM; n++) await half(next++);
    for (let n = 0; n < WARM; n++) await executor.submit(half, next++);
    return {
      "hit": await shortest(() => wayHere(() => half(1))),
      "hit of submit()": await shortest(() => wayHere(() => executor.submit(half, 1))),
      "miss here": await shortest(() => wayHere(() => half(next++))),
      "miss on a worker": await shortest(() =>
        wayThere(executor, () => executor.submit(half, next++))
      ),
    };
  });
}

if (import.meta.main) {
  const path = await Deno.makeTempDir();
  const ways: Record<string, Record<string, string[]>> = {};
  {
    await using bag = await openBag(path);
    await using executor = new Executor({ maxWorkers: 1, idleTimeout: 60_000 });
    ways.memory = await listWays(createMemoryCache(), executor);
    ways.bag = await listWays(bag, executor);
  }
  await Deno.remove(path, { recursive: true });
  console.log(JSON.stringify(ways, undefined, 2));
}
