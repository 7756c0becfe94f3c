// Contract: what console.log shows of a future, a bag and an executor, which costs nothing and never throws.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  currentSignal,
  Executor,
  file,
  type Future,
  openBag,
  task,
} from "@quiver/quiver";
import { getReusableExecutor } from "@quiver/quiver/workers";

const double = task(import.meta, function double(n: number): number {
  return 2 * n;
});

const fail = task(import.meta, function fail(): never {
  throw new TypeError("it is wrong");
});

const hang = task(import.meta, async function hang(): Promise<void> {
  const signal = currentSignal();
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
});

/** What has a text of its own that cannot be had. */
const refusing = task(import.meta, function refusing(): object {
  return {
    [Symbol.for("Deno.customInspect")]() {
      throw new Error("it does not want to be seen");
    },
  };
});

/** Waits for a call without looking at how it ended. */
function ended(future: Future<unknown>): Promise<void> {
  return new Promise((resolve) => future.onDone(() => resolve()));
}

Deno.test("Future shows its task, where it stands, and its value", async () => {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const future = double(21);
    assertStringIncludes(Deno.inspect(future), 'Future "double" (');
    assertStringIncludes(Deno.inspect(future), "<pending>");
    await future;
    assertEquals(Deno.inspect(future), 'Future "double" (done) { 42 }');
    const again = double(21);
    await again;
    assertEquals(Deno.inspect([again]), '[ Future "double" (done, hit) { 42 } ]');
  });
});

Deno.test("Future that runs says so, and one that was given up shows why", async () => {
  const future = hang();
  assertEquals(Deno.inspect(future), 'Future "hang" (running) { <pending> }');
  future.abort(new Error("enough"));
  await ended(future);
  const shown = Deno.inspect(future);
  assertStringIncludes(shown, 'Future "hang" (cancelled) {');
  assertStringIncludes(shown, "<rejected> Error: enough");
});

Deno.test("Future that failed shows the error, which is then still nobody's", async () => {
  const { promise, resolve } = Promise.withResolvers<PromiseRejectionEvent>();
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    resolve(event);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    const future = fail();
    await ended(future);
    const shown = Deno.inspect(future);
    assertStringIncludes(shown, 'Future "fail" (done) {');
    assertStringIncludes(shown, "<rejected> TypeError: it is wrong");
    assertStringIncludes(String((await promise).reason), "it is wrong");
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
});

Deno.test("Future shows a value that contains the future, and one that throws when it is shown", async () => {
  const around: { future?: Future<unknown> } = {};
  const give = task(import.meta, () => around, { name: "$& give" });
  around.future = give();
  await around.future;
  assertEquals(
    Deno.inspect(around.future),
    'Future "$& give" (done) { { future: [Circular *1] } }',
  );
  const future = refusing();
  await future;
  assertStringIncludes(Deno.inspect(future), "Error: it does not want to be seen");
});

Deno.test("Future takes the options of Deno.inspect()", async () => {
  const future = double(4);
  await future;
  assertEquals(
    Deno.inspect(future, { colors: true }),
    'Future "double" (done) { \x1b[33m8\x1b[39m }',
  );
});

Deno.test("Bag shows path, mode and counts, also where it is closed and its directory is gone", async () => {
  const path = await Deno.realPath(await Deno.makeTempDir());
  const bag = await openBag(path);
  const show = (value: unknown) => Deno.inspect(value, { breakLength: Infinity });
  await cacheScope({ cache: bag }, async () => {
    for (const n of [1, 1, 2]) await double(n);
  });
  const counts = "hits: 1, misses: 2";
  assertEquals(show(bag), `Bag { path: "${path}", mode: "readwrite", ${counts} }`);
  await bag.close();
  const reader = await openBag(path, { mode: "read" });
  await reader.close();
  await Deno.remove(path, { recursive: true });
  assertEquals(show(bag), `Bag { path: "${path}", mode: "readwrite", closed: true, ${counts} }`);
  assertStringIncludes(show(reader), 'mode: "read", closed: true, hits: 0');
});

Deno.test("Executor shows its workers and its queue", async () => {
  const show = (value: unknown) => Deno.inspect(value, { breakLength: Infinity });
  const hanging = Promise.withResolvers<void>();
  const observer = {
    started: ({ task }: { readonly task: string }) => task === "hang" && hanging.resolve(),
  };
  const executor = new Executor({ workerType: "inline", maxWorkers: 1, observer });
  const kind = 'workerType: "inline", maxWorkers: 1';
  assertEquals(
    show(executor),
    `Executor { ${kind}, workers: 0, idle: 0, running: 0, queued: 0 }`,
  );
  await executor.submit(double, 1);
  const calls = [executor.submit(hang), executor.submit(double, 2)];
  await hanging.promise;
  assertEquals(
    show(executor),
    `Executor { ${kind}, workers: 1, idle: 0, running: 1, queued: 1 }`,
  );
  for (const call of calls) call.abort();
  await executor.close();
  assertStringIncludes(show(executor), "closed: true }");
});

Deno.test("Executor that was terminated, or is shared, can be shown", async () => {
  const executor = new Executor({ workerType: "inline" });
  await executor.submit(double, 3);
  executor.terminate();
  assertStringIncludes(Deno.inspect(executor), "closed: true");
  const shared = getReusableExecutor({ workerType: "inline" });
  assert(Deno.inspect(shared).startsWith("ReusableExecutor {"));
  await shared.close();
});

Deno.test("FileHandle shows where it is, and what it holds once that is known", async () => {
  const path = await Deno.makeTempFile();
  assertEquals(Deno.inspect(file(path)), `FileHandle { path: ${JSON.stringify(path)} }`);
  const show = task("data:text/javascript,show", (one: unknown) => Deno.inspect(one), {
    name: "show",
  });
  const shown = await cacheScope({ cache: createMemoryCache() }, () => show(file(path)));
  assertStringIncludes(shown, "size: 0");
  assertStringIncludes(shown, "e3b0c44298fc1c14");
  await Deno.remove(path);
});
