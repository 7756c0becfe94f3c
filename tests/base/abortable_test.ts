// Contract: what ends a wait, and what it leaves behind.
import { assertEquals, assertRejects } from "@std/assert";
import {
  abortable,
  type CancelListener,
  type CancelSignal,
  settlingOf,
  shareSignal,
  sleep,
  takeSettled,
} from "../../src/base/abortable.ts";

/** A signal that counts who listens. */
class CountingSignal implements CancelSignal {
  readonly listeners = new Set<CancelListener>();
  aborted = false;
  reason: unknown;

  addEventListener(_type: "abort", listener: CancelListener): void {
    this.listeners.add(listener);
  }

  removeEventListener(_type: "abort", listener: CancelListener): void {
    this.listeners.delete(listener);
  }

  abort(reason: unknown): void {
    this.aborted = true;
    this.reason = reason;
    for (const listener of this.listeners) {
      if (typeof listener === "function") listener();
      else listener.handleEvent();
    }
  }
}

const never = () => new Promise<never>(() => {});

Deno.test("abortable() gives what the promise gives, and listens no longer", async () => {
  const signal = new CountingSignal();
  const waiting = abortable(Promise.resolve(7), signal);
  assertEquals(signal.listeners.size, 1);
  assertEquals(await waiting, 7);
  assertEquals(signal.listeners.size, 0);
  assertEquals(await abortable(Promise.resolve(7)), 7);
});

Deno.test("abortable() rejects with what the promise rejects with, and listens no longer", async () => {
  const signal = new CountingSignal();
  await assertRejects(() => abortable(Promise.reject(new RangeError("no")), signal), RangeError);
  assertEquals(signal.listeners.size, 0);
});

Deno.test("abortable() rejects with the signal's reason, and listens no longer", async () => {
  const signal = new CountingSignal();
  const waiting = abortable(never(), signal);
  signal.abort(new SyntaxError("enough"));
  await assertRejects(() => waiting, SyntaxError, "enough");
  assertEquals(signal.listeners.size, 0);
});

Deno.test("abortable() rejects where the signal has aborted before, whatever the promise gives", async () => {
  const signal = AbortSignal.abort(new SyntaxError("enough"));
  await assertRejects(() => abortable(Promise.resolve(7), signal), SyntaxError);
  // Nobody else hears of this one.
  await assertRejects(() => abortable(Promise.reject(new RangeError()), signal), SyntaxError);
});

Deno.test("sleep() leaves no timer behind when its signal aborts", async () => {
  const signal = new CountingSignal();
  const waiting = sleep(60_000, signal);
  signal.abort(new SyntaxError("enough"));
  await assertRejects(() => waiting, SyntaxError);
  assertEquals(signal.listeners.size, 0);
});

Deno.test("settlingOf() tells who listens, not who listens no longer, and has one reaction", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  let reactions = 0;
  const thenable: PromiseLike<number> = {
    then: (onFulfilled, onRejected) => {
      reactions++;
      return promise.then(onFulfilled, onRejected);
    },
  };
  const told: string[] = [];
  const listen = (name: string) => ({
    settled: ({ status }: PromiseSettledResult<unknown>) => void told.push(`${name} ${status}`),
  });
  const [first, second, third] = ["first", "second", "third"].map(listen);
  for (const listener of [first, second, third, second]) {
    if (listener !== undefined) settlingOf(thenable).subscribe(listener);
  }
  if (first !== undefined) settlingOf(thenable).unsubscribe(first);
  if (third !== undefined) settlingOf(thenable).unsubscribe(third);
  assertEquals(reactions, 1);
  resolve(7);
  await promise;
  assertEquals(told, ["second fulfilled"]);
  if (first !== undefined) settlingOf(thenable).subscribe(first);
  await new Promise((next) => setTimeout(next));
  assertEquals(told, ["second fulfilled", "first fulfilled"]);
});

Deno.test("takeSettled() takes a result before those do who ask for it later", async () => {
  const { promise, resolve } = Promise.withResolvers<number[]>();
  const taken = takeSettled(promise, ([first]) => first);
  const changed = promise.then((list) => list.splice(0));
  resolve([7]);
  assertEquals([await taken, await changed], [7, [7]]);
  const fails = () => {
    throw new RangeError("cannot be taken");
  };
  await assertRejects(() => takeSettled(promise, fails), RangeError, "cannot be taken");
});

Deno.test("shareSignal() has one listener of the signal's, for as long as anybody listens", () => {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++;
    addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--;
    removeEventListener.apply(signal, args);
  };
  const told: number[] = [];
  const hear = [0, 1, 2].map((n) => () => void told.push(n));
  for (const listener of hear) shareSignal(signal).addEventListener("abort", listener);
  assertEquals(listeners, 1);
  for (const listener of hear) shareSignal(signal).removeEventListener("abort", listener);
  assertEquals(listeners, 0);
  for (const listener of hear) shareSignal(signal).addEventListener("abort", listener);
  controller.abort("enough");
  assertEquals(told, [0, 1, 2]);
  assertEquals([shareSignal(signal).aborted, shareSignal(signal).reason], [true, "enough"]);
});
