// Contract: what ends a wait, and what it leaves behind.
import { assertEquals, assertRejects } from "@std/assert";
import {
  abortable,
  type CancelListener,
  type CancelSignal,
  sleep,
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
