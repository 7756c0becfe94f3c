// end-to-end: for how long results of a task count, in every kind of cache and on every kind of worker
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  type Cache,
  CacheMissError,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  type QuiverWarning,
  task,
  type TaskOptions,
} from "@quiver/quiver";
import { limited, openFileCache, openSqliteCache, stack } from "@quiver/quiver/caches";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { expiring, judged, outer } from "./testdata/refreshed_tasks.ts";

leaveNothing();

const MINUTE = 60_000;

/** What this isolate takes for the time, from what it was when the test began. */
class Clock implements Disposable {
  readonly #now = Date.now;
  ahead = 0;

  constructor() {
    Date.now = () => this.#now() + this.ahead;
  }

  [Symbol.dispose](): void {
    Date.now = this.#now;
  }
}

/** Caches of every kind. */
async function withCaches(run: (cache: Cache, kind: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
    await using files = await openFileCache(`${folder}/files`);
    await using database = await openSqliteCache(`${folder}/database`);
    await using signed = await openBag(`${folder}/signed`, {
      fold: "manual",
      signingKey: "0123456789abcdef0123456789abcdef",
    });
    const caches = {
      memory: createMemoryCache(),
      ...{ bag, files, database, signed },
      limited: limited(createMemoryCache(), { maxItems: 100 }),
      stack: stack(createMemoryCache(), createMemoryCache()),
    };
    for (const [kind, cache] of Object.entries(caches)) {
      await cacheScope({ cache }, () => run(cache, kind));
    }
  }
  await Deno.remove(folder, { recursive: true });
}

let names = 0;

/** A task that gives the number of its run. */
function counting(options: TaskOptions, fails: (run: number) => boolean = () => false) {
  let runs = 0;
  return task(import.meta, async () => {
    await Promise.resolve();
    if (fails(++runs)) throw new RangeError(`run ${runs}`);
    return runs;
  }, { name: `counting ${names++}`, code: "none", ...options });
}

// executors 87
Deno.test("a result expires, is computed once by all who ask, and tells its age", () =>
  withCaches(async (_, kind) => {
    using clock = new Clock();
    const run = counting({ expiresAfter: MINUTE });
    const first = run();
    assertEquals([await first, first.age], [1, undefined]);
    const hit = run();
    assertEquals([await hit, hit.hit], [1, true], kind);
    assert((hit.age ?? -1) >= 0 && (hit.age ?? MINUTE) < 50_000, `${kind}: ${hit.age}`);
    clock.ahead += MINUTE - 20_000;
    const older = run();
    await older;
    assert((older.age ?? 0) >= 30_000 && older.hit, `${kind}: ${older.age}`);
    assertEquals([await run.contains(), await run.load()], [true, 1]);
    clock.ahead += MINUTE;
    assertEquals(await run.contains(), false, kind);
    const { hit: known, reasons } = await run.explain();
    assertEquals([known, reasons.map((reason) => reason.kind)], [false, ["expired"]], kind);
    await assertRejects(() => run.load(), CacheMissError, "does not count any more");
    assertEquals(await Promise.all(Array.from({ length: 20 }, () => run())), Array(20).fill(2));
    const again = run();
    assertEquals([await again, again.hit, await run.contains()], [2, true, true], kind);
  }));

Deno.test("a clock that is ahead makes no result last for ever", () =>
  withCaches(async (_, kind) => {
    using clock = new Clock();
    const run = counting({ expiresAfter: MINUTE });
    // By less than results last, it is one of now.
    clock.ahead = 30_000;
    assertEquals(await run(), 1, kind);
    clock.ahead = 0;
    const young = run();
    assertEquals([await young, young.hit, young.age], [1, true, 0], kind);
    clock.ahead = 30_000 + MINUTE + 5000;
    assertEquals(await run(), 2, kind);
    // By more, nobody knows when it ended; and what is computed then counts.
    clock.ahead = 100 * MINUTE;
    assertEquals(await run(), 3, kind);
    clock.ahead = 0;
    assertEquals([await run(), await run()], [4, 4], kind);
    clock.ahead = MINUTE + 5000;
    assertEquals(await run(), 5, kind);
    // Refreshed, whatever the clock says.
    clock.ahead = 200 * MINUTE;
    assertEquals(await run.call(), 6, kind);
    clock.ahead = 0;
    assertEquals([await run.call(), await run()], [7, 7], kind);
    clock.ahead = -100 * MINUTE;
    assertEquals([await run.call(), await run.rerun(), await run()], [8, 9, 9], kind);
  }));

Deno.test("validate() says whether a result counts, at once or later", () =>
  withCaches(async (cache, kind) => {
    for (const later of [false, true]) {
      let valid: unknown = true;
      const asked: string[] = [];
      const run = counting({
        validate: ({ key }) => {
          asked.push(key);
          return (later ? Promise.resolve(valid) : valid) as boolean;
        },
      });
      assertEquals([await run(), await run(), await run()], [1, 1, 1], kind);
      assertEquals(asked, Array(2).fill(await run.digest()), kind);
      const hit = run();
      await hit;
      assert(hit.hit && hit.age !== undefined);
      for (const no of [false, undefined]) {
        valid = no;
        assertEquals(await run.contains(), false, kind);
        await assertRejects(() => run.load(), CacheMissError);
      }
      const [one, other] = [run(), run()];
      assertEquals([await one, await other], [2, 2], kind);
      valid = true;
      assertEquals([await run(), await run.load()], [2, 2], kind);
      assertEquals((await cache.lookup(await run.digest())).hit, true);
    }
  }));

Deno.test("validate() that throws or rejects is a warning, and the call runs", async () => {
  for (const strict of [false, true]) {
    for (const later of [false, true]) {
      const warnings: QuiverWarning[] = [];
      const cache = createMemoryCache();
      const onWarning = (warning: QuiverWarning) => void warnings.push(warning);
      await cacheScope({ cache, strict, onWarning }, async () => {
        const thrown = new EvalError("cannot tell");
        const run = counting({
          validate: () => {
            if (later) return Promise.reject(thrown);
            throw thrown;
          },
        });
        assertEquals([await run(), await run(), await run()], [1, 2, 3]);
        assertEquals(warnings.map(({ cause }) => cause), [thrown]);
      });
    }
  }
});

Deno.test("a hit of a task whose results expire is there without a tick of a promise", async () => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const run = counting({ expiresAfter: MINUTE, validate: () => true });
    await run();
    assertEquals(run().hit, true);
  });
});

Deno.test("a task with refresh runs each time, and calls made meanwhile share a run", () =>
  withCaches(async (cache, kind) => {
    const run = counting({ refresh: true });
    assertEquals([await run(), await run(), await run.contains()], [1, 2, false], kind);
    assertEquals(await Promise.all([run(), run()]), [3, 3], kind);
    const found = await cache.lookup(await run.digest());
    assertEquals(found, { hit: true, value: 3 }, kind);
  }));

Deno.test("a result that has expired is given at once, and computed anew by one", () =>
  withCaches(async (cache, kind) => {
    using clock = new Clock();
    const run = counting({ expiresAfter: MINUTE, staleWhileRevalidate: 10 * MINUTE });
    assertEquals(await run(), 1);
    clock.ahead = 2 * MINUTE;
    assertEquals(await run.contains(), true);
    const stale = Array.from({ length: 10 }, () => run());
    assertEquals(await Promise.all(stale), Array(10).fill(1), kind);
    assert(stale.every(({ hit, age = 0 }) => hit === true && age > MINUTE), kind);
    await untilRevalidated(cache);
    const fresh = run();
    assertEquals([await fresh, fresh.hit], [2, true], kind);
    // Past that time nothing is given that has expired.
    clock.ahead += 12 * MINUTE;
    assertEquals([await run.contains(), await run()], [false, 3], kind);
  }));

/** Nobody is told: what is known of it is what is under way. */
async function untilRevalidated(cache: Cache): Promise<void> {
  const { revalidating } = cache.sharing(() => {
    throw new Error("it has not shared anything");
  }).flights;
  while (revalidating.size > 0) await new Promise((resolve) => setTimeout(resolve));
}

Deno.test("a stale result outlives a run that fails, which is a warning", async () => {
  using clock = new Clock();
  const warnings: string[] = [];
  const cache = createMemoryCache();
  const onWarning = ({ message }: QuiverWarning) => void warnings.push(message);
  await cacheScope({ cache, onWarning, strict: true }, async () => {
    const options = { expiresAfter: MINUTE, staleWhileRevalidate: 10 * MINUTE };
    const run = counting(options, (run) => run === 2);
    assertEquals(await run(), 1);
    clock.ahead = 2 * MINUTE;
    assertEquals(await run(), 1);
    await untilRevalidated(cache);
    assertEquals(warnings.length, 1);
    assert(warnings[0]?.includes("Cannot compute a stale result"), warnings[0]);
    assertEquals(await run(), 1);
    await untilRevalidated(cache);
    assertEquals(await run(), 3);
  });
});

Deno.test("a stale result is computed anew with the arguments as they were", async () => {
  using clock = new Clock();
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    const seen: number[][] = [];
    const copy = task(import.meta, (list: number[]) => void seen.push([...list]), {
      ...{ name: "copies its list", code: "none" },
      ...{ expiresAfter: MINUTE, staleWhileRevalidate: 10 * MINUTE },
    });
    const list = [1, 2];
    await copy(list);
    clock.ahead = 2 * MINUTE;
    const stale = copy(list);
    list.push(3);
    await stale;
    await untilRevalidated(cache);
    assertEquals(seen, [[1, 2], [1, 2]]);
  });
});

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: results expire on workers, nested ones too`, async () => {
    const folder = await Deno.makeTempDir();
    {
      const runs = `${folder}/runs`;
      await Deno.mkdir(runs);
      await using bag = await openBag(`${folder}/bag`, { fold: "manual" });
      await using executor = new Executor({ workerType, maxWorkers: 2 });
      await cacheScope({ cache: bag }, async () => {
        assertEquals(await executor.submit(outer, runs, 1), 1);
        const found = await bag.record(await expiring.digest(runs));
        assert(found !== undefined);
        // Other tests may have set the clock of this isolate back.
        const { wall: _, ...record } = found;
        const submitted = executor.submit(expiring, runs);
        assertEquals([await submitted, submitted.hit], [1, true]);
        // As if it had been computed an hour ago, or by a clock that was a day ahead.
        for (const [n, by] of [[2, -3_600_000], [3, 86_400_000]] as const) {
          const started = Date.now() + by;
          await bag.stores.calls.put({ ...record, started });
          assertEquals(await executor.submit(outer, runs, n), n);
          await bag.stores.calls.put({ ...record, started });
          const all = Array.from({ length: 5 }, () => executor.submit(expiring, runs));
          assertEquals(new Set(await Promise.all(all)).size, 1);
          await Deno.remove(`${runs}/expiring`);
          await Deno.writeTextFile(`${runs}/expiring`, ".".repeat(n));
        }
        // Workers that ask at once have one of them compute it.
        await bag.stores.calls.put({ ...record, started: Date.now() - 3_600_000 });
        const again = [4, 5, 6, 7].map((n) => executor.submit(outer, runs, n));
        assertEquals(await Promise.all(again), [4, 4, 4, 4]);
        assertEquals(await executor.submit(judged, runs), 1);
        assertEquals(await executor.submit(judged, runs), 1);
        Deno.env.set("QUIVER_TEST_VALID", "no");
        assertEquals(await Array.fromAsync(executor.map(judged, [runs])), [2]);
        Deno.env.delete("QUIVER_TEST_VALID");
      });
    }
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("a task refuses a wrong validity by name", () => {
  const define = (options: object) => () =>
    task(import.meta, () => {}, { name: "bad", ...options });
  for (const name of ["expiresAfter", "staleWhileRevalidate"]) {
    assertThrows(define({ [name]: -1 }), RangeError, `\`${name}\``);
    assertThrows(define({ [name]: NaN }), RangeError, `\`${name}\``);
    assertThrows(define({ [name]: "1 day" }), TypeError, `\`${name}\``);
  }
  assertThrows(define({ validate: true }), TypeError, "`validate`");
  assertThrows(define({ refresh: 1 }), TypeError, "`refresh`");
  assertThrows(define({ staleWhileRevalidate: 1 }), TypeError, "set `expiresAfter`, too");
});
