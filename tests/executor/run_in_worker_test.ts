// End-to-end: workers of the program and of scopes, of every kind.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { cacheScope, openScope, ScopeClosedError } from "@quiver/quiver";
import {
  configureDefaultContext,
  defaultContextStatistics,
  defaultLimiter,
  openWorkerContext,
  runInWorker,
} from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder } from "./_shared_folder.ts";
import { testKinds } from "./_worker_kinds.ts";
import * as tasks from "./testdata/context_tasks.ts";

leaveNothing();

// executors 73
testKinds("cacheScope() with workers has its own, a nested one others", async ({ type, open }) => {
  const workers = { workerType: type, idleTimeout: Infinity };
  await using explicit = open(workers);
  await configureDefaultContext(workers);
  const seen: { isolate: string; workers: number }[] = [];
  const call = async (context?: typeof explicit) => {
    const options = context === undefined ? {} : { context };
    const isolate = await runInWorker(tasks.whichIsolate, [], options);
    const { workers } = context?.statistics() ?? defaultContextStatistics();
    seen.push({ isolate, workers });
  };
  await call();
  await cacheScope({ workers }, async () => {
    assertEquals(defaultContextStatistics().workers, 0);
    await call();
    await cacheScope({ workers }, async () => {
      assertEquals(defaultContextStatistics().workers, 0);
      await call();
      await call(explicit);
    });
    await cacheScope({ tags: { inherits: true } }, call);
  });
  await call();
  assertEquals(seen.map(({ workers }) => workers), [1, 1, 1, 1, 1, 1]);
  const [outside, outer, inner, own, inherited, again] = seen.map(({ isolate }) => isolate);
  assertEquals([inherited, again], [outer, outside]);
  if (type !== "inline") assertEquals(new Set([outside, outer, inner, own]).size, 4);
  await configureDefaultContext({});
});

// executors 74
testKinds("work that outlives a scope with workers belongs to that scope", async ({ type }) => {
  const started = Promise.withResolvers<void>();
  let late = Promise.resolve("");
  await cacheScope({ workers: { workerType: type } }, async () => {
    late = started.promise.then(() => runInWorker(tasks.whichIsolate, []));
    await runInWorker(tasks.echo, [1]);
  });
  // In trio-parallel it would have the workers of the nursery that it runs in.
  started.resolve();
  await assertRejects(() => late, ScopeClosedError);
});

// executors 75
testKinds(
  "openScope() with workers ends them, and refuses calls through them",
  async ({ type }) => {
    const handle = openScope({ workers: { workerType: type } });
    const { workers } = handle.scope;
    const statistics = await handle.run(async () => {
      await runInWorker(tasks.echo, [1]);
      return () => defaultContextStatistics();
    });
    assertEquals(await handle.run(() => statistics().idle), 1);
    await handle[Symbol.asyncDispose]();
    await assertRejects(() => handle.run(() => runInWorker(tasks.echo, [1])), ScopeClosedError);
    await cacheScope({}, async () => {
      assertStrictEquals(handle.scope.workers, workers);
      await handle[Symbol.asyncDispose]();
    });
  },
);

// executors 75
testKinds(
  "cacheScope() refuses calls in its workers after its end, used or not",
  async ({ type }) => {
    for (const used of [true, false]) {
      const { promise, resolve } = Promise.withResolvers<void>();
      let late: Promise<unknown> = promise;
      await cacheScope({ workers: { workerType: type } }, async () => {
        if (used) await runInWorker(tasks.echo, [1]);
        late = promise.then(() => runInWorker(tasks.echo, [2]));
      });
      resolve();
      await assertRejects(() => late, ScopeClosedError, 'Cannot run "echo"');
    }
  },
);

testKinds("cacheScope() waits in the end for calls that run on its workers", async ({ type }) => {
  await using folder = await openSharedFolder();
  const promises: Promise<unknown>[] = [];
  await cacheScope({ workers: { workerType: type } }, async () => {
    promises.push(runInWorker(tasks.gated, [folder.path, "call"]));
    await folder.appears("call.started");
    promises.push(folder.write("call.go"));
  });
  assert(folder.has("call.ended"));
  assertEquals(await Promise.all(promises), ["call", undefined]);
});

testKinds(
  "configureDefaultContext() ends the workers of before after their calls",
  async (kind) => {
    await using folder = await openSharedFolder();
    await configureDefaultContext({ workerType: kind.type });
    const call = runInWorker(tasks.gated, [folder.path, "call"]);
    await folder.appears("call.started");
    const configured = configureDefaultContext({ workerType: "inline" });
    assertEquals(await runInWorker(tasks.echo, [1]), 1);
    await folder.write("call.go");
    await configured;
    assertEquals([call.state, await call], ["done", "call"]);
    await configureDefaultContext({});
  },
);

testKinds(
  "runInWorker() in a call on a worker does not wait for its caller's permit",
  async (kind) => {
    await configureDefaultContext({ workerType: kind.type });
    const calls = Array.from(
      { length: 4 * navigator.hardwareConcurrency },
      (_, index) => runInWorker(tasks.nested, [index]),
    );
    assertEquals(await Promise.all(calls), calls.map((_, index) => index));
    await configureDefaultContext({});
  },
);

// executors 37, 38
Deno.test("a program that closes nothing ends by itself after its calls, and says nothing", async () => {
  await using folder = await openSharedFolder();
  assertEquals(
    await runProgram("idle_main.ts", folder.path),
    { code: 0, stdout: "the last line of the program\n", stderr: "" },
  );
  for (const name of ["a", "b", "c", "d", "context"]) assert(folder.has(name));
});

// executors 45
Deno.test("a program is warned of its workers that end badly, as nobody closes them", async () => {
  const { code, stdout, stderr } = await runProgram("retiring_main.ts");
  assertEquals([code, stdout], [0, "kept\n"]);
  assertStringIncludes(stderr, "Warning: Cannot end a worker as it should: Cannot keep worker");
  assertStringIncludes(stderr, "cannot tell");
});

Deno.test("defaultLimiter() has a permit for each processor, first come, first served", async () => {
  const limiter = defaultLimiter();
  assertStrictEquals(limiter, defaultLimiter());
  const permits: Disposable[] = [];
  for (let count = 0; count < navigator.hardwareConcurrency; count++) {
    const permit = limiter.acquire();
    assert(!(permit instanceof Promise));
    permits.push(permit);
  }
  const order: number[] = [];
  const waiting = [1, 2].map(async (name) => {
    using _permit = await limiter.acquire();
    order.push(name);
  });
  permits[0]?.[Symbol.dispose]();
  // Given back twice, it is still one.
  permits[0]?.[Symbol.dispose]();
  await Promise.all(waiting);
  assertEquals(order, [1, 2]);
  for (const permit of permits) permit[Symbol.dispose]();
});

async function runProgram(
  file: string,
  ...args: string[]
): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = new URL(`./testdata/${file}`, import.meta.url).href;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", main, ...args],
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(60_000),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

Deno.test("runInWorker() names a misspelled option, and the right ones", () => {
  assertThrows(
    // @ts-expect-error A misspelled option.
    () => runInWorker(tasks.echo, [1], { contxt: openWorkerContext() }),
    TypeError,
    '"contxt" is not an option; the options are signal, onAbort, limiter, context',
  );
});
