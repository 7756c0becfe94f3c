// contract: what a future tells of its call, whatever happens in whatever order
import { assert, assertEquals, assertRejects } from "@std/assert";
import { CancelledError } from "@quiver/quiver";
import { type CallStatus, Future } from "../../src/task/future.ts";
import * as fc from "fast-check";

/** A call that does what the test says. */
interface Created<T> {
  readonly future: Future<T>;
  readonly status: CallStatus;
  resolve(): void;
  reject(reason: unknown): void;
}

function createCall<T>(value: T): Created<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  let status: CallStatus | undefined;
  const future = new Future<T>("call", (given) => {
    status = given;
    return promise;
  });
  assert(status !== undefined, "the call was not run");
  return { future, status, resolve: () => resolve(value), reject };
}

/** Resolves when all that can settle has. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

type Event =
  | "start"
  | "wait"
  | "key"
  | "hit"
  | "miss"
  | "resolve"
  | "reject"
  | "cancel"
  | "settle";

const EVENTS: readonly Event[] = [
  "start",
  "wait",
  "key",
  "hit",
  "miss",
  "resolve",
  "reject",
  "cancel",
  "settle",
];

/** What the future must tell after some events. */
interface Model {
  state: Future<unknown>["state"];
  key: string | undefined;
  recalled: boolean | undefined;
  /** What the call has come to; the future tells one microtask or more later. */
  result: "value" | "error" | undefined;
}

Deno.test("Future tells the truth after any events in any order", async () => {
  await fc.assert(fc.asyncProperty(
    fc.array(fc.constantFrom(...EVENTS), { maxLength: 12 }),
    async (events) => {
      const { model, future, done } = await play(events);
      const settled = model.state === "done" || model.state === "cancelled";
      assertEquals(future.state, model.state);
      assertEquals(future.key, model.key);
      assertEquals(future.signal.aborted, model.state === "cancelled");
      assertEquals(done(), settled ? 1 : 0);
      if (model.state === "done") assertEquals(future.hit, model.recalled ?? false);
      if (model.state === "cancelled") await assertRejects(() => future, CancelledError, '"call"');
      else if (model.result === "value") assertEquals(await future, 1);
      else if (model.result === "error") await assertRejects(() => future, RangeError, "failed");
      assertEquals(future.cancel(), model.state === "cancelled" || model.state === "pending");
      future.catch(() => {});
    },
  ));
});

async function play(
  events: readonly Event[],
): Promise<{ model: Model; future: Future<number>; done: () => number }> {
  const { status, future, resolve, reject } = createCall(1);
  future.catch(() => {});
  let done = 0;
  future.onDone(() => done++);
  const model: Model = { state: "pending", key: undefined, recalled: undefined, result: undefined };
  const open = () => model.state === "pending" || model.state === "running";
  for (const event of events) {
    // What runs a call tells nothing more once it has come to an end.
    const told = model.result === undefined;
    if (event === "start" && told) {
      status.started();
      if (model.state === "pending") model.state = "running";
    } else if (event === "wait" && told) {
      status.waits();
      if (model.state === "running") model.state = "pending";
    } else if (event === "key" && told) {
      status.keyed("0123");
      model.key = "0123";
    } else if ((event === "hit" || event === "miss") && told) {
      status.recalled(event === "hit");
      if (open()) model.recalled = event === "hit";
    } else if (event === "resolve" && told) {
      resolve();
      model.result = "value";
    } else if (event === "reject" && told) {
      reject(new RangeError("failed"));
      model.result = "error";
    } else if (event === "cancel") {
      assertEquals(future.cancel(), model.state === "pending" || model.state === "cancelled");
      if (model.state === "pending") model.state = "cancelled";
    } else if (event === "settle") {
      await settle();
      if (model.result !== undefined && open()) model.state = "done";
    }
  }
  await settle();
  if (model.result !== undefined && open()) model.state = "done";
  return { model, future, done: () => done };
}

Deno.test("Future.onDone() tells later listeners too, and each once", async () => {
  const { future, resolve } = createCall([1, 2, 3]);
  const log: string[] = [];
  future.onDone(({ state }) => log.push(`first ${state}`));
  resolve();
  await future;
  future.onDone(({ state }) => log.push(`second ${state}`));
  await settle();
  assertEquals(log, ["first done", "second done"]);
});

Deno.test("Future.at() and get() give parts, with the hit of the whole", async () => {
  const { future, status, resolve } = createCall([{ name: "a" }, { name: "b" }]);
  const last = future.at(-1);
  const missing = future.at(5);
  const length = future.get("length");
  assertEquals([last.name, length.name], ["call.at(-1)", 'call.get("length")']);
  assertEquals([last.state, last.hit, last.key], ["pending", undefined, undefined]);
  status.keyed("0123");
  status.recalled(true);
  resolve();
  assertEquals(await Promise.all([last, missing, length]), [{ name: "b" }, undefined, 2]);
  assertEquals([last.state, last.hit, last.key], ["done", true, undefined]);
});

Deno.test("Future.at() and get() fail as the whole does, and are cancelled alone", async () => {
  const { future, reject } = createCall([1, 2]);
  const [first, second] = [future.at(0), future.get("length")];
  assertEquals([second.cancel(), second.state, future.state], [true, "cancelled", "pending"]);
  reject(new RangeError("failed"));
  await assertRejects(() => first, RangeError, "failed");
  await assertRejects(() => second, CancelledError, 'call.get("length")');
  assertEquals([future.state, first.state, first.hit], ["done", "done", false]);
});
