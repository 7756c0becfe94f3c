// end-to-end: what tasks throw, and what cannot travel, on every kind of worker
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  CancelledError,
  DeadlineError,
  Executor,
  ExecutorShutdownError,
  type Future,
  QuiverError,
  UnclonableError,
  WorkerDiedError,
} from "@quiver/quiver";
import { registerError } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/error_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

for (const workerType of KINDS) {
  const open = () => new Executor({ maxWorkers: 1, workerType });
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  /** What a future rejects with. */
  const thrownBy = async (future: Future<unknown>): Promise<unknown> => {
    const [result] = await Promise.allSettled([future]);
    assert(result.status === "rejected");
    return result.reason;
  };

  test("a registered class arrives as itself, its causes too", async () => {
    await using executor = open();
    const error = await thrownBy(executor.submit(tasks.throwIt, "diverged"));
    assertInstanceOf(error, tasks.DivergedError);
    assertInstanceOf(error, RangeError);
    assertEquals([error.name, error.message], ["DivergedError", "diverged in step 3"]);
    assertEquals([error.step, error.next], [3, 4]);
    assertStringIncludes(error.stack ?? "", "error_tasks.ts");
    assertInstanceOf(error.cause, tasks.SecretError);
    assertEquals([error.cause.secret, error.cause.cause], ["hidden", "text"]);
    const secret = await thrownBy(executor.submit(tasks.throwIt, "secret"));
    assertInstanceOf(secret, tasks.SecretError);
    assertEquals(secret.secret, "open");
    assertStringIncludes(secret.stack ?? "", "error_tasks.ts");
  });

  // executors 19
  test("an error that its class cannot restore rejects with the reason, and the worker lives", async () => {
    await using executor = open();
    const error = await thrownBy(executor.submit(tasks.throwIt, "unreadable"));
    assertInstanceOf(error, QuiverError);
    assertStringIncludes(
      error.message,
      'Cannot restore a thrown "tests.SecretError" as its `fromFields` failed: ' +
        "TypeError: no way to read it",
    );
    assertInstanceOf(error.cause, Error);
    assertEquals(error.cause.message, "it is a secret");
    assertEquals(await executor.submit(tasks.double, 2), 4);
  });

  // executors 17
  test("a reason whose decoder throws in the worker arrives readable, and the worker lives", async () => {
    await using executor = open();
    const future = executor.with({ gracePeriod: Infinity }).submit(tasks.waitForReason);
    for await (const { message } of future.progress) if (message === "running") break;
    future.abort(new tasks.SecretError("unreadable"));
    await thrownBy(future);
    const seen = await executor.submit(tasks.seenReason);
    assert(Array.isArray(seen));
    assertEquals(seen[0], "QuiverError");
    assertStringIncludes(String(seen[1]), "TypeError: no way to read it");
  });

  test("an unknown class arrives as the built-in one it extends, with name and fields", async () => {
    await using executor = open();
    const error = await thrownBy(executor.submit(tasks.throwIt, "http"));
    assertInstanceOf(error, TypeError);
    assertEquals([error.name, Reflect.get(error, "status")], ["HttpError", 404]);
    const dom = await thrownBy(executor.submit(tasks.throwIt, "dom"));
    assertInstanceOf(dom, DOMException);
    assertEquals([dom.name, dom.message], ["DataError", "data"]);
  });

  // executors 14
  test("chains of causes and lists of errors arrive whole", async () => {
    await using executor = open();
    const error = await thrownBy(executor.submit(tasks.throwIt, "chain"));
    assertInstanceOf(error, Error);
    assertInstanceOf(error.cause, TypeError);
    assertEquals(error.cause.message, "middle");
    assertInstanceOf(error.cause.cause, Error);
    assertEquals(error.cause.cause.message, "inner");
    assertStringIncludes(error.cause.cause.stack ?? "", "error_tasks.ts");
    const aggregate = await thrownBy(executor.submit(tasks.throwIt, "aggregate"));
    assertInstanceOf(aggregate, AggregateError);
    assertInstanceOf(aggregate.errors[0], tasks.DivergedError);
    assertInstanceOf(aggregate.errors[1], TypeError);
    assertEquals(aggregate.errors[2], "text");
    const cyclic = await thrownBy(executor.submit(tasks.throwIt, "cyclic"));
    assertInstanceOf(cyclic, Error);
    assertInstanceOf(cyclic.cause, Error);
    assert(cyclic.cause.cause === cyclic);
  });

  test("what is thrown and is no error arrives as what it is, or as its text", async () => {
    await using executor = open();
    const thrown = (how: string) => thrownBy(executor.submit(tasks.throwIt, how));
    assertEquals(await thrown("undefined"), undefined);
    assertEquals(await thrown("text"), "text");
    assertEquals(await thrown("object"), { code: 1, list: [1, 2] });
    assertEquals(await thrown("function"), "function thrown() {}");
    assertEquals(await thrown("symbol"), "Symbol(thrown)");
  });

  test("fields that cannot travel arrive as texts beside the others", async () => {
    await using executor = open();
    const getter = await thrownBy(executor.submit(tasks.throwIt, "getter"));
    assertInstanceOf(getter, Error);
    assertEquals(getter.message, "with a getter");
    assertEquals(Reflect.get(getter, "bad"), "[getter threw: Error: not to be read]");
    const error = await thrownBy(executor.submit(tasks.throwIt, "unclonable"));
    assertInstanceOf(error, Error);
    assertEquals(Reflect.get(error, "code"), 5);
    assertEquals(Object.keys(Object(Reflect.get(error, "request"))), ["retry"]);
  });

  test("the stack has the worker's frames, and then those of who awaits the call", async () => {
    await using executor = open();
    async function whoAwaits(): Promise<void> {
      await executor.submit(tasks.throwLater);
    }
    const error = await whoAwaits().catch((error) => error);
    assertInstanceOf(error, RangeError);
    assertMatch(
      error.stack ?? "",
      /error_tasks\.ts.*\n {4}in worker "quiver-worker-1", called by\n {4}at async whoAwaits \(.*errors_test\.ts/s,
    );
    const unheard = executor.submit(tasks.throwIt, "http");
    unheard.catch(() => {});
    assertStringIncludes(
      String(Reflect.get(Object(await thrownBy(unheard)), "stack")),
      '\n    in worker "quiver-worker-1"',
    );
  });

  // executors 15
  test("an argument that cannot travel rejects before a worker starts, and leaves a warm one be", async () => {
    await using executor = open();
    const argument = { solver: { callback: () => 1 } };
    for (const workers of [0, 1]) {
      const error = await assertRejects(
        () => executor.submit(tasks.double, argument as never),
        UnclonableError,
        'Cannot send args[0].solver.callback of "double" to a worker: a function cannot be cloned',
      );
      assertEquals(error.path, "args[0].solver.callback");
      assertEquals(executor.statistics().workers, workers);
      assertEquals(await executor.submit(tasks.double, 2), 4);
    }
  });

  // executors 18
  test("a result that cannot travel names its path, and the worker lives", async () => {
    await using executor = open();
    const error = await assertRejects(
      () => executor.submit(tasks.giveFunction),
      UnclonableError,
      "Cannot send result.list[0].callback back from a worker: a function cannot be cloned",
    );
    assertEquals(error.path, "result.list[0].callback");
    assertEquals(await executor.submit(tasks.double, 2), 4);
    assertEquals(executor.statistics().workers, 1);
  });

  // executors 22
  test("an async function is a task like any other", async () => {
    await using executor = open();
    assertEquals(await executor.submit(tasks.doubleLater, 4), 8);
  });

  test("Executor.terminate() kills: the error says that the executor was shut down", async () => {
    const executor = open();
    const future = executor.submit(tasks.waitForReason);
    for await (const { message } of future.progress) if (message === "running") break;
    executor.terminate();
    await assertRejects(() => future, ExecutorShutdownError, "was shut down");
    await executor.shutdown();
  });
}

Deno.test("registerError() names what it cannot take", () => {
  class Other extends Error {}
  assertThrows(() => registerError(Date as never), TypeError, '"Date": it does not extend Error');
  assertThrows(() => registerError(undefined as never), TypeError, "does not extend Error");
  assertThrows(() => registerError(Other, { nam: "x" } as never), TypeError, '"nam" is not');
  assertThrows(() => registerError(Other, { name: "DivergedError" }), TypeError, "another class");
  assertThrows(() => registerError(Other, { name: "TypeError" }), TypeError, "another class");
  assertThrows(() => registerError(class extends Error {}, { name: "" }), TypeError, "no name");
  assertEquals(registerError(tasks.DivergedError), tasks.DivergedError);
});

Deno.test("a call that does not end as its task would have it says which of four ways it went", async () => {
  const executor = new Executor({ maxWorkers: 4 });
  const runs = async (future: Future<unknown>) => {
    for await (const { message } of future.progress) if (message === "running") break;
  };
  const crashed = await assertRejects(() => executor.submit(tasks.exit), WorkerDiedError);
  assertEquals(crashed.ending, "crashed");
  const late = executor.with({ deadline: 1 }).submit(tasks.waitForReason);
  assertEquals((await assertRejects(() => late, DeadlineError)).deadline, 1);
  const cancelled = executor.submit(tasks.waitForReason);
  await runs(cancelled);
  cancelled.abort();
  await assertRejects(() => cancelled, CancelledError);
  const killed = executor.submit(tasks.waitForReason);
  await runs(killed);
  executor.terminate();
  await assertRejects(() => killed, ExecutorShutdownError);
  await executor.shutdown();
});
