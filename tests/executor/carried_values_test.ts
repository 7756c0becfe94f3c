// end-to-end: what structured clone loses comes and goes whole, or is refused, on every kind of worker
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  IndigestibleError,
  openBag,
  QuiverError,
  transfer,
  UnclonableError,
} from "@quiver/quiver";
import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/carried_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

function checkErrors(list: unknown): void {
  assert(Array.isArray(list));
  const [outer, several, gone, odd, known, own] = list;
  assertInstanceOf(outer, Error);
  assertInstanceOf(Reflect.get(outer, "where"), URL);
  assertInstanceOf(outer.cause, TypeError);
  assertEquals(Reflect.get(outer.cause, "code"), 7);
  assertInstanceOf(several, AggregateError);
  assertInstanceOf(several.errors[0], SyntaxError);
  assertEquals(several.errors[1], "two");
  assert(several.errors[2] === outer.cause);
  assertInstanceOf(gone, Deno.errors.NotFound);
  assertInstanceOf(odd, DOMException);
  assertEquals(odd.name, "DataError");
  assertInstanceOf(known, tasks.KnownError);
  assertEquals(known.step, 3);
  assertInstanceOf(own, TypeError);
  assertEquals([own.name, Reflect.get(own, "status")], ["OwnError", 404]);
}

for (const workerType of KINDS) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);
  const open = () => new Executor({ maxWorkers: 1, workerType });

  test("objects without a prototype come back as they do from a cache", async () => {
    await using executor = open();
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(path);
      for (const cache of [undefined, createMemoryCache(), bag]) {
        await cacheScope(cache === undefined ? {} : { cache }, async () => {
          const submit = () => executor.submit(tasks.make, "bare");
          const results = [...await Promise.all([submit(), submit()]), await submit()];
          results.push(...await Array.fromAsync(executor.map(tasks.make, ["bare", "bare"])));
          for (const result of results) {
            const [groups] = result as [object];
            assertEquals(Object.getPrototypeOf(groups), null);
            assertEquals({ ...groups }, { odd: [1, 3], even: [2] });
          }
        });
      }
    }
    await Deno.remove(path, { recursive: true });
  });

  test("URLs come and go as themselves, by submit, map and runInWorker", async () => {
    await using executor = open();
    await using context = openWorkerContext({ workerType });
    const url = new URL("http://a.b/c?d=1#e");
    const query = new URLSearchParams("x=1&x=2");
    const argument = { at: [url], query };
    const check = (value: unknown) => {
      const { at, query } = value as typeof argument;
      assertInstanceOf(at[0], URL);
      assertEquals(at[0].href, url.href);
      assertInstanceOf(query, URLSearchParams);
      assertEquals(query.getAll("x"), ["1", "2"]);
    };
    check(await executor.submit(tasks.echo, argument));
    check(await executor.submit(tasks.make, "url"));
    check(await runInWorker(tasks.echo, [argument], { context }));
    for await (const value of executor.map(tasks.echo, [argument, argument], { chunkSize: 2 })) {
      check(value);
    }
    for await (const value of executor.map(tasks.make, ["url", "url", "url"], { chunkSize: 3 })) {
      check(value);
    }
    const seen = await executor.submit(tasks.look, [url]);
    assert(seen.includes("URL {"), seen);
    assertEquals(await executor.submit(tasks.applyTask, tasks.echo, url), url);
  });

  test("errors come and go with class, fields, cause and errors", async () => {
    await using executor = open();
    checkErrors(await executor.submit(tasks.echo, tasks.makeErrors()));
    const result = await executor.submit(tasks.make, "errors");
    checkErrors(Reflect.get(Object(result), "list"));
    for await (const value of executor.map(tasks.echo, [tasks.makeErrors(), 1], { chunkSize: 2 })) {
      if (value !== 1) checkErrors(value);
    }
    const seen = await executor.submit(tasks.look, new tasks.KnownError(5));
    assert(seen.includes("KnownError: in step 5") && seen.includes("step: 5"), seen);
  });

  test("what cannot travel is refused by its path, and the worker lives", async () => {
    await using executor = open();
    const cases: [made: string, path: string][] = [
      ["headers", "result.list[0]"],
      ["response", 'result.get("r")'],
      ["request", "result.values()[0]"],
      ["formData", "result.form"],
      ["signal", "result[0]"],
      ["stream", "result.stream"],
      ["format", "result.format"],
      ["weak", "result.weak"],
      ["promise", "result.later"],
      ["generator", "result.steps"],
      ["iterator", "result.values"],
      ["proxyOfMap", "result"],
      ["proxyOfDate", "result.date"],
      ["proxyOfArray", "result[0]"],
      ["proxyOfObject", "result.inside"],
      ["deep", "result"],
      ...workerType === "process" ? [["blob", "result.blob"] as [string, string]] : [],
    ];
    for (const [made, path] of cases) {
      const error = await assertRejects(() => executor.submit(tasks.make, made), UnclonableError);
      assertEquals([made, error.path], [made, path]);
      assert(error.message.startsWith(`Cannot send ${path} back from a worker: `), error.message);
    }
    const args: [argument: unknown, path: string][] = [
      [{ list: [new Headers()] }, "args[0].list[0]"],
      [[new Response()], "args[0][0]"],
      [{ inside: [new Request("http://a.b")] }, "args[0].inside[0]"],
      [{ m: new Proxy(new Map(), {}) }, "args[0].m"],
      [new Proxy(new Set(), {}), "args[0]"],
      [[new Proxy(new Date(0), {})], "args[0][0]"],
      [new Proxy([1], {}), "args[0]"],
      [{ o: new Proxy({ a: 1 }, {}) }, "args[0].o"],
      [tasks.nest(20_000), "args[0]"],
      ...workerType === "process" ? [[[new Blob(["x"])], "args[0][0]"] as [unknown, string]] : [],
    ];
    for (const [argument, path] of args) {
      const error = await assertRejects(
        () => executor.submit(tasks.echo, argument),
        UnclonableError,
        `Cannot send ${path} of "echo" to a worker: `,
      );
      assertEquals(error.path, path);
    }
    const mapped = executor.map(tasks.make, ["url", "headers", "url"], { chunkSize: 3 });
    assert(!(await mapped.next()).done);
    await assertRejects(() => mapped.next(), UnclonableError, "result.list[0]");
    assertEquals(await executor.submit(tasks.echo, 1), 1);
    assertEquals(executor.statistics().workers, 1);
  });

  test("values that are nested 5,000 levels deep come and go", async () => {
    await using executor = open();
    let levels = 0;
    for (
      let at = await executor.submit(tasks.echo, tasks.nest(5_000));
      at !== undefined;
      levels++
    ) {
      at = Reflect.get(Object(at), "inner");
    }
    assertEquals(levels, 5_000);
    assert(await executor.submit(tasks.make, "fairlyDeep"));
  });

  test("metadata that is nested too deeply is refused where it is set", async () => {
    await using executor = open();
    const metadata = { deep: tasks.nest(20_000) as never };
    await assertRejects(
      () => cacheScope({ metadata }, () => executor.submit(tasks.echo, 1)),
      TypeError,
      "metadata must be JSON: it is deeper than 100 levels",
    );
  });

  test("arrays beside what is special are copied, moved and shared as ever", async () => {
    await using executor = open();
    const numbers = new Float64Array(100_000).fill(2);
    const url = new URL("http://a.b/");
    const back = await executor.submit(tasks.echoAll, url, numbers, numbers.subarray(0, 2));
    assert(Array.isArray(back));
    assertEquals([back[1], [...back[2]]], [numbers, [2, 2]]);
    assert(back[1].buffer === back[2].buffer);
    const given = new Float64Array(100_000).fill(3);
    const moved = await executor.submit(tasks.echoAll, transfer({ given, url }), numbers);
    assertEquals(given.length, 0);
    assert(Array.isArray(moved));
    assertEquals([moved.length, moved[0].given[5], moved[0].url.href], [2, 3, url.href]);
    assertEquals(numbers.length, 100_000);
  });

  test("calls with URLs and errors are remembered, and hits give them back", async () => {
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(path);
      for (const cache of [bag, createMemoryCache()]) {
        await using executor = open();
        const warnings: string[] = [];
        const onWarning = ({ message }: { message: string }) => void warnings.push(message);
        await cacheScope({ cache, onWarning }, async () => {
          const argument = { url: new URL("http://a.b/"), errors: tasks.makeErrors() };
          const call = () => executor.submit(tasks.echo, argument);
          checkErrors(Reflect.get(Object(await call()), "errors"));
          const hit = call();
          const value = Object(await hit);
          assertEquals([hit.hit, value.url], [true, argument.url]);
          assertInstanceOf(value.errors[2], Deno.errors.NotFound);
        });
        assertEquals(warnings, []);
      }
    }
    await Deno.remove(path, { recursive: true });
  });

  test("the arguments of an init task come whole", async () => {
    const init = { task: tasks.keep, args: [new URL("http://kept.here/")] } as const;
    await using context = openWorkerContext({ workerType, init });
    assertEquals(await context.run(tasks.kept, []), new URL("http://kept.here/"));
  });
}

Deno.test("a call here takes futures and proxies, however deeply nested, without an engine's error", async () => {
  assert(await tasks.echo(tasks.nest(20_000)));
  const proxy = new Proxy(new Map(), {});
  assert(await tasks.echo([proxy]) !== undefined);
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  assertEquals(await tasks.applyTask(() => 7, [revoked]), 7);
  await assertRejects(
    async () => await tasks.echo([revoked, tasks.echo(1)]),
    UnclonableError,
    "args holds a proxy that was revoked; pass a copy",
  );
  await cacheScope({ cache: createMemoryCache(), strict: true }, async () => {
    for (
      const argument of [[proxy], { r: revoked }, [new Proxy({ a: 1 }, {})], tasks.nest(20_000)]
    ) {
      const error = await assertRejects(async () => await tasks.echo(argument), QuiverError);
      assertInstanceOf(error.cause, IndigestibleError);
    }
    for (const made of ["proxyOfMap", "proxyOfArray", "proxyOfObject", "deep", "headers"]) {
      const error = await assertRejects(async () => await tasks.make(made), QuiverError);
      assertInstanceOf(error.cause, IndigestibleError);
    }
  });
  await assertRejects(
    async () => await tasks.echo({ deep: tasks.nest(20_000, tasks.echo(1)) }),
    UnclonableError,
    'Cannot run "echo": args is nested too deeply',
  );
});
