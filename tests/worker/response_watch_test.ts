// collaboration: how a worker is noticed that takes nothing up, or cannot say that it has begun
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { BaseWorker, SentCalls } from "../../src/worker/base_worker.ts";
import { openProcessWorker } from "../../src/worker/process/process_worker.ts";
import { openWebWorker } from "../../src/worker/web/web_worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { deed } from "./contract.ts";
import {
  ResponseWatch,
  type WatchedWorker,
  type WorkerPhase,
} from "../../src/worker/response_watch.ts";
import { Claims } from "../../src/worker/web/claims.ts";
import type { CallListener, RunResult } from "../../src/worker/worker.ts";

leaveNothing();

/** A worker that is looked at, and of which the test says what is seen. */
class FakeWorker implements WatchedWorker {
  busy = true;
  answers = 0;
  pings = 0;
  /** Told of each look at it that has led to something. */
  looked: () => void = () => {};

  constructor(readonly phase: WorkerPhase) {}

  patience(phase: WorkerPhase): number {
    return phase === "waiting" ? 1 : 600;
  }

  ping(): void {
    this.pings++;
    this.looked();
  }

  noteBegun(): void {
    this.looked();
  }
}

for (const phase of ["waiting", "preparing", "finishing"] as const) {
  Deno.test(`ResponseWatch gives a worker up that is silent: ${phase}`, async () => {
    const worker = new FakeWorker(phase);
    const { promise, resolve } = Promise.withResolvers<WorkerPhase>();
    using _ = keepAlive();
    const watch = new ResponseWatch(worker, resolve);
    watch.start();
    assertEquals(await promise, phase);
    assertEquals(worker.pings, phase === "waiting" ? 0 : 1);
    watch.end();
  });
}

Deno.test("ResponseWatch keeps a worker that reads messages while it prepares a call", async () => {
  const worker = new FakeWorker("preparing");
  let lost = false;
  const watch = new ResponseWatch(worker, () => lost = true);
  using _ = keepAlive();
  const answered = new Promise<void>((resolve) => {
    worker.looked = () => {
      worker.answers++;
      if (worker.pings === 4) resolve();
    };
  });
  watch.start();
  await answered;
  watch.end();
  assertEquals(lost, false);
});

Deno.test("ResponseWatch tells of a call that has begun and is silent", async () => {
  const worker = new FakeWorker("running");
  let lost = false;
  const watch = new ResponseWatch(worker, () => lost = true);
  using _ = keepAlive();
  const told = new Promise<void>((resolve) => worker.looked = resolve);
  watch.start();
  await told;
  watch.end();
  assertEquals([lost, worker.pings], [false, 0]);
});

Deno.test("SentCalls.fail() spares a call whose body has not begun at a silent worker", async () => {
  for (const spare of [true, false]) {
    const claims = new Claims();
    const calls = new SentCalls("silent", claims);
    const request = { module: "file:///a.ts", task: "a", args: [], context: undefined };
    const ends = [new NotedEnd(), new NotedEnd()];
    const [first = -1, second = -1] = ends.map((end) => calls.add(request, false, end));
    assertEquals([calls.phase, claims.claim(first, false)], ["waiting", true]);
    assertEquals(calls.phase, "preparing");
    calls.fail({ reason: "it was silent" }, spare);
    assertEquals(await Promise.all(ends.map(({ end }) => end)), [
      spare ? "revoked" : "WorkerDiedError",
      "revoked",
    ]);
    // What outlives it finds that it must not go on.
    assertEquals([claims.begin(first), claims.claim(second, false)], [false, false]);
  }
});

Deno.test("SentCalls.phase is that of a call that is to end, and has not begun", () => {
  const claims = new Claims();
  const calls = new SentCalls("silent", claims);
  const listener = new NotedEnd();
  const slot = calls.add(
    { module: "file:///a.ts", task: "a", args: [], context: undefined },
    false,
    listener,
  );
  claims.claim(slot, false);
  assertEquals([calls.cancel(listener.follower), calls.phase], ["forestalled", "preparing"]);
  assertEquals([claims.begin(slot), claims.isAborted(slot)], [false, true]);
});

for (const kind of ["web", "process"] as const) {
  Deno.test(`a ${kind} worker gets time to load what runs calls, and to read what took long to write`, async () => {
    const entry = new URL(
      `testdata/${kind === "web" ? "entry" : "process_entry"}.ts`,
      import.meta.url,
    );
    await using worker = await (kind === "web" ? openWebWorker : openProcessWorker)(entry, {
      name: "test",
    });
    assertInstanceOf(worker, BaseWorker);
    const patience = () => Math.floor(worker.patience("waiting"));
    assertEquals([patience(), worker.patience("preparing")], [30_000, 30_000]);
    await worker.run(deed("noop"));
    assertEquals([patience(), worker.patience("preparing")], [5000, 30_000]);
    const slow = {
      get slow() {
        for (const end = performance.now() + 60; performance.now() < end;);
        return true;
      },
    };
    for (const value of [slow, new Float64Array(1e6)]) {
      const runs = [worker.run(deed("echo", value)), worker.run(deed("noop"))];
      // They are written in the same turn.
      await Promise.resolve();
      if (value === slow || kind === "process") assert(patience() >= 5600, `${patience()} ms`);
      await Promise.all(runs);
      assertEquals(patience(), 5000);
    }
  });
}

/** Notes how a call ends. */
class NotedEnd implements CallListener {
  readonly follower = { onMessage: () => {} };
  readonly #end = Promise.withResolvers<string>();
  readonly end = this.#end.promise;

  ended({ type }: RunResult): void {
    this.#end.resolve(type);
  }

  failed(error: unknown): void {
    this.#end.resolve(error instanceof Error ? error.name : String(error));
  }
}

/** The timer of a watch keeps no program alive. */
function keepAlive(): Disposable {
  const timer = setInterval(() => {}, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
