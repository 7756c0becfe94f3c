// end-to-end: what reaches a call while it runs, and what it tells back, on every kind of worker
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  cacheScope,
  CancelledError,
  currentSignal,
  DeadlineError,
  Executor,
  ExecutorShutdownError,
  type Future,
  openBag,
  reportProgress,
  task,
} from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/signal_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

/** Resolves when the call says that it runs. */
async function runs(future: Future<unknown>): Promise<void> {
  for await (const { message } of future.progress) if (message === "running") return;
}

/** Waits for what no event tells of. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve));
}

for (const workerType of KINDS) {
  const open = (maxWorkers = 1) => new Executor({ maxWorkers, workerType });
  const test = (name: string, fn: () => Promise<void>) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      // What an inline worker waits for does not keep the event loop alive.
      const alive = setInterval(() => {}, 60_000);
      try {
        await fn();
      } finally {
        clearInterval(alive);
      }
    });

  test("Future.abort() rejects a running call at once, and its signal aborts", async () => {
    await using executor = open();
    const patient = executor.with({ gracePeriod: Infinity });
    const future = patient.submit(tasks.untilAborted);
    await runs(future);
    const reason = Object.assign(new RangeError("too much"), { code: 7 });
    assertEquals([future.state, future.cancel(), future.abort(reason)], ["running", false, true]);
    assertEquals([future.state, future.abort()], ["cancelled", false]);
    assertStrictEquals(await future.catch((error) => error), reason);
    // The reason has crossed as data; the worker was kept, and takes the next call.
    assertEquals(await executor.submit(tasks.lastSeen), ["RangeError", "too much", 7]);
    assertEquals(executor.statistics().lost, 0);
  });

  // executors 26
  test("Future.abort() leaves a call that does not look to its end, and its worker lost", async () => {
    await using executor = open();
    const future = executor.with({ onAbort: "detach", gracePeriod: 0 }).submit(tasks.hang);
    await runs(future);
    future.abort();
    await assertRejects(() => future, CancelledError, 'Cannot finish "hang": the call was aborted');
    assertEquals(executor.statistics().lost, 1);
    // Another worker has taken its place.
    assertEquals(await executor.submit(tasks.echo, 1), 1);
    assertEquals([executor.statistics().lost, executor.statistics().workers], [1, 1]);
    executor.terminate();
  });

  test("ExecutorView.submit() gives up what its signal aborts, running or waiting", async () => {
    await using executor = open();
    const controller = new AbortController();
    const view = executor.with({ signal: controller.signal, gracePeriod: Infinity });
    const [running, waiting] = [view.submit(tasks.untilAborted), view.submit(tasks.echo, 1)];
    await runs(running);
    controller.abort("enough");
    assertEquals(await running.catch((reason) => reason), "enough");
    assertEquals(await waiting.catch((reason) => reason), "enough");
    assertEquals(await executor.submit(tasks.lastSeen), "enough");
  });

  // executors 23
  test("ExecutorView.submit() with an aborted signal starts no worker", async () => {
    await using executor = open();
    const future = executor.with({ signal: AbortSignal.abort("late") }).submit(tasks.echo, 1);
    assertEquals(future.state, "cancelled");
    assertEquals(await future.catch((reason) => reason), "late");
    const { queued, running, idle, workers, lost } = executor.statistics();
    assertEquals([queued, running, idle, workers, lost], [0, 0, 0, 0, 0]);
  });

  // executors 23
  test("Future.cancel() before the worker is there leaves nothing queued", async () => {
    await using executor = open();
    const future = executor.submit(tasks.echo, 1);
    assertEquals(future.cancel(), true);
    await assertRejects(() => future, CancelledError);
    assertEquals(executor.statistics().queued, 0);
    assertEquals(await executor.submit(tasks.echo, 2), 2);
  });

  // executors 25
  test("Future.cancel() right after a call was sent to a warm worker takes it back", async () => {
    await using executor = open();
    const name = await executor.submit(tasks.whoAmI);
    const future = executor.with({ onAbort: "detach" }).submit(tasks.echo, 1);
    future.abort("not that one");
    assertEquals(await future.catch((reason) => reason), "not that one");
    await until(() => executor.statistics().lost === 0);
    assertEquals(await executor.submit(tasks.whoAmI), name);
  });

  // executors 27
  test("Future.cancel() is true for what waits, false for what runs; callbacks come once", async () => {
    await using executor = open();
    const running = executor.with({ gracePeriod: Infinity }).submit(tasks.untilAborted);
    const pending = executor.submit(tasks.echo, 1);
    let calls = 0;
    pending.onDone(() => calls++);
    await runs(running);
    assertEquals([running.cancel(), pending.cancel(), pending.cancel()], [false, true, true]);
    await assertRejects(() => pending, CancelledError);
    assertEquals(calls, 1);
    running.abort();
    await assertRejects(() => running, CancelledError);
  });

  test("a deadline gives up its call only, and tells it so", async () => {
    await using executor = open();
    const hasty = executor.with({ deadline: 20, gracePeriod: Infinity });
    const late = hasty.submit(tasks.untilAborted);
    const others = [1, 2, 3].map((n) => executor.submit(tasks.echo, n));
    const error = await assertRejects(() => late, DeadlineError);
    assertEquals(
      [error.message, error.deadline],
      ['Cannot finish "untilAborted" within 20 ms of its start', 20],
    );
    assertEquals(await Promise.all(others), [1, 2, 3]);
    const [name] = await executor.submit(tasks.lastSeen) as string[];
    assertEquals(name, "DeadlineError");
  });

  test("a deadline leaves a quick call alone, and its timer does not stay", async () => {
    await using executor = open();
    const view = executor.with({ deadline: 60_000 });
    assertEquals(await view.submit(tasks.echo, "quick"), "quick");
    await assertRejects(() => view.submit(tasks.echo, (() => 1) as never));
  });

  test('onAbort: "terminate" ends the worker of a call that does not end', async () => {
    await using executor = open();
    const future = executor.with({ onAbort: "terminate", gracePeriod: 0 }).submit(tasks.hang);
    await runs(future);
    future.abort("away");
    assertEquals(await future.catch((reason) => reason), "away");
    assertEquals(executor.statistics().workers, 0);
    // An inline worker shares its thread with us: nothing can end what it waits for.
    if (workerType !== "inline") await until(() => executor.statistics().lost === 0);
    assertEquals(await executor.submit(tasks.echo, 1), 1);
    executor.terminate();
  });

  // executors 26
  test("a call that was given up still fills the cache", async () => {
    const folder = await Deno.makeTempDir();
    {
      await using bag = await openBag(`${folder}/results.bag`);
      await using executor = open(2);
      await cacheScope({ cache: bag }, async () => {
        const impatient = executor.with({ onAbort: "detach", gracePeriod: 0 });
        const given = impatient.submit(tasks.gated, folder);
        await runs(given);
        given.abort("no patience");
        assertEquals(await given.catch((reason) => reason), "no patience");
        assertEquals(executor.statistics().lost, 1);
        await Deno.writeTextFile(`${folder}/go`, "");
        // It waits for the one that was given up, which holds the lease.
        const again = executor.submit(tasks.gated, folder);
        assertEquals(await again, "through the gate");
        assertEquals(again.hit, true);
      });
    }
    await Deno.remove(folder, { recursive: true });
  });

  test("currentSignal() of a task that a task calls follows the outer call", async () => {
    await using executor = open();
    const future = executor.with({ gracePeriod: Infinity }).submit(tasks.nestedUntilAborted);
    await runs(future);
    future.abort("both");
    assertEquals(await future.catch((reason) => reason), "both");
    assertEquals(await executor.submit(tasks.lastSeen), "both");
  });

  test("reportProgress() reaches the future's progress in order, and the last word arrives", async () => {
    await using executor = open();
    const future = executor.submit(tasks.climb);
    const seen = await Array.fromAsync(future.progress);
    assertEquals(seen.at(-1), { message: "climbing", fraction: 1 });
    assertEquals(await future, "up");
    assertEquals(future.progress.latest, { message: "climbing", fraction: 1 });
    assertEquals(await Array.fromAsync(future.progress), [{ message: "climbing", fraction: 1 }]);
  });

  test("reportProgress() a hundred thousand times sends few messages", async () => {
    await using executor = open();
    const future = executor.submit(tasks.reportOften, 100_000);
    let messages = 0;
    for await (const _ of future.progress) messages++;
    await future;
    assert(messages < 5000, `${messages} messages came`);
    assertEquals(future.progress.latest, { fraction: 1 });
  });

  test("Executor.terminate() aborts the signals of the calls that run", async () => {
    const executor = open();
    const future = executor.submit(
      workerType === "web" ? tasks.spinUntilAborted : tasks.untilAborted,
    );
    await runs(future);
    executor.terminate();
    await assertRejects(() => future, ExecutorShutdownError, "was shut down");
    // Were the task not told, the wait for its thread would end in a warning.
    await executor.shutdown();
  });
}

Deno.test("currentSignal() of a call made here aborts with its future", async () => {
  const reasons: unknown[] = [];
  const wait = task(import.meta, async (): Promise<void> => {
    const signal = currentSignal();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    reasons.push(signal.reason);
  }, { name: "wait" });
  const future = wait();
  assertEquals([future.cancel(), future.abort("here")], [false, true]);
  assertEquals(await future.catch((reason) => reason), "here");
  assertEquals(reasons, ["here"]);
});

Deno.test("currentSignal() and reportProgress() outside of a call do no harm", () => {
  assertEquals(currentSignal().aborted, false);
  reportProgress(0.5);
  reportProgress("nobody listens");
  assertThrows(() => reportProgress(1.5), RangeError, "from 0 to 1");
  assertThrows(() => reportProgress(NaN), RangeError);
  assertThrows(() => reportProgress({} as never), TypeError, "a number from 0 to 1 or a text");
});

Deno.test("currentSignal() of a call on a web worker aborts in a loop that never awaits", async () => {
  await using executor = new Executor({ maxWorkers: 1 });
  const future = executor.with({ gracePeriod: Infinity }).submit(tasks.spinUntilAborted);
  await runs(future);
  future.abort("stop");
  assertEquals(await future.catch((reason) => reason), "stop");
  const [name] = await executor.submit(tasks.lastSeen) as string[];
  assertEquals(name, "DOMException");
});

for (const onAbort of ["detach", "terminate"] as const) {
  Deno.test(`a blocked web worker is lost under "${onAbort}" until it returns`, async () => {
    await using executor = new Executor({ maxWorkers: 1 });
    const memory = new SharedArrayBuffer(4);
    const future = executor.with({ onAbort }).submit(tasks.block, memory);
    await runs(future);
    const ahead = executor.submit(tasks.echo, "ahead");
    future.abort("give up");
    assertEquals(await future.catch((reason) => reason), "give up");
    assertEquals(await ahead, "ahead");
    assertEquals([executor.statistics().lost, executor.statistics().workers], [1, 1]);
    Atomics.store(new Int32Array(memory), 0, 1);
    Atomics.notify(new Int32Array(memory), 0);
    await until(() => executor.statistics().lost === 0);
    assertEquals(executor.statistics().workers, 1);
  });
}

Deno.test("Executor.shutdown() names a thread that cannot be stopped, and the program can end", async () => {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", new URL("./testdata/stuck_main.ts", import.meta.url).href],
    env: { NO_COLOR: "1" },
  }).output();
  assertEquals(code, 7);
  const text = new TextDecoder().decode(stderr);
  assertStringIncludes(
    text,
    'Warning: Cannot stop worker "quiver-worker-1": it still runs "block", and the program may not ' +
      "end by itself before that returns; end it by `Deno.exit()`",
  );
});

Deno.test("Executor.with() names what is wrong with an option", async () => {
  await using executor = new Executor({ workerType: "inline" });
  assertThrows(() => executor.with({ prority: 1 } as never), TypeError, '"prority"');
  assertThrows(() => executor.with({ signal: {} as never }), TypeError, "not an AbortSignal");
  assertThrows(() => executor.with({ onAbort: "kill" as never }), TypeError, '"kill"');
  assertThrows(() => executor.with({ deadline: -1 }), RangeError, "`deadline`");
  assertThrows(() => executor.with({ deadline: "1" as never }), TypeError, "`deadline`");
  assertThrows(() => executor.with({ gracePeriod: NaN }), RangeError, "`gracePeriod`");
  assertThrows(() => executor.with({ priority: 0.5 }), RangeError, "`priority`");
  assertThrows(() => executor.with({ retries: -1 }), RangeError, "`retries`");
});

Deno.test("ExecutorView.with() adds to the options, and map() uses them", async () => {
  const executor = new Executor({ workerType: "inline" });
  const view = executor.with({ deadline: 10 }).with({ onAbort: "detach" });
  assertEquals(view.maxWorkers, executor.maxWorkers);
  assertEquals(await Array.fromAsync(view.map(tasks.echo, [1, 2])), [1, 2]);
  const error = await view.submit(tasks.hang).catch((error) => error);
  assertInstanceOf(error, DeadlineError);
  executor.terminate();
});

Deno.test("ExecutorView.submit() leaves no listener on its signal", async () => {
  await using executor = new Executor({ workerType: "inline" });
  const signal = new AbortController().signal;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  Object.assign(signal, {
    addEventListener: (...args: Parameters<typeof add>) => (listeners++, add(...args)),
    removeEventListener: (...args: Parameters<typeof remove>) => (listeners--, remove(...args)),
  });
  const future = executor.with({ signal }).submit(tasks.echo, 1);
  assertEquals(listeners, 1);
  await future;
  await Promise.resolve();
  assertEquals(listeners, 0);
});

for (const workerType of KINDS) {
  Deno.test(`${workerType}: Executor.map() tells how far the calls are that run`, async () => {
    await using executor = new Executor({ maxWorkers: 1, workerType });
    const log: (number | string | undefined)[] = [];
    let settled = 0;
    await Array.fromAsync(executor.map(tasks.climbTo, [1, 2], {
      progress: {
        start: (total) => log.push(total),
        update: () => log.push(`settled ${++settled}`),
        report: (running) => {
          // Never more than there are calls.
          assert(settled + running <= 2, `${settled} settled, ${running} running`);
          log.push(running);
        },
        stop: () => log.push("stop"),
      },
    }));
    assertEquals([log[0], log.at(-2), log.at(-1)], [2, "settled 2", "stop"]);
    assert(log.includes(0.5), `the reports were ${log}`);
  });
}
