// end-to-end: futures as arguments of other calls, on each kind of worker
import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { DependencyError, Executor, type Future } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { countVisits, echo, square, type Visit, visit } from "./testdata/map_tasks.ts";

leaveNothing();

interface Folder extends AsyncDisposable {
  readonly path: string;
}

async function openFolder(): Promise<Folder> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

for (const workerType of ["web", "process", "inline"] as const) {
  const test = (
    name: string,
    fn: (
      executor: Executor,
      visitor: (x: number, how?: Visit["how"]) => Visit,
      path: string,
    ) => Promise<void>,
  ) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      await using folder = await openFolder();
      await using executor = new Executor({ maxWorkers: 2, workerType });
      const visitor = (x: number, how?: Visit["how"]) => ({
        directory: folder.path,
        x,
        ...(how !== undefined && { how }),
      });
      await fn(executor, visitor, folder.path);
    });

  // executors 77
  test("Executor.submit() puts results where futures are, at any depth", async (executor, item) => {
    const two: Future<number> = executor.submit(visit, item(2));
    assertEquals(await executor.submit(square, two), 4);
    const deep = { list: [two, 3, [two]], map: new Map([["two", two]]), set: new Set([two]), two };
    assertEquals(await executor.submit(echo, deep), {
      list: [2, 3, [2]],
      map: new Map([["two", 2]]),
      set: new Set([2]),
      two: 2,
    });
    assertEquals(await executor.submit(echo, Promise.resolve(5)), 5);
  });

  // executors 77
  test("a future runs its call once, however many wait for it", async (executor, item, path) => {
    const two = executor.submit(visit, item(2));
    const waiting = [square, square, echo].map((task) =>
      executor.submit(task as typeof square, two)
    );
    assertEquals(await Promise.all(waiting), [4, 4, 2]);
    assertEquals(countVisits(path), { 2: 1 });
  });

  // executors 78, 79
  test(
    "a call never runs when its dependency fails, before or after",
    async (executor, item, path) => {
      const failed = executor.submit(visit, item(1, "throw"));
      const depend = (x: number, on: Promise<unknown>) =>
        executor.submit(visit, { ...item(x), more: on } as Visit);
      const early = depend(2, failed);
      await assertRejects(() => failed, RangeError, "not 1");
      const late = depend(3, failed);
      for (const future of [early, late]) {
        const error = await assertRejects(() => future, DependencyError, '"visit"');
        assertInstanceOf(error.cause, RangeError);
        assertEquals(error.chain, ["visit", "visit"]);
      }
      // Neither did it run again for them.
      assertEquals(countVisits(path), { 1: 1 });
    },
  );

  // executors 78
  test("a failure goes down three steps, and both branches", async (executor, item, path) => {
    const first = executor.submit(visit, item(1, "throw"));
    const left = executor.submit(square, first);
    const right = executor.submit(echo, { right: first });
    const last = executor.submit(echo, [right, 1]);
    for (
      const [future, chain] of [
        [left, ["visit", "square"]],
        [right, ["visit", "echo"]],
        [last, ["visit", "echo", "echo"]],
        [executor.submit(square, left), ["visit", "square", "square"]],
      ] as const
    ) {
      const error = await assertRejects(() => future as Promise<unknown>, DependencyError, "not 1");
      assertEquals([error.chain, String(error.cause)], [chain, "RangeError: not 1"]);
    }
    await assertRejects(() => first, RangeError);
    assertEquals(countVisits(path), { 1: 1 });
  });
}
