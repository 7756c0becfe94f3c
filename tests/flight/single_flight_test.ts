// End-to-end: many workers and processes ask for the same keys; each is computed once.
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  cacheScope,
  CancelledError,
  Executor,
  openBag,
  openScope,
  QuiverError,
} from "@quiver/quiver";
import { Cache } from "../../src/cache/cache.ts";
import { openBagStores } from "../../src/store/open_stores.ts";
import { Folder } from "./_folder.ts";
import { Program } from "./_program.ts";
import { calls, counted, hangsOnce, readRuns } from "./testdata/tasks.ts";

Deno.test("Executor.submit() computes each of 1,000 keys once in 2 processes with 4 workers each", async () => {
  using folder = new Folder();
  await using first = new Program("sweep", [folder.bag, folder.traces, "11"]);
  await using second = new Program("sweep", [folder.bag, folder.traces, "17"]);
  for (const program of [first, second]) assertEquals(await program.line(), "ready");
  await Promise.all([first.go(), second.go()]);
  const ended = await Promise.all([first.rest(), second.rest()]);
  assertEquals(ended, [['{"wrong":[]}'], ['{"wrong":[]}']]);
  const runs = readRuns(folder.traces).map(Number);
  assertEquals(runs.toSorted((a, b) => a - b), Array.from({ length: 1000 }, (_, n) => n));
});

// fleche 15
Deno.test("Executor.submit() takes over from a holder that is killed while it computes", async () => {
  using folder = new Folder();
  const call = JSON.stringify(["hangsOnce", folder.traces]);
  await using holder = new Program("submit", [folder.bag, "1", call]);
  const watcher = Deno.watchFs(folder.traces);
  if (readRuns(folder.traces).length === 0) {
    for await (const _ of watcher) if (readRuns(folder.traces).length > 0) break;
  } else watcher.close();
  await using other = new Program("submit", [folder.bag, "2", call, call]);
  await using bag = await openBag(folder.bag, { fold: "manual" });
  await using executor = new Executor({ maxWorkers: 2 });
  await cacheScope({ cache: bag, strict: true }, async () => {
    const futures = [1, 2, 3].map(() => executor.submit(hangsOnce, folder.traces));
    const here = hangsOnce(folder.traces);
    await holder.kill();
    assertEquals(await Promise.all([...futures, here]), Array(4).fill("done"));
  });
  assertEquals(await other.rest(), Array(2).fill('{"value":"done"}'));
  assertEquals(readRuns(folder.traces).length, 2);
});

/** A bag whose waits for leases can be counted, and a process that holds leases in it. */
async function openHeld(folder: Folder, numbers: readonly number[]) {
  const opened = await openBagStores(folder.bag, { fold: "manual" });
  const holder = new Program("holder", [folder.bag, ...numbers.map(String)]);
  assertEquals(await holder.line(), `holds ${numbers.length}`);
  const waiting = new Set<string>();
  let expected = 0;
  const reached = Promise.withResolvers<void>();
  const { leases } = opened.stores;
  const cache = new Cache({
    ...opened.stores,
    leases: {
      tryAcquire: (key) => leases.tryAcquire(key),
      changed: (key, signal) => {
        waiting.add(key);
        if (waiting.size === expected) reached.resolve();
        return leases.changed(key, signal);
      },
    },
  });
  return {
    cache,
    holder,
    /** Resolves when so many keys are waited for. */
    waits: (keys: number) => {
      expected = keys;
      if (waiting.size === keys) reached.resolve();
      return reached.promise;
    },
    [Symbol.asyncDispose]: async () => {
      await holder[Symbol.asyncDispose]();
      await opened[Symbol.asyncDispose]();
    },
  };
}

Deno.test("Task that waits for a lease leaves Deno's threads to others", async () => {
  using folder = new Folder();
  const numbers = Array.from({ length: 201 }, (_, n) => n);
  await using held = await openHeld(folder, numbers);
  await cacheScope({ cache: held.cache, strict: true }, async () => {
    const oneKey = Array.from({ length: 200 }, () => counted(0, folder.traces));
    const manyKeys = numbers.slice(1).map((n) => counted(n, folder.traces));
    await held.waits(201);
    // Each of these takes a thread of its own for a while.
    await Promise.all(numbers.map(async (n) => {
      const path = `${folder.path}/file-${n}`;
      await Deno.writeTextFile(path, `${n}`);
      assertEquals(await Deno.readTextFile(path), `${n}`);
    }));
    assertEquals(readRuns(folder.traces), []);
    assert([...oneKey, ...manyKeys].every(({ state }) => state === "pending"));
    await held.holder.kill();
    assertEquals(await Promise.all(oneKey), Array(200).fill(0));
    assertEquals(await Promise.all(manyKeys), numbers.slice(1).map((n) => 2 * n));
  });
  assertEquals(readRuns(folder.traces).length, 201);
});

Deno.test("Future.cancel() ends the wait for another process", async () => {
  using folder = new Folder();
  await using held = await openHeld(folder, [1]);
  await cacheScope({ cache: held.cache, strict: true }, async () => {
    const [first, second] = [counted(1, folder.traces), counted(1, folder.traces)];
    await held.waits(1);
    assert(first.cancel());
    await assertRejects(() => first, CancelledError, "was cancelled");
    // The second waited for the first, and now waits by itself.
    assertEquals(second.state, "pending");
    await held.holder.kill();
    assertEquals(await second, 2);
  });
});

Deno.test("cacheScope({ leaseTimeout }) computes what another does not finish, and warns", async () => {
  using folder = new Folder();
  await using held = await openHeld(folder, [1]);
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache: held.cache, leaseTimeout: 20, onWarning }, async () => {
    assertEquals(await counted(1, folder.traces), 2);
    await counted.evict(1, folder.traces);
    await assertRejects(
      () => cacheScope({ strict: true }, () => counted(1, folder.traces)),
      QuiverError,
      "Cannot wait longer than 20 ms",
    );
  });
  assertEquals(warnings, [
    'Cannot wait longer than 20 ms for the call of "counted" that another computes: it runs here too',
  ]);
});

Deno.test("cacheScope() with leaseTimeout or without single flight holds on workers too", async () => {
  using folder = new Folder();
  await using bag = await openBag(folder.bag, { fold: "manual" });
  await using holder = new Program("holder", [folder.bag, "1", "2"]);
  assertEquals(await holder.line(), "holds 2");
  await using executor = new Executor({ maxWorkers: 1 });
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache: bag, onWarning }, async () => {
    await cacheScope({ singleFlight: false }, async () => {
      assertEquals(await executor.submit(calls, 1, folder.traces), 3);
    });
    assertEquals(warnings, []);
    await cacheScope({ leaseTimeout: 20 }, async () => {
      assertEquals(await executor.submit(calls, 2, folder.traces), 5);
      assertEquals(await executor.submit(counted, 2, folder.traces), 4);
    });
  });
  assertEquals(warnings.length, 1);
  assertEquals(readRuns(folder.traces), ["1", "2"]);
});

Deno.test("cacheScope({ singleFlight: false }) lets each call compute", async () => {
  using folder = new Folder();
  await using bag = await openBag(folder.bag, { fold: "manual" });
  await cacheScope({ cache: bag, strict: true, singleFlight: false }, async () => {
    const both = [counted(1, folder.traces), counted(1, folder.traces)];
    assertEquals(await Promise.all(both), [2, 2]);
    assertEquals(await counted(1, folder.traces), 2);
  });
  assertEquals(readRuns(folder.traces).length, 2);
});

Deno.test("cacheScope() names a leaseTimeout that is no time", () => {
  for (const leaseTimeout of [-1, NaN, 0.5, 2 ** 31]) {
    assertThrows(
      () => openScope({ leaseTimeout }),
      RangeError,
      `\`leaseTimeout\` must be Infinity or an integer from 0 to 2147483647`,
    );
  }
});
