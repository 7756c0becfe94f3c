// end-to-end: tasks call functions of their caller that Comlink.proxy() has marked, on every kind of
// worker and without one
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import * as Comlink from "comlink";
import * as otherCopy from "comlink/dist/esm/comlink.mjs";
import {
  cacheScope,
  createMemoryCache,
  currentScope,
  DeadlineError,
  Executor,
  IndigestibleError,
  UnclonableError,
  WorkerDiedError,
} from "@quiver/quiver";
import { type BoundCall, wrapExecutor } from "@quiver/quiver/pools";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/callback_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

/** Marks a function, and notes what it is called with. */
function note<A extends unknown[], R>(fn: (...args: A) => R) {
  const calls: A[] = [];
  const noted = (...args: A): R => {
    calls.push(args);
    return fn(...args);
  };
  return { calls, back: Comlink.proxy(noted) };
}

/** Lets everything that is on its way arrive. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve));
}

for (const workerType of KINDS) {
  const test = (name: string, fn: (executor: Executor) => Promise<void>) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      // What an inline worker waits for does not keep the event loop alive.
      const alive = setInterval(() => {}, 60_000);
      try {
        await using executor = new Executor({ maxWorkers: 1, workerType });
        await fn(executor);
      } finally {
        clearInterval(alive);
      }
    });

  test("a task calls its caller back, and gets what comes of it", async (executor) => {
    const { calls, back } = note(async (n: number) => {
      await Promise.resolve();
      return n * 10;
    });
    assertEquals(await executor.submit(tasks.count, 3, back), [0, 10, 20]);
    assertEquals(calls, [[0], [1], [2]]);
    // Another copy of Comlink marks it in its own way.
    const other = otherCopy.proxy((n: number) => -n);
    assertEquals(await executor.submit(tasks.count, 2, other), [-0, -1]);
  });

  test("callbacks may be anywhere in the arguments, and one is one", async (executor) => {
    const first = note((value: unknown) => ["first", value]);
    const second = note((value: unknown) => ["second", value]);
    const hooks = {
      one: first.back,
      list: [second.back, first.back],
      named: new Map([["again", second.back]]),
    };
    const { same, answers } = await executor.submit(tasks.callAll, hooks, first.back);
    assertEquals(same, [0, 1, 0, 1, 0]);
    const names = ["first", "second", "first", "second", "first"];
    assertEquals(answers, names.map((name, index) => [name, { index }]));
    assertEquals([first.calls.length, second.calls.length], [3, 2]);
  });

  test("what a callback throws arrives with its class", async (executor) => {
    const fails = Comlink.proxy(() => {
      throw Object.assign(new RangeError("out of range"), { code: 7 });
    });
    const error = { class: "RangeError", message: "out of range", code: 7 };
    assertEquals(await executor.submit(tasks.catchFrom, fails), error);
    const rejects = Comlink.proxy(() => Promise.reject("no error"));
    assertEquals(await executor.submit(tasks.catchFrom, rejects), "no error");
    // Where the task does not catch it, it is what the task throws.
    await assertRejects(() => executor.submit(tasks.count, 1, fails), RangeError, "out of range");
  });

  test("what cannot cross fails the one call of the callback", async (executor) => {
    const { calls, back } = note((value: unknown) => value);
    const refused = await executor.submit(tasks.catchFrom, back, "function");
    assertStringIncludes(JSON.stringify(refused), "args[0] to a callback: a function cannot be");
    const proxied = await executor.submit(tasks.catchFrom, back, "proxy");
    assertStringIncludes(JSON.stringify(proxied), "Cannot call back with a proxy");
    assertEquals(calls, []);
    const unclonable = Comlink.proxy(() => ({ solver: () => 1 }));
    const result = await executor.submit(tasks.catchFrom, unclonable);
    assertStringIncludes(JSON.stringify(result), '"class":"UnclonableError"');
    assertStringIncludes(JSON.stringify(result), "the result of a callback");
    assertEquals(await executor.submit(tasks.catchFrom, back, "text"), "text");
  });

  test("a call that has ended calls nobody back", async (executor) => {
    const { calls, back } = note((word: string) => word);
    assertEquals(await executor.submit(tasks.leaveBehind, back), "ended");
    assertEquals(await executor.submit(tasks.callKept), "AbortError: The call has ended");
    await settle();
    assertEquals(calls, [["not waited for"]]);
  });

  test("a call that is given up calls nobody back", async (executor) => {
    const { calls, back } = note((n: number) => {
      if (n === 2) future.abort(new RangeError("enough"));
    });
    const future = executor.with({ gracePeriod: Infinity }).submit(tasks.askForEver, back);
    await assertRejects(() => future, RangeError, "enough");
    // Its worker is the only one, and takes this when the code has ended.
    assertEquals(await executor.submit(tasks.lastRefusal), ["RangeError", "enough"]);
    assertEquals(calls, [[0], [1], [2]]);
  });

  test("a call that has taken too long calls nobody back", async (executor) => {
    const { calls, back } = note((_n: number) => new Promise(() => {}));
    const hasty = executor.with({ deadline: 20, gracePeriod: Infinity });
    await assertRejects(() => hasty.submit(tasks.askForEver, back), DeadlineError);
    const [name] = await executor.submit(tasks.lastRefusal) as [string];
    assertEquals(name, "DeadlineError");
    // On a busy machine the time may be over before the first word arrives.
    assertEquals(calls.slice(1), []);
  });

  test("items of a map may hold callbacks", async (executor) => {
    const { calls, back } = note((value: unknown) => value);
    const values = await Array.fromAsync(executor.map(tasks.catchFrom, [back, back, back]));
    assertEquals(values, [undefined, undefined, undefined]);
    assertEquals(calls.length, 3);
  });

  test("a call with a callback is remembered only where that is ignored", async (executor) => {
    const { calls, back } = note((n: number) => n);
    const warnings: unknown[] = [];
    const onWarning = (warning: { readonly cause?: unknown }) => void warnings.push(warning.cause);
    await cacheScope({ cache: createMemoryCache(), onWarning }, async () => {
      assertEquals(await executor.submit(tasks.remembered, 3, back), 6);
      assertEquals(await executor.submit(tasks.remembered, 3, back), 6);
      assertEquals(calls.length, 2);
      const [warning] = warnings;
      assertInstanceOf(warning, IndigestibleError);
      assertEquals(
        warning.message,
        "Cannot digest args[1]: a callback has no digest; name its parameter in `ignore` of the task",
      );
      warnings.length = 0;
      assertEquals(await executor.submit(tasks.ignoring, 3, back), 6);
      const again = executor.submit(tasks.ignoring, 3, back);
      assertEquals([await again, again.hit, calls.length], [6, true, 3]);
      assertEquals(warnings, []);
    });
  });
}

for (const workerType of ["web", "process"] as const) {
  Deno.test(`${workerType}: a worker that dies calls nobody back`, async () => {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const answer = Promise.withResolvers<void>();
    const { calls, back } = note((word: unknown) => word === "and more" ? answer.promise : word);
    await assertRejects(() => executor.submit(tasks.dieAfter, back), WorkerDiedError);
    answer.resolve();
    await settle();
    assertEquals(calls[0], ["last words"]);
    assertEquals(await executor.submit(tasks.catchFrom, back, 1), 1);
  });
}

Deno.test("a worker's own worker calls back through it", async () => {
  await using executor = new Executor({ maxWorkers: 1 });
  const { calls, back } = note((value: unknown) => [value]);
  assertEquals(await executor.submit(tasks.nested, back), ["deep"]);
  assertEquals(calls, [["deep"]]);
});

Deno.test("a callback runs in the scope that the call was made in", async () => {
  await using executor = new Executor({ maxWorkers: 1 });
  const back = Comlink.proxy(() => currentScope()?.tags);
  await cacheScope({ tags: { of: "caller" } }, async () => {
    assertEquals(await executor.submit(tasks.catchFrom, back), { of: "caller" });
  });
});

Deno.test("without a worker a task gets the callback itself", async () => {
  const { calls, back } = note((n: number) => n + 1);
  assertEquals(await tasks.count(2, back), [1, 2]);
  await cacheScope({ cache: createMemoryCache() }, async () => {
    assertEquals(await tasks.ignoring(1, back), 2);
    assertEquals(await tasks.ignoring(1, back), 2);
  });
  assertEquals(calls, [[0], [1], [1]]);
});

Deno.test("wrapExecutor() refuses callbacks, which another pool's workers cannot call", async () => {
  const pool = wrapExecutor(
    { run: (call: BoundCall) => Promise.resolve(call) },
    { method: "run", send: (give, call) => give(call) },
  );
  const back = Comlink.proxy(() => 1);
  const error = await assertRejects(
    () => pool.run(tasks.callAll, [{ one: back, list: [], named: new Map() }, back]),
    UnclonableError,
    'Cannot send args[0].one of "callAll" to a pool: only Quiver\'s own workers call back',
  );
  assertStrictEquals(error.path, "args[0].one");
});

for (const [workerType, calls] of [["web", 5000], ["process", 2000], ["inline", 5000]]) {
  Deno.test(`${workerType}: nothing is left of the callbacks of ${calls} calls`, async () => {
    const entry = new URL("./testdata/callback_main.ts", import.meta.url).href;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...["--allow-read", "--allow-write", "--allow-run", "--allow-env"],
        "--v8-flags=--expose-gc",
        entry,
        `${workerType}`,
        `${calls}`,
      ],
      stderr: "inherit",
    }).output();
    const { kept, grown } = JSON.parse(new TextDecoder().decode(stdout));
    assertEquals(kept, 0);
    // A port, or a proxy, of each call would take 10 kB, and four fifths of the calls are measured.
    for (const bytes of grown) assert(bytes < 500_000, `the heap has grown by ${bytes} bytes`);
  });
}
