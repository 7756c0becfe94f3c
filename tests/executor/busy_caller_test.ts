// end-to-end: what ends while its caller is busy has ended in time, whatever timers say afterwards
import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  asCompleted,
  cacheScope,
  DeadlineError,
  Executor,
  type ExecutorOptions,
  type Future,
  openBag,
  wait,
} from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { beBusy, type Meet, together } from "../together.ts";
import { settle } from "./fake_workers.ts";
import { openSharedFolder, until } from "./_shared_folder.ts";
import * as tasks from "./testdata/busy_tasks.ts";

leaveNothing();

/** How long the caller is busy, in milliseconds. */
const BUSY = 1500;
/** What passes meanwhile: what a call may take, say. */
const LIMIT = 800;
/** What is over long before: what the call takes. */
const MOMENT = 200;

/** How a case waits for the others. */
interface Busy {
  /** Until all have come so far: what follows is to be on its way when their caller begins to be busy. */
  ready(): Promise<void>;
  /** Until all have come so far, and their caller has been busy. */
  busy(): Promise<void>;
}

type Kind = "web" | "process";
type Case = (
  open: (options?: ExecutorOptions) => Executor,
  busy: Busy,
  kind: Kind,
) => Promise<void>;

/** Declares a test whose cases share a caller, on each kind of worker, which is busy once. */
function test(name: string, cases: { readonly [name: string]: Case }): void {
  const ofEachKind = Object.entries(cases).flatMap(([name, run]) =>
    (["web", "process"] as const).map((workerType) => {
      const open = (options = {}) => new Executor({ maxWorkers: 1, workerType, ...options });
      return [
        `${workerType}: ${name}`,
        (meet: Meet) =>
          run(open, { ready: meet, busy: () => meet(() => beBusy(BUSY)) }, workerType),
      ] as const;
    })
  );
  Deno.test(name, () => together(Object.fromEntries(ofEachKind)));
}

/** Resolves when the call says that it runs. */
async function runs(future: Future<unknown>): Promise<void> {
  for await (const { message } of future.progress) if (message === "running") return;
}

/** A call that ends within its deadline, which has passed when its caller looks. */
function inTime(task: typeof tasks.rest): Case {
  return async (open, { ready, busy }) => {
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    await ready();
    const call = executor.with({ deadline: LIMIT }).submit(task, MOMENT);
    await runs(call);
    await busy();
    assertEquals(await call, await executor.submit(task, 0));
  };
}

test("a deadline holds for the call, not for a busy caller", {
  rest: inTime(tasks.rest),
  work: inTime(tasks.work),

  async "a call that is remembered"(open, { ready, busy }) {
    await using folder = await openSharedFolder();
    await using bag = await openBag(`${folder.path}/bag`);
    await using executor = open();
    await cacheScope({ cache: bag }, async () => {
      await executor.submit(tasks.traced, folder.path, 0);
      await ready();
      const call = executor.with({ deadline: LIMIT }).submit(tasks.traced, folder.path, MOMENT);
      await runs(call);
      await busy();
      assertEquals([await call, call.hit], ["traced", false]);
    });
  },
});

/** A call that takes longer than its deadline, and ends before its caller looks. */
function tooLate(task: typeof tasks.rest): Case {
  return async (open, { ready, busy }) => {
    await using executor = open();
    const me = await executor.submit(tasks.whoAmI);
    await ready();
    const call = executor.with({ deadline: 300 }).submit(task, LIMIT);
    await runs(call);
    await busy();
    const error = await assertRejects(() => call, DeadlineError);
    assertEquals(error.message, `Cannot finish "${task.name}" within 300 ms of its start`);
    // It has ended by itself, so that there is nothing to end.
    assertEquals([await executor.submit(tasks.whoAmI), executor.statistics().lost], [me, 0]);
  };
}

test("a deadline holds for a call that nobody watched meanwhile", {
  rest: tooLate(tasks.rest),
  work: tooLate(tasks.work),
});

/** A map whose items end before their signal fires. */
function mapped(ordered: boolean): Case {
  return async (open, { ready, busy }) => {
    await using executor = open();
    await Array.fromAsync(executor.map(tasks.rest, [0, 0], { chunkSize: 2 }));
    await ready();
    const options = { signal: AbortSignal.timeout(LIMIT), chunkSize: 2, ordered };
    const results = Array.fromAsync(executor.map(tasks.rest, [MOMENT, MOMENT], options));
    await until(() => executor.statistics().running === 1);
    await busy();
    assertEquals(await results, ["rested", "rested"]);
    assertEquals(executor.statistics().lost, 0);
  };
}

test("AbortSignal.timeout() leaves what ended before its caller looked", {
  async "a call"(open, { ready, busy }) {
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    await ready();
    const signal = AbortSignal.timeout(LIMIT);
    const call = executor.with({ signal }).submit(tasks.rest, MOMENT);
    await runs(call);
    await busy();
    assertEquals(await call, "rested");
    const late = executor.with({ signal: AbortSignal.timeout(100) }).submit(tasks.obey);
    const error = await assertRejects(() => late, DOMException);
    assertEquals(error.name, "TimeoutError");
  },

  async "a large result on its way"(open, { ready, busy }) {
    await using executor = open();
    await executor.submit(tasks.whoAmI);
    await ready();
    const call = executor.with({ signal: AbortSignal.timeout(LIMIT) }).submit(tasks.giveLarge, 4e6);
    await runs(call);
    await busy();
    assertEquals((await call).length, 4e6);
  },

  "an ordered map": mapped(true),
  "a map in the order of its ends": mapped(false),
});

test("what a busy caller waits for with a limit has ended when it has ended", {
  async "AbortSignal.timeout() ends a map after the results that are there"(
    open,
    { ready, busy },
  ) {
    await using executor = open();
    await Array.fromAsync(executor.map(tasks.rest, [0, 0], { chunkSize: 2 }));
    const given: string[] = [];
    const items = [10, MOMENT, BUSY + LIMIT, 10];
    await ready();
    const signal = AbortSignal.timeout(LIMIT);
    const error = await assertRejects(async () => {
      for await (const result of executor.map(tasks.rest, items, { signal, chunkSize: 4 })) {
        if (given.push(result) > 1) continue;
        await ready();
        await busy();
      }
    }, DOMException);
    assertEquals([given, error.name], [["rested", "rested"], "TimeoutError"]);
    await executor.shutdown();
    // What had begun went on to its end, and the last had not begun.
    assertEquals(executor.statistics().completed, 5);
  },

  async "a call that obeys within its grace period keeps its worker"(open, { ready, busy }) {
    await using executor = open();
    const me = await executor.submit(tasks.whoAmI);
    const options = { onAbort: "terminate", gracePeriod: LIMIT } as const;
    await ready();
    const call = executor.with(options).submit(tasks.obey);
    await runs(call);
    await ready();
    call.abort("enough");
    await busy();
    assertEquals(await call.catch((reason) => reason), "enough");
    assertEquals([await executor.submit(tasks.whoAmI), executor.statistics().lost], [me, 0]);
  },

  async "Executor.shutdown() kills no worker that ends in time"(open, { ready, busy }) {
    const executor = open({ gracePeriod: LIMIT });
    await executor.submit(tasks.whoAmI);
    await ready();
    await ready();
    const ended = executor.shutdown();
    // The worker is told to end.
    await settle();
    await busy();
    await ended;
    assertEquals(executor.statistics().ended, { shutdown: 1 });
  },

  async "wait() and asCompleted() count what has ended"(open, { ready, busy }) {
    await using executor = open({ maxWorkers: 2 });
    await Promise.all([executor.submit(tasks.rest, 10), executor.submit(tasks.rest, 10)]);
    await ready();
    const calls = [executor.submit(tasks.rest, MOMENT), executor.submit(tasks.rest, MOMENT)];
    await Promise.all(calls.map(runs));
    await ready();
    const waiting = wait(calls, { timeout: LIMIT });
    const completed = Array.fromAsync(asCompleted(calls, { timeout: LIMIT }));
    await busy();
    const { done, pending } = await waiting;
    assertEquals([done.size, pending.size, (await completed).length], [2, 0, 2]);
  },
});

test("what a busy caller waits for without a call has ended when it has ended", {
  async "a call waits for another that was done before `leaseTimeout`"(open, { ready, busy }) {
    await using folder = await openSharedFolder();
    await using bag = await openBag(`${folder.path}/bag`);
    // To another cache of the same bag the one that computes is another program's.
    await using other = await openBag(`${folder.path}/bag`);
    await using executor = open();
    await cacheScope({ cache: bag }, () => executor.submit(tasks.traced, folder.path, 0));
    await ready();
    const [first] = await cacheScope({ cache: bag }, () => [
      executor.submit(tasks.traced, folder.path, MOMENT),
    ]);
    await until(() => first.state === "running");
    const [second] = await cacheScope(
      { cache: other, leaseTimeout: LIMIT, strict: true },
      () => [tasks.traced(folder.path, MOMENT)],
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
    await ready();
    await busy();
    assertEquals([await first, await second], ["traced", "traced"]);
    const runCount = [...Deno.readDirSync(folder.path)].filter(({ name }) => name.endsWith(".run"));
    assertEquals([runCount.length, second.hit], [2, true]);
  },

  async "a worker that was ready before its caller looked has started"(_, { ready, busy }, kind) {
    const { open } = await import("./testdata/open_test_worker.ts");
    {
      // The first has its entry type-checked, which takes longer.
      await using _first = await open(kind, 60_000);
    }
    await ready();
    await ready();
    const worker = open(kind, LIMIT);
    await new Promise((resolve) => setTimeout(resolve));
    await busy();
    await using _worker = await worker;
    assert(_worker.room > 0);
  },
});
