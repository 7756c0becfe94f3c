// End-to-end: a call that was told to stop, or to be forgotten, leaves nothing behind.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  type Bag,
  type Cache,
  cacheScope,
  createMemoryCache,
  DeadlineError,
  Executor,
  type Future,
  openBag,
  type WorkerType,
} from "@quiver/quiver";
import { limited, openFileCache, query, stack } from "@quiver/quiver/caches";
import { isLeaseFree } from "../../src/disk/leases.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { together } from "../together.ts";
import { appears, CACHES, openFolder, openWay, type WayName, WAYS } from "./_ways.ts";
import * as tasks from "./testdata/frozen_tasks.ts";

leaveNothing();

/** Deaf and polite tasks run with these; on processes a call that is given up is killed. */
const WORKERS: readonly WayName[] = ["web", "process", "inline"];

/** Waits until nobody holds a lease of a bag; who was killed leaves its name behind. */
async function untilComputed({ path }: { readonly path: string }): Promise<void> {
  const layout = { leases: `${path}/leases` };
  const isHeld = ({ name }: Deno.DirEntry) => !isLeaseFree(layout, name);
  while ([...Deno.readDirSync(layout.leases)].some(isHeld)) {
    await new Promise((resolve) => setTimeout(resolve));
  }
}

for (const wayName of WAYS) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${wayName}: ${name}`, fn);
  const kinds = Object.keys(CACHES);

  test("what a body gives that was told to stop is not remembered", async () => {
    for (const kind of kinds) {
      await using folder = await openFolder();
      await using opened = await CACHES[kind]?.(folder.path);
      assert(opened !== undefined);
      const { cache } = opened;
      await using way = openWay(wayName);
      await cacheScope({ cache }, async () => {
        const call = way.call(tasks.counting, 100_000, folder.path) as Future<number>;
        await appears(folder.path, "started");
        call.abort("enough");
        assertEquals(await call.catch((reason) => reason), "enough");
        // Its worker goes on with it, or is killed; either way it is over when the next call is.
        if (wayName !== "process") await appears(folder.path, "ended");
        assertEquals(await way.call(tasks.read, { n: 1 }), 1);
        assertEquals(await tasks.counting.contains(100_000, folder.path), false, kind);
        assertEquals(await way.call(tasks.counting, 20, folder.path), 20);
        assertEquals(await tasks.counting.load(20, folder.path), 20, kind);
      });
    }
  });

  test("nor is what the calls give that such a body has made", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const call = way.call(tasks.countingTwice, 100_000, folder.path) as Future<number>;
      await appears(folder.path, "started");
      call.abort("enough");
      await call.catch(() => {});
      await untilComputed(bag);
      assertEquals(await query(bag, { task: tasks.counting }).count(), 0);
      assertEquals(await query(bag, { task: tasks.countingTwice }).count(), 0);
    });
  });

  test("who shares the flight of a call that is stopped computes it anew", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const leader = way.call(tasks.counting, 300, folder.path) as Future<number>;
      const follower = way.call(tasks.counting, 300, folder.path);
      await appears(folder.path, "started");
      leader.abort("enough");
      await leader.catch(() => {});
      assertEquals(await follower, 300);
      assertEquals(await tasks.counting.load(300, folder.path), 300);
    });
  });

  test("who shares a call that is made by one that is stopped computes it anew", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const leader = way.call(tasks.countingPlus, 300, 1, folder.path) as Future<number>;
      const follower = way.call(tasks.countingPlus, 300, 2, folder.path);
      await appears(folder.path, "started");
      leader.abort("enough");
      assertEquals(await leader.catch((reason) => reason), "enough");
      assertEquals(await follower, 302);
      assertEquals(await tasks.countingStrictly.load(300, folder.path), 300);
    });
  });

  test("who asks after an eviction gets a new run, and the running one is not recorded", async () => {
    for (const kind of kinds) {
      for (const how of ["key", "task"] as const) {
        await using folder = await openFolder();
        await using opened = await CACHES[kind]?.(folder.path);
        assert(opened !== undefined);
        const { cache } = opened;
        await using way = openWay(wayName);
        await cacheScope({ cache }, async () => {
          const call = way.call(tasks.deaf, 1, folder.path);
          await appears(folder.path, "started");
          if (how === "key") await tasks.deaf.evict(1, folder.path);
          else await cache.evict(tasks.deaf);
          await Deno.writeTextFile(`${folder.path}/go`, "");
          assertEquals(await call, 1);
          assertEquals(await tasks.deaf.contains(1, folder.path), false, `${kind}, ${how}`);
          const again = way.call(tasks.deaf, 1, folder.path) as Future<number>;
          assertEquals([await again, again.hit], [1, false]);
          assertEquals(await tasks.deaf.contains(1, folder.path), true, `${kind}, ${how}`);
        });
      }
    }
  });

  test("an eviction while a call runs parts those who asked before from those who ask later", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const before = [1, 1].map((n) => way.call(tasks.deaf, n, folder.path));
      await appears(folder.path, "started");
      await tasks.deaf.evict(1, folder.path);
      const after = [1, 1].map((n) => way.call(tasks.deaf, n, folder.path));
      await Deno.writeTextFile(`${folder.path}/go`, "");
      assertEquals(await Promise.all([...before, ...after]), [1, 1, 1, 1]);
      const runs = [...Deno.readDirSync(folder.path)].filter(({ name }) =>
        name.startsWith("ended")
      );
      assertEquals(runs.length, 2);
      assertEquals(await tasks.deaf.contains(1, folder.path), true);
    });
  });
}

for (const wayName of WORKERS) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${wayName}: ${name}`, fn);

  test("what a body gives after its deadline is not remembered", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const bounded = way.executor?.with({ deadline: 30 });
      const call = bounded?.submit(tasks.counting, 100_000, folder.path);
      await assertRejects(async () => await call, DeadlineError);
      await untilComputed(bag);
      assertEquals(await tasks.counting.contains(100_000, folder.path), false);
    });
  });
}

/** Two caches of which one forgets what the other computes. */
const PAIRS: {
  readonly [name: string]: (folder: string) => Promise<{ used: Cache; other: Cache }>;
} = {
  "the same handle": async (folder) => {
    const bag = await openBag(`${folder}/results.bag`, { fold: "manual" });
    return { used: bag, other: bag };
  },
  "another handle of a bag": async (folder) => ({
    used: await openBag(`${folder}/results.bag`, { fold: "manual" }),
    other: await openBag(`${folder}/results.bag`, { fold: "manual" }),
  }),
  "another handle of files": async (folder) => ({
    used: await openFileCache(`${folder}/results`),
    other: await openFileCache(`${folder}/results`),
  }),
  "what a stack stands on": async (folder) => {
    const bag = await openBag(`${folder}/results.bag`, { fold: "manual" });
    return { used: stack(bag, createMemoryCache()), other: bag };
  },
  "a stack on it": async (folder) => {
    const bag = await openBag(`${folder}/results.bag`, { fold: "manual" });
    return { used: bag, other: stack(createMemoryCache(), bag) };
  },
  "a limited view": async (folder) => {
    const bag = await openBag(`${folder}/results.bag`, { fold: "manual" });
    return { used: bag, other: limited(bag, { maxItems: 9 }) };
  },
};

const EVICTIONS: { readonly [name: string]: (cache: Cache, folder: string) => Promise<unknown> } = {
  key: async (cache, folder) => await cache.evict(await tasks.deaf.digest(1, folder)),
  task: (cache) => cache.evict(tasks.deaf),
  query: (cache) => query(cache, tasks.deaf).evict(),
};

for (const wayName of ["here", "web"] as const) {
  for (const [pair, open] of Object.entries(PAIRS)) {
    for (const [how, evict] of Object.entries(EVICTIONS)) {
      Deno.test(`${wayName}: ${pair} forgets a call that runs by its ${how}`, async () => {
        for (const singleFlight of [true, false]) {
          await using folder = await openFolder();
          const { used, other } = await open(folder.path);
          await using way = openWay(wayName);
          await cacheScope({ cache: used, singleFlight }, async () => {
            const call = way.call(tasks.deaf, 1, folder.path);
            await appears(folder.path, "started");
            await evict(other, folder.path);
            const after = tasks.deaf(1, folder.path);
            await Deno.writeTextFile(`${folder.path}/go`, "");
            assertEquals([await call, await after, after.hit], [1, 1, false]);
          });
          for (const cache of new Set([used, other])) await (cache as Partial<Bag>).close?.();
        }
      });
    }
  }
}

/** How calls end with their executor, or by its options. */
const ENDS: { readonly [name: string]: (executor: Executor, folder: string) => Future<number> } = {
  "terminate()": (executor, folder) => {
    const call = executor.submit(tasks.counting, 300, folder);
    appears(folder, "started").then(() => executor.terminate());
    return call;
  },
  "shutdown({ cancelPending })": (executor, folder) => {
    executor.submit(tasks.counting, 100, folder);
    const call = executor.submit(tasks.counting, 300, folder);
    appears(folder, "started").then(() => executor.shutdown({ cancelPending: true }))
      .catch(() => {});
    return call;
  },
  "a deadline": (executor, folder) =>
    executor.with({ deadline: 30 }).submit(tasks.counting, 300, folder),
};

for (const wayName of WORKERS) {
  const share =
    (kind: string, call: (executor: Executor, folder: string) => Future<number>) => async () => {
      await using folder = await openFolder();
      await using opened = await CACHES[kind]?.(folder.path);
      assert(opened !== undefined);
      const executor = new Executor({ maxWorkers: 1, workerType: wayName as WorkerType });
      await using way = openWay(wayName);
      await cacheScope({ cache: opened.cache }, async () => {
        const leader = call(executor, folder.path);
        const follower = way.call(tasks.counting, 300, folder.path);
        await assertRejects(async () => await leader);
        assertEquals(await follower, 300);
        assertEquals(await tasks.counting.load(300, folder.path), 300);
      });
      await executor.shutdown().catch(() => {});
    };
  const cases = ["memory", "bag"].flatMap((kind) =>
    Object.entries(ENDS).map(([name, call]) => [`${kind}, ${name}`, share(kind, call)] as const)
  );
  Deno.test(`${wayName}: who shares a call that ends before its body does computes it anew`, () =>
    together(Object.fromEntries(cases)));
}

for (const wayName of ["web", "inline"] as const) {
  Deno.test(`${wayName}: a body that never asked keeps its full result when it is given up`, async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    await using way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const call = way.call(tasks.deaf, 7, folder.path) as Future<number>;
      await appears(folder.path, "started");
      call.abort("enough");
      await call.catch(() => {});
      await Deno.writeTextFile(`${folder.path}/go`, "");
      await appears(folder.path, "ended");
      // Whoever asks now waits for its lease, if it has not recorded its result yet.
      const again = way.call(tasks.deaf, 7, folder.path) as Future<number>;
      assertEquals([await again, again.hit], [7, true]);
    });
  });

  Deno.test(`${wayName}: what a body gives after terminate() is not remembered`, async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/results.bag`, { fold: "manual" });
    const way = openWay(wayName);
    await cacheScope({ cache: bag }, async () => {
      const call = way.call(tasks.counting, 100_000, folder.path);
      await appears(folder.path, "started");
      way.executor?.terminate();
      await call.catch(() => {});
      await way.executor?.shutdown();
      await untilComputed(bag);
      assertEquals(await tasks.counting.contains(100_000, folder.path), false);
    });
  });
}

Deno.test("an eviction by another process reaches the call that runs", async () => {
  await using folder = await openFolder();
  const path = `${folder.path}/results.bag`;
  await using bag = await openBag(path, { fold: "manual" });
  await using way = openWay("web");
  await cacheScope({ cache: bag }, async () => {
    const call = way.call(tasks.deaf, 1, folder.path);
    await appears(folder.path, "started");
    const key = await tasks.deaf.digest(1, folder.path);
    const source = `
      import { openBag } from "@quiver/quiver";
      await using bag = await openBag(${JSON.stringify(path)});
      await bag.evict(${JSON.stringify(key)});
    `;
    const config = new URL("../../deno.json", import.meta.url).pathname;
    await Deno.writeTextFile(`${folder.path}/evict.js`, source);
    const { success } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--quiet", "-A", "--config", config, `${folder.path}/evict.js`],
    }).output();
    assert(success);
    await Deno.writeTextFile(`${folder.path}/go`, "");
    assertEquals(await call, 1);
    assertEquals(await bag.contains(key), false);
    assertEquals(await way.call(tasks.deaf, 1, folder.path), 1);
    assertEquals(await bag.contains(key), true);
  });
});
