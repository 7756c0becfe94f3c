/** The list that every kind of worker passes. */
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { UnclonableError, WorkerDiedError } from "../../src/base/errors.ts";
import { toThrown } from "../../src/value/codec/thrown_value.ts";
import { transfer } from "../../src/worker/transfer.ts";
import type {
  CallFollower,
  CallListener,
  CallRequest,
  RunResult,
  Worker,
} from "../../src/worker/worker.ts";
import { WORKER_CAPACITY } from "../../src/worker/wire/frames.ts";

/** Opens a worker of the kind under test, which runs `testdata/run_call.ts`. */
export type OpenTestWorker = (name: string) => Promise<Worker>;

/** A request for a deed of `testdata/run_call.ts`. */
export function deed(task: string, ...args: unknown[]): CallRequest {
  return { module: "file:///deeds.ts", task, args, context: undefined };
}

/** The value of an outcome that must be one. */
export function valueOf(result: RunResult): unknown {
  if (result.type === "error") throw toThrown(result.error.thrown);
  assertEquals(result.type, "value");
  return result.type === "value" ? result.value : undefined;
}

/** What a task threw, of an outcome that must be an error. */
export function errorOf(result: RunResult): unknown {
  assertEquals(result.type, "error");
  return result.type === "error" ? toThrown(result.error.thrown) : undefined;
}

/** A listener that notes how often it is told, and what. */
interface NotedCall extends CallListener {
  readonly follower: CallFollower;
  readonly ends: string[];
  readonly end: Promise<string>;
}

/** Notes each end of a call, of which there must be one. */
function noteEnds(): NotedCall {
  const ends: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const note = (end: string) => {
    ends.push(end);
    resolve(end);
  };
  return {
    follower: { onMessage: () => {} },
    ends,
    end: promise,
    ended: ({ type }) => note(type),
    failed: (error) => note(error instanceof Error ? error.name : String(error)),
  };
}

/** Files by which a test learns that a call runs, and lets it end, whatever the worker shares. */
export interface Signal extends AsyncDisposable {
  /** The folder of the files. */
  readonly path: string;
  /** Resolves when the call runs. */
  readonly running: Promise<void>;
  /** Lets the call end; resolves when it has let go of its file, or is dead. */
  end(): Promise<void>;
}

/** Opens a signal, for the deed `signalAndWait`. */
export async function openSignal(): Promise<Signal> {
  const path = await Deno.makeTempDir();
  const gate = await Deno.open(`${path}/gate`, { write: true, create: true });
  await gate.lock(true);
  return {
    path,
    running: appears(path, "running"),
    end: async () => {
      await gate.unlock();
      using running = await Deno.open(`${path}/running`, { write: true });
      await running.lock(true);
    },
    [Symbol.asyncDispose]: async () => {
      gate.close();
      await Deno.remove(path, { recursive: true });
    },
  };
}

/** Resolves when a file is there. */
export async function appears(folder: string, name: string): Promise<void> {
  using watcher = Deno.watchFs(folder);
  const there = () => [...Deno.readDirSync(folder)].some((entry) => entry.name === name);
  if (there()) return;
  for await (const _ of watcher) {
    if (there()) return;
  }
}

/**
 * Registers the tests.
 *
 * @param kind The kind, for the names.
 * @param open Opens a worker of the kind.
 */
export function testWorkerContract(kind: string, open: OpenTestWorker): void {
  const test = (criterion: string, fn: (worker: Worker) => Promise<void>) =>
    Deno.test(`Worker (${kind}) ${criterion}`, async () => {
      // What an inline worker waits for need not keep the event loop alive.
      const alive = setInterval(() => {}, 60_000);
      try {
        await using worker = await open("test-worker");
        await fn(worker);
      } finally {
        clearInterval(alive);
      }
    });

  test("runs a call and gives its value and duration", async (worker) => {
    const result = await worker.run(deed("echo", { a: [1, undefined, new Map([[1, -0]])] }));
    assertEquals(valueOf(result), { a: [1, undefined, new Map([[1, -0]])] });
    assert(result.type === "value" && result.duration >= 0);
  });

  test("tells the listener of a call once how it ended, after it was sent", async (worker) => {
    await using signal = await openSignal();
    const call = noteEnds();
    worker.send(deed("echo", 1), call);
    assertEquals(call.ends, []);
    assertEquals(await call.end, "value");
    const running = noteEnds();
    worker.send(deed("signalAndWait", signal.path), running);
    await signal.running;
    const [back, spoilt, waiting] = [noteEnds(), noteEnds(), noteEnds()];
    worker.send(deed("noop"), waiting);
    worker.send(deed("echo", () => {}), spoilt);
    assertEquals(spoilt.ends, []);
    assertEquals(await spoilt.end, "UnclonableError");
    worker.send(deed("noop"), back);
    assertEquals(worker.revoke(), true);
    assertEquals(back.ends, []);
    assertEquals(await back.end, "revoked");
    worker.terminate();
    const late = noteEnds();
    worker.send(deed("noop"), late);
    assertEquals([running, waiting, late].flatMap(({ ends }) => ends), []);
    assertEquals(
      await Promise.all([running.end, waiting.end, late.end]),
      ["WorkerDiedError", "revoked", "revoked"],
    );
    await worker.dead;
    await signal.end();
    const all = [call, running, back, spoilt, waiting, late];
    assertEquals(all.map(({ ends }) => ends.length), [1, 1, 1, 1, 1, 1]);
  });

  test("awaits what an asynchronous task returns", async (worker) => {
    assertEquals(valueOf(await worker.run(deed("later", 7))), 7);
  });

  test("gives what a task throws as an outcome and lives on", async (worker) => {
    const error = errorOf(await worker.run(deed("fail", "out of luck")));
    assertInstanceOf(error, Error);
    assertEquals([error.name, error.message], ["RangeError", "out of luck"]);
    assertEquals(valueOf(await worker.run(deed("echo", 1))), 1);
  });

  test("runs calls in the order they were given, one at a time", async (worker) => {
    const before = valueOf(await worker.run(deed("ran")));
    assert(Array.isArray(before));
    await Promise.all([3, 1, 2].map((n) => worker.run(deed("note", n))));
    assertEquals(valueOf(await worker.run(deed("ran"))), [...before, 3, 1, 2]);
  });

  test("gives a task copies of its arguments", async (worker) => {
    const list = ["mine"];
    assertEquals(valueOf(await worker.run(deed("grow", list))), 2);
    assertEquals(list, ["mine"]);
  });

  test("leaves large arguments to the caller and large results to the task", async (worker) => {
    const samples = new Float64Array(100_000).fill(0.5);
    assertEquals(valueOf(await worker.run(deed("echo", { samples }))), { samples });
    assertEquals(samples, new Float64Array(100_000).fill(0.5));
    // The task keeps what it returns.
    for (const round of [1, 2]) {
      assertEquals(valueOf(await worker.run(deed("kept", round))), samples);
    }
  });

  test("empties what was given away", async (worker) => {
    const samples = new Float64Array(100_000).fill(0.5);
    const few = new Uint8Array([1, 2]);
    const result = worker.run(deed("echo", transfer(samples), transfer({ few })));
    assertEquals(valueOf(await result), new Float64Array(100_000).fill(0.5));
    assertEquals([samples.length, few.length], [0, 0]);
  });

  test("does not give back a call whose arguments have gone", async (worker) => {
    await using signal = await openSignal();
    const first = worker.run(deed("signalAndWait", signal.path));
    const second = worker.run(deed("echo", transfer(new Uint8Array([1]))));
    await signal.running;
    assertEquals(worker.revoke(), false);
    worker.terminate();
    await assertRejects(() => first, WorkerDiedError);
    await assertRejects(() => second, WorkerDiedError, "echo");
    await signal.end();
  });

  test("counts the calls that it has room for", async (worker) => {
    const { room } = worker;
    const calls = [worker.run(deed("noop")), worker.run(deed("noop"))];
    assertEquals(worker.room, room - 2);
    await Promise.all(calls);
    assertEquals(worker.room, room);
  });

  test("rejects the call whose argument cannot be cloned, and no other", async (worker) => {
    const { room } = worker;
    const before = worker.run(deed("echo", 1));
    const guilty = worker.run(deed("echo", { solver: { callback: () => 1 } }));
    const after = worker.run(deed("echo", 2));
    const error = await assertRejects(() => guilty, UnclonableError);
    assertEquals(error.path, "args[0].solver.callback");
    assertMatch(error.message, /^Cannot send args\[0\]\.solver\.callback of "echo" to a worker: /);
    assertEquals([valueOf(await before), valueOf(await after)], [1, 2]);
    assertEquals(worker.room, room);
  });

  test("rejects the call whose argument throws when it is read", async (worker) => {
    const argument = {
      samples: new Float64Array(100_000),
      get value(): number {
        throw new RangeError("do not read");
      },
    };
    await assertRejects(
      () => worker.run(deed("echo", argument)),
      UnclonableError,
      'Cannot send args of "echo" to a worker: reading it threw "do not read"',
    );
    assert((await worker.run(deed("getter"))).type === "error");
    assertEquals(valueOf(await worker.run(deed("echo", 2))), 2);
  });

  test("makes an unclonable result an error outcome and lives on", async (worker) => {
    const guilty = worker.run(deed("unclonable"));
    const after = worker.run(deed("echo", 2));
    const error = errorOf(await guilty);
    assertInstanceOf(error, Error);
    assertEquals(error.name, "UnclonableError");
    assertEquals(Reflect.get(error, "path"), "result.solver.callback");
    assertEquals(valueOf(await after), 2);
  });

  test("takes back the newest call that has not started", async (worker) => {
    await using signal = await openSignal();
    const first = worker.run(deed("signalAndWait", signal.path));
    const second = worker.run(deed("note", "second"));
    const third = worker.run(deed("note", "third"));
    await signal.running;
    assertEquals(worker.revoke(), true);
    assertEquals(await third, { type: "revoked" });
    assertEquals(worker.revoke(), true);
    assertEquals(await second, { type: "revoked" });
    assertEquals(worker.revoke(), false);
    await signal.end();
    assertEquals(valueOf(await first), "ended");
    const ran = valueOf(await worker.run(deed("ran")));
    assert(Array.isArray(ran) && !ran.includes("second") && !ran.includes("third"));
  });

  test("keeps a call from beginning wherever it stands, and runs the others", async (worker) => {
    await using signal = await openSignal();
    const running = noteEnds();
    worker.send(deed("signalAndWait", signal.path), running);
    const names = ["keep one", "drop", "keep two", "given away", "keep three"];
    const calls = names.map(noteEnds);
    for (const [index, call] of calls.entries()) {
      const given = index === 3 ? [transfer(new Uint8Array([1]))] : [];
      worker.send(deed("note", names[index], ...given), call);
    }
    await signal.running;
    const [one, drop, two, away, three] = calls;
    assert(one && drop && two && away && three);
    assertEquals([running, one].map(({ follower }) => worker.hasBegun(follower)), [true, false]);
    assertEquals([running, drop, away].map(({ follower }) => worker.cancel(follower)), [
      "begun",
      "withdrawn",
      "withdrawn",
    ]);
    assertEquals(worker.cancel(drop.follower), "begun");
    await signal.end();
    assertEquals(await Promise.all([running, one, two, three].map(({ end }) => end)), [
      "value",
      "value",
      "value",
      "value",
    ]);
    const ran = valueOf(await worker.run(deed("ran")));
    assert(Array.isArray(ran));
    assertEquals(ran.slice(-3), ["keep one", "keep two", "keep three"]);
    // They are not there any more, so that nobody is told of them.
    assertEquals([drop.ends, away.ends], [[], []]);
  });

  test("has nothing to take back when idle", async (worker) => {
    assertEquals(worker.revoke(), false);
    await worker.run(deed("noop"));
    assertEquals(worker.revoke(), false);
  });

  test("uses its slots again", async (worker) => {
    for (let round = 0; round < 3; round++) {
      const calls = Array.from({ length: WORKER_CAPACITY - 1 }, () => worker.run(deed("noop")));
      while (worker.revoke());
      // When this has an answer, those before it have one, and their slots are free.
      await worker.run(deed("noop"));
      await Promise.all(calls);
    }
    const calls = Array.from({ length: WORKER_CAPACITY }, (_, n) => worker.run(deed("echo", n)));
    const surplus = worker.run(deed("echo", "surplus"));
    await assertRejects(() => surplus, RangeError, "1024 calls are on their way");
    assertEquals((await Promise.all(calls)).map(valueOf), [...calls.keys()]);
  });

  test("terminate() rejects the running call and gives back the others", async (worker) => {
    await using signal = await openSignal();
    const first = worker.run(deed("signalAndWait", signal.path));
    const second = worker.run(deed("noop"));
    await signal.running;
    worker.terminate();
    const error = await assertRejects(() => first, WorkerDiedError);
    assertEquals(
      error.message,
      'Cannot finish "signalAndWait": worker "test-worker" ended: it was terminated',
    );
    assertEquals(error.reason, "it was terminated");
    assertEquals(await second, { type: "revoked" });
    assertEquals(await worker.dead, "it was terminated");
    assertEquals(await worker.run(deed("noop")), { type: "revoked" });
    await signal.end();
  });

  test("close() lets given calls end and takes no more", async (worker) => {
    await using signal = await openSignal();
    const first = worker.run(deed("signalAndWait", signal.path));
    const second = worker.run(deed("echo", 2));
    const closed = worker.close();
    assertEquals(await worker.run(deed("noop")), { type: "revoked" });
    await signal.running;
    await signal.end();
    assertEquals([valueOf(await first), valueOf(await second)], ["ended", 2]);
    await closed;
    assertEquals(await worker.dead, "it was closed");
    await worker.close();
  });

  test("terminate() ends a close() that waits", async (worker) => {
    const hung = worker.run(deed("hang"));
    const closed = worker.close();
    worker.terminate();
    await Promise.allSettled([hung]);
    await closed;
    worker.terminate();
  });
}
