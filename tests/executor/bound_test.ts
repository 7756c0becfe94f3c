// End-to-end: bound tasks go to workers, and tasks go there as arguments.
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  bind,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  type QuiverWarning,
  UnclonableError,
  withTags,
  WorkerInitError,
} from "@quiver/quiver";
import { restoreBound } from "@quiver/quiver/workers";
import type { BoundDescription } from "../../src/task/task.ts";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/bound_tasks.ts";

leaveNothing();

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function openFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

for (const workerType of ["web", "process", "inline"] as const) {
  const open = () => new Executor({ maxWorkers: 1, workerType });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  // fleche 29
  test("Executor.submit() runs a bound task in its scope, nested tasks included", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/own`, { fold: "manual" });
    await using outer = await openBag(`${folder.path}/outer`, { fold: "manual" });
    await using executor = open();
    const bound = tasks.quadruple.bind({ cache: bag, tags: { a: 1 }, metadata: { m: 2 } });
    await cacheScope({ cache: outer, tags: { b: 2 } }, async () => {
      assertEquals(await executor.submit(bound, 3), 12);
      assertEquals(await Array.fromAsync(executor.map(bound, [3, 4])), [12, 16]);
    });
    const key = await tasks.quadruple.digest(3);
    const made = [await tasks.double.digest(3), await tasks.double.digest(6)];
    for (const own of [key, ...made]) {
      const calls = own === key ? { made } : { by: key };
      assertEquals((await bag.record(own))?.metadata, { m: 2, tags: { a: 1 }, calls });
      assertEquals(await outer.contains(own), false);
    }
    const again = executor.submit(bound, 3);
    await again;
    assertEquals(again.hit, true);
  });

  test("Executor.submit() brings a bound task that is an argument, with its scope", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/own`, { fold: "manual" });
    await using executor = open();
    const bound = tasks.double.bind({ cache: bag, tags: { a: 1 } });
    await withTags({ b: 2 }, async () => {
      assertEquals(await executor.submit(tasks.apply, bound, 4), 8);
      const text = await executor.submit(
        tasks.describe,
        tasks.tags.bind({ cache: bag, strict: true }),
      );
      await using restored = await restoreBound(JSON.parse(text), { tags: { c: 3 } });
      assertEquals((restored.description as BoundDescription).scope.strict, true);
      assertEquals(await restored(), { b: 2, c: 3 });
    });
    assertEquals((await bag.record(await tasks.double.digest(4)))?.metadata, { tags: { a: 1 } });
  });

  test("Executor.submit() brings a task that is an argument, and remembers such calls", async () => {
    await using folder = await openFolder();
    await using bag = await openBag(`${folder.path}/own`, { fold: "manual" });
    await using executor = open();
    await cacheScope({ cache: bag, strict: true }, async () => {
      const first = executor.submit(tasks.apply, tasks.double, 5);
      assertEquals([await first, first.hit], [10, false]);
      const second = executor.submit(tasks.apply, tasks.double.bind({ tags: { a: 1 } }), 5);
      assertEquals([await second, second.hit], [10, true]);
      assertEquals(await executor.submit(tasks.apply, tasks.quadruple, 5), 20);
      assert(await tasks.double.contains(10));
    });
  });

  test("Executor.submit() brings tasks at any depth, one for all places of each", async () => {
    await using executor = open();
    const note = `{ "quiver.task": "0" }`;
    const { double } = tasks;
    const given = { list: [double], map: new Map([["a", double]]), set: new Set([double]), note };
    const expected = { results: [6, 6, 6], note, same: true };
    assertEquals(await executor.submit(tasks.applyAll, given), expected);
  });

  test("Executor.submit() warns when the cache of a bound argument stays behind", async () => {
    const warnings: QuiverWarning[] = [];
    const cache = createMemoryCache();
    await using executor = open();
    const bound = tasks.double.bind({ cache, onWarning: (warning) => warnings.push(warning) });
    for (const x of [1, 2]) assertEquals(await executor.submit(tasks.apply, bound, x), 2 * x);
    assertEquals([cache.statistics().misses, warnings.length], [0, 1]);
  });

  test("Executor.submit() refuses a plain function that is bound, and a task that is lost", async () => {
    await using executor = open();
    const plain = bind((x: number) => x);
    await assertRejects(
      () => executor.submit(tasks.apply, plain as never, 1),
      UnclonableError,
      "a function cannot be cloned",
    );
    const { scope, type } = tasks.double.bind().description as BoundDescription;
    const address = {
      module: new URL("./testdata/no_task.ts", import.meta.url).href,
      name: "lost",
    };
    const lost = { type, scope, address };
    await assertRejects(() => restoreBound(lost), WorkerInitError, "lost");
  });
}
