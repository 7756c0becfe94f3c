// collaboration: wait, asCompleted and batched with futures that settle when the test says so
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { asCompleted, CancelledError, Executor, wait } from "@quiver/quiver";
import { Future } from "../../src/task/future.ts";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

/** A future and what settles it. */
interface Controlled {
  readonly future: Future<number>;
  readonly resolve: (value: number) => void;
  readonly reject: (reason: unknown) => void;
}

function create(name: string): Controlled {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  return { future: new Future(name, () => promise), resolve, reject };
}

function createAll(count: number): Controlled[] {
  return Array.from({ length: count }, (_, index) => create(`call ${index}`));
}

/** Resolves when all that can settle has. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

function names(futures: Iterable<Future<unknown>>): string {
  return [...futures].map(({ name }) => name.slice(-1)).join("");
}

// executors 71
Deno.test("wait() returns when all have settled, failed ones included", async () => {
  const [a, b, c] = createAll(3) as [Controlled, Controlled, Controlled];
  b.reject(new Error("before"));
  const waiting = wait([a.future, b.future, c.future, a.future]);
  c.resolve(1);
  a.reject(new Error("later"));
  const { done, pending } = await waiting;
  assertEquals([names(done), names(pending)], ["120", ""]);
  assertEquals(await wait([]), { done: new Set(), pending: new Set() });
});

// executors 71
Deno.test('wait({ until: "first" }) returns when one has settled, with all that have', async () => {
  const calls = createAll(4);
  const futures = calls.map(({ future }) => future);
  const waiting = wait(futures, { until: "first" });
  calls[2]?.resolve(1);
  const { done, pending } = await waiting;
  assertEquals([names(done), names(pending)], ["2", "013"]);
  calls[3]?.reject(new Error("failed"));
  calls[1]?.future.cancel();
  await settle();
  const again = await wait(futures, { until: "first" });
  await settle();
  assertEquals([names(again.done), names(again.pending)], ["123", "0"]);
});

// executors 71
Deno.test('wait({ until: "firstError" }) returns at an error, not at a cancellation', async () => {
  const calls = createAll(4);
  const futures = calls.map(({ future }) => future);
  const waiting = wait(futures, { until: "firstError" });
  calls[0]?.resolve(1);
  calls[1]?.future.cancel();
  await settle();
  calls[3]?.reject(new Error("failed"));
  const { done, pending } = await waiting;
  assertEquals([names(done), names(pending)], ["103", "2"]);
  const failed = await wait(futures, { until: "firstError" });
  assertEquals([names(failed.done), names(failed.pending)], ["013", "2"]);
  const none = wait([futures[0], futures[2]] as Future<number>[], { until: "firstError" });
  calls[2]?.resolve(2);
  assertEquals(names((await none).done), "02");
});

Deno.test("wait() in a loop gives each once, whatever is done with what it returned", async () => {
  const settling = () => Array.from({ length: 12 }, () => Promise.withResolvers<number>());
  const ways: readonly ((pending: Set<Promise<number>>) => Iterable<Promise<number>>)[] = [
    (pending) => pending,
    (pending) => [...pending],
    (pending) => [...pending].reverse(),
    (pending) => (pending.delete([...pending][1] ?? never), pending.add(never)),
    (pending) => pending.values(),
  ];
  const never = new Promise<number>(() => {});
  for (const [way, again] of ways.entries()) {
    for (const until of ["first", "firstError"] as const) {
      const [all, others] = [settling(), settling()];
      const promises = all.map(({ promise }) => promise);
      for (const promise of promises) promise.catch(() => {});
      let pending = new Set(promises);
      let beside = new Set(others.map(({ promise }) => promise));
      const taken: Promise<number>[] = [];
      for (const [n, { resolve, reject }] of all.entries()) {
        const state = new Set(pending);
        const given = pending;
        if (n % 3 === 2) await Promise.all(Array.from({ length: 40 }, () => undefined));
        const waiting = wait(again(pending), { until, timeout: 5 });
        const unchanged = new Set(given);
        if (until === "first") resolve(n);
        else reject(new Error(`${n}`));
        const other = wait(beside, { until: "first" });
        others[n]?.resolve(n);
        const result = await waiting;
        ({ pending: beside } = await other);
        assertEquals([...given], [...unchanged], `${way}: what was returned has changed`);
        pending = result.pending;
        taken.push(...result.done);
        assertEquals(new Set([...result.done].filter((one) => pending.has(one))), new Set());
        if (way < 3) assertEquals(result.done.size + pending.size, state.size);
      }
      if (way < 3) assertEquals([pending.size, new Set(taken)], [0, new Set(promises)]);
      assertEquals(taken.length, new Set(taken).size);
      assertEquals(beside.size, 0);
    }
  }
});

Deno.test("wait() returns the state of its timeout, which no longer changes", async () => {
  const [a, b] = createAll(2) as [Controlled, Controlled];
  a.resolve(1);
  const { done, pending } = await wait([a.future, b.future], { timeout: 0 });
  b.resolve(2);
  await settle();
  assertEquals([names(done), names(pending)], ["0", "1"]);
});

Deno.test("wait() and asCompleted() end with the signal's reason", async () => {
  const [{ future }] = createAll(1) as [Controlled];
  const controller = new AbortController();
  const { signal } = controller;
  const waiting = wait([future], { signal });
  const completing = asCompleted([future], { signal }).next();
  controller.abort(new Error("enough"));
  await assertRejects(() => waiting, Error, "enough");
  await assertRejects(() => completing, Error, "enough");
  await assertRejects(() => wait([future], { signal }), Error, "enough");
});

Deno.test("wait() and asCompleted() name a wrong option, and what is no future", async () => {
  await assertRejects(() => wait([], { until: "some" as never }), TypeError, "first, firstError");
  await assertRejects(() => wait([1 as never]), TypeError, "futures[0]");
  await assertRejects(() => wait([], { timeout: -1 }), RangeError, "timeout");
  assertThrows(() => asCompleted([Promise.resolve(), {} as never]), TypeError, "futures[1]");
  assertThrows(() => asCompleted([], { timeout: NaN }), RangeError, "timeout");
});

// executors 70
Deno.test("asCompleted() gives each once: those that have settled first, then as they do", async () => {
  const calls = createAll(5);
  const [a, b, c, d] = calls.map(({ future }) => future) as [
    Future<number>,
    Future<number>,
    Future<number>,
    Future<number>,
  ];
  calls[3]?.resolve(4);
  c.cancel();
  await d;
  const completing = asCompleted([a, b, c, d, a, d]);
  const statuses: string[] = [];
  const order: Future<number>[] = [];
  for await (const { future, status } of completing) {
    order.push(future);
    statuses.push(status);
    if (order.length === 2) calls[1]?.reject(new Error("failed"));
    if (order.length === 3) calls[0]?.resolve(1);
  }
  assertEquals(names(order), "2310");
  assertEquals(order.map(({ state }) => state), ["cancelled", "done", "done", "done"]);
  assertEquals(statuses, ["rejected", "fulfilled", "rejected", "fulfilled"]);
  await assertRejects(() => c, CancelledError);
  assertEquals((await Array.fromAsync(asCompleted([]))).length, 0);
});

// executors 70
Deno.test("asCompleted({ timeout: 0 }) gives those that have settled, then throws", async () => {
  const calls = createAll(3);
  calls[1]?.resolve(1);
  calls[2]?.reject(new Error("failed"));
  const order: Future<number>[] = [];
  const error = await assertRejects(async () => {
    const futures = calls.map(({ future }) => future);
    for await (const { future } of asCompleted(futures, { timeout: 0 })) order.push(future);
  }, DOMException);
  assertEquals([names(order), error.name], ["12", "TimeoutError"]);
  assertEquals(error.message, "Cannot wait longer than 0 ms: 1 of 3 futures are pending");
});

Deno.test("asCompleted() ends when the loop is left", async () => {
  const calls = createAll(2);
  calls[0]?.resolve(1);
  const completing = asCompleted(calls.map(({ future }) => future), { timeout: 60_000 });
  for await (const _ of completing) break;
  assertEquals(await completing.next(), { value: undefined, done: true });
});

// executors 81
Deno.test("Executor.batched() groups ten futures by threes as they are done", async () => {
  await using executor = new Executor({ workerType: "inline" });
  const calls = createAll(10);
  const groups = executor.batched(calls.map(({ future }) => future), 3);
  const order = [7, 1, 9, 0, 2, 3, 8, 4, 6, 5];
  for (const [turn, index] of order.entries()) {
    calls[index]?.resolve(index);
    await settle();
    const open = groups.map(({ state }) => state).filter((state) => state !== "done").length;
    assertEquals(open, turn === 9 ? 0 : 4 - Math.floor((turn + 1) / 3));
  }
  assertEquals(await Promise.all(groups), [[7, 1, 9], [0, 2, 3], [8, 4, 6], [5]]);
  assertEquals(executor.batched([], 3), []);
  assertThrows(() => executor.batched([], 0), RangeError, "positive integer");
});

// executors 81
Deno.test("Executor.batched() gives groups of results before those with failures", async () => {
  await using executor = new Executor({ workerType: "inline" });
  const calls = createAll(10);
  const groups = executor.batched(calls.map(({ future }) => future), 3);
  for (const index of [0, 1]) calls[index]?.reject(new Error(`failed ${index}`));
  for (const index of [2, 3, 4, 5, 6, 7, 8, 9]) calls[index]?.resolve(index);
  const settled = await Promise.allSettled(groups);
  assertEquals(
    settled.map((group) => group.status === "fulfilled" ? group.value : group.reason.message),
    [[2, 3, 4], [5, 6, 7], "failed 0", "failed 1"],
  );
});
