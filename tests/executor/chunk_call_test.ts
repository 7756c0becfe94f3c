// collaboration: chunks between a faked dispatcher and the code that runs them in a worker
import { assert, assertEquals, assertRejects } from "@std/assert";
import { UnclonableError, WorkerDiedError, WorkerInitError } from "../../src/base/errors.ts";
import type { CallObserver } from "../../src/executor/dispatch/call.ts";
import { type CallContext, ChunkNotes } from "../../src/executor/wire/call_context.ts";
import type { CallOptions } from "../../src/executor/call_options.ts";
import {
  AutoChunkPace,
  ChunkCall,
  type ChunkResult,
  type ChunkSizer,
  estimateBytes,
} from "../../src/executor/map/chunk_call.ts";
import { ChunkGatherer } from "../../src/executor/map/map_caller.ts";
import { MapWindow } from "../../src/executor/map/map_run.ts";
import { runChunk } from "../../src/executor/guest/run_chunk.ts";
import { deriveScope } from "../../src/scope/scope.ts";
import { CallStatus, CancelSource } from "../../src/task/future.ts";
import { TaskDefinition } from "../../src/task/definition.ts";
import type { CallRequest, Outcome } from "../../src/worker/worker.ts";
import * as fc from "fast-check";

const ADDRESS = { module: "file:///deeds.ts", name: "deed" };

/** A worker of a dispatcher's: runs requests at once, and dies of the number 13. */
class FakeDispatcher {
  /** The items of each request. */
  readonly sent: unknown[][] = [];
  /** How often each item ran. */
  readonly runs = new Map<unknown, number>();
  readonly observers: CallObserver[] = [];
  hold: Promise<void> | undefined;

  async run(request: CallRequest, observer: CallObserver = {}): Promise<Outcome> {
    this.sent.push([...request.args]);
    this.observers.push(observer);
    await this.hold;
    observer.sent?.({ workerName: "test", begun: true, cancel: () => false, raise: () => {} });
    if (request.args.includes("unclonable")) throw new UnclonableError("Cannot send", "args");
    if (request.args.includes("lost")) throw new WorkerInitError("Cannot import");
    const scope = deriveScope(undefined, {});
    const { promise: death, reject: die } = Promise.withResolvers<never>();
    const deed = async (item: unknown): Promise<unknown> => {
      this.runs.set(item, (this.runs.get(item) ?? 0) + 1);
      if (item === "throw") throw new RangeError("thrown");
      if (item === "flaky" && this.runs.get(item) === 1) throw new RangeError("not yet");
      if (item === 13) {
        die(new WorkerDiedError("Cannot finish", { reason: "unlucky" }));
        await new Promise(() => {});
      }
      return `did ${item}`;
    };
    const definition = new TaskDefinition(ADDRESS.module, deed, { name: ADDRESS.name });
    const { chunk } = (request.context ?? {}) as Partial<CallContext>;
    const compute = async (item: unknown) => ({ value: await deed(item), source: "computed" });
    const value = chunk === undefined ? deed(request.args[0]) : runChunk(request.args, chunk, {
      definition,
      scope,
      control: new CallStatus(request.task),
      compute,
      fix: (value) => value,
    });
    return { type: "value", value: await Promise.race([value, death]), duration: 1, warnings: [] };
  }
}

interface Stage {
  readonly dispatcher: FakeDispatcher;
  readonly cancellation: CancelSource;
  readonly notes: [items: number, duration: number][];
  run(...items: unknown[]): Promise<ChunkResult>;
}

function createStage(sharesMemory: boolean, options: CallOptions = {}): Stage {
  const dispatcher = new FakeDispatcher();
  const cancellation = new CancelSource();
  const notes: [number, number][] = [];
  const pace: ChunkSizer = {
    size: 3,
    note: (items, duration) => void notes.push([items, duration]),
  };
  const route = { address: ADDRESS, dispatcher, options, pace, sharesMemory, warn: () => {} };
  const chunk = new ChunkCall(route, { cancellation });
  const run = (...items: unknown[]) => chunk.run({ items, context: undefined });
  return { dispatcher, cancellation, notes, run };
}

function textOf({ values, failures }: ChunkResult): unknown[] {
  const texts = [...values];
  for (const [index, error] of failures) texts[index] = String(error).replace(/:.*/, "");
  return texts;
}

Deno.test("ChunkCall.run() sends items in one request, and one alone as a plain call", async () => {
  const { dispatcher, notes, run } = createStage(true);
  const result = await run(1, "throw", 3);
  assertEquals(textOf(result), ["did 1", "RangeError", "did 3"]);
  assertEquals(textOf(await run(4)), ["did 4"]);
  assertEquals([dispatcher.sent, notes.map(([items]) => items)], [[[1, "throw", 3], [4]], [3, 1]]);
});

Deno.test("ChunkCall.run() fails the item that a worker died of, where memory is shared", async () => {
  const { dispatcher, run } = createStage(true);
  const result = await run(1, 2, 13, 4, 5);
  assertEquals(textOf(result), ["did 1", "did 2", "WorkerDiedError", "did 4", "did 5"]);
  assertEquals(dispatcher.sent, [[1, 2, 13, 4, 5], [1, 2], [4, 5]]);
  assertEquals([...dispatcher.runs], [[1, 2], [2, 2], [13, 1], [4, 1], [5, 1]]);
});

Deno.test("ChunkCall.run() sends items one by one after a death, where memory is not shared", async () => {
  const { dispatcher, run } = createStage(false);
  assertEquals(textOf(await run(1, 13, 3)), ["did 1", "WorkerDiedError", "did 3"]);
  assertEquals(dispatcher.sent, [[1, 13, 3], [1], [13], [3]]);
});

Deno.test("ChunkCall.run() finds the item that cannot be sent", async () => {
  const { dispatcher, run } = createStage(true);
  assertEquals(textOf(await run(1, "unclonable", 3)), ["did 1", "UnclonableError", "did 3"]);
  assertEquals([...dispatcher.runs], [[1, 1], [3, 1]]);
});

Deno.test("ChunkCall.run() rejects with what concerns all items", async () => {
  const { dispatcher, run } = createStage(true);
  await assertRejects(() => run(1, "lost"), WorkerInitError);
  assertEquals(dispatcher.sent.length, 1);
});

Deno.test("ChunkCall gives up what no worker has, and stops what one has", async () => {
  const waiting = createStage(true);
  const hold = Promise.withResolvers<void>();
  waiting.dispatcher.hold = hold.promise;
  const unsent = waiting.run(1, 2);
  waiting.cancellation.abort(new Error("enough"));
  assertEquals(waiting.dispatcher.observers[0]?.cancellation?.aborted, true);
  hold.resolve();
  // The fake goes on, as a dispatcher does not; still nothing begins.
  assertEquals((await unsent).values, []);

  const running = createStage(true);
  const result = running.run(1, 2);
  await Promise.resolve();
  assertEquals([...running.dispatcher.runs.keys()], [1]);
  running.cancellation.abort(new Error("enough"));
  assertEquals((await result).values, ["did 1"]);
  assertEquals(running.dispatcher.observers[0]?.cancellation?.aborted, false);
});

Deno.test("ChunkNotes lets nothing begin that was stopped", () => {
  const here = new ChunkNotes();
  const there = new ChunkNotes(here.buffer);
  assertEquals([here.begun, there.begin(0), there.begin(1), here.begun], [0, true, true, 2]);
  here.stop();
  assertEquals([there.begin(2), here.begun], [false, 2]);
});

Deno.test("ChunkGatherer.dispatch() sends calls of one checkpoint in chunks of the pace's size", async () => {
  const dispatcher = new FakeDispatcher();
  const pace: ChunkSizer = { size: 3, note: () => {} };
  const gatherer = new ChunkGatherer({
    address: ADDRESS,
    dispatcher,
    pace,
    sharesMemory: true,
    warn: () => {},
  });
  const call = (item: unknown) => {
    const { module, name: task } = ADDRESS;
    const result = Promise.withResolvers<Outcome>();
    gatherer.dispatch({ module, task, args: [item], context: undefined }, {}, result);
    return result.promise;
  };
  const outcomes = await Promise.allSettled([1, 2, "throw", 4].map(call));
  assertEquals(dispatcher.sent, [[1, 2, "throw"], [4]]);
  assertEquals(
    outcomes.map((outcome) =>
      outcome.status === "rejected"
        ? outcome.reason.name
        : outcome.value.type === "value"
        ? outcome.value.value
        : outcome
    ),
    ["did 1", "did 2", "RangeError", "did 4"],
  );
});

Deno.test("AutoChunkPace begins with one, and stays there for slow tasks", () => {
  const pace = new AutoChunkPace();
  for (let call = 0; call < 10; call++) {
    assertEquals(pace.size, 1);
    pace.note(1, 300, 8);
  }
});

Deno.test("AutoChunkPace at most doubles, to what takes 0.2 s", () => {
  const pace = new AutoChunkPace();
  const sizes: number[] = [];
  for (let chunk = 0; chunk < 8; chunk++) {
    pace.note(pace.size, 10 * pace.size, 8);
    sizes.push(pace.size);
  }
  assertEquals(sizes, [2, 4, 8, 16, 32, 32, 32, 32]);
  pace.note(7, 5000, 8);
  assertEquals(pace.size, 32);
});

Deno.test("AutoChunkPace shrinks when chunks take more than 2 s, and has a largest size", () => {
  const pace = new AutoChunkPace();
  for (let chunk = 0; chunk < 20; chunk++) pace.note(pace.size, 0, 8);
  assertEquals(pace.size, 4096);
  pace.note(4096, 4096 * 1000, 8);
  assert(pace.size <= 2, `the size is ${pace.size}`);
  assert(pace.size >= 1);
});

Deno.test("AutoChunkPace sends heavy items alone, and lighter ones up to a megabyte", () => {
  const heavy = new AutoChunkPace();
  for (let chunk = 0; chunk < 20; chunk++) heavy.note(heavy.size, 0, 8 << 20);
  assertEquals(heavy.size, 1);
  const lighter = new AutoChunkPace();
  for (let chunk = 0; chunk < 20; chunk++) lighter.note(lighter.size, 0, 1 << 10);
  assertEquals(lighter.size, 1 << 10);
  // What grows heavy later makes the chunks small at once, whatever their size was when sent.
  lighter.note(7, 0, 1 << 18);
  assertEquals(lighter.size, 4);
});

Deno.test("estimateBytes() estimates by buffers and texts, also in arrays and fields", () => {
  const near = (values: readonly unknown[], bytes: number) =>
    assert(Math.abs(estimateBytes(values) - bytes) <= 64, `${estimateBytes(values)} for ${bytes}`);
  near([], 0);
  near([1, undefined, null, true, "a"], 8);
  near([new Float64Array(1000), new ArrayBuffer(8000)], 8000);
  near([{ samples: new Uint8Array(5000), more: { text: "x".repeat(1000) } }], 6000);
  near([Array.from({ length: 1000 }, (_, x) => x)], 8000);
  near(Array.from({ length: 5000 }, () => new Uint8Array(100)), 100);
  const getter = Object.defineProperty({}, "x", { get: () => assert(false), enumerable: true });
  near([getter], 8);
});

Deno.test("MapWindow never takes more than the buffer holds, and starves no worker", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 500 }),
    fc.option(fc.integer({ min: 1, max: 500 }), { nil: undefined }),
    fc.integer({ min: 1, max: 16 }),
    fc.option(fc.integer({ min: 1, max: 1000 }), { nil: undefined }),
    (size, bufferSize, workers, total) => {
      const pace: ChunkSizer = { size, note: () => {} };
      const limits = { pace, bufferSize, workers };
      const window = new MapWindow(total === undefined ? limits : { ...limits, total });
      let buffered = 0;
      for (let count = window.next(0); count > 0; count = window.next(buffered)) {
        assert(count <= size);
        buffered += count;
        window.took(count);
        if (buffered > 2000 * workers) break;
      }
      if (bufferSize === undefined) assert(buffered + size > 32);
      else assert(buffered <= bufferSize && buffered >= Math.min(bufferSize, workers));
    },
  ));
});

for (const sharesMemory of [true, false]) {
  const title = sharesMemory ? "where memory is shared" : "where none is";

  Deno.test(`ChunkCall.run() runs what has failed again, each on its own, ${title}`, async () => {
    const { dispatcher, run } = createStage(sharesMemory, { retries: 1, priority: 5 });
    const result = await run(1, "flaky", "throw");
    assertEquals(textOf(result), ["did 1", "did flaky", "RangeError"]);
    assertEquals(result.failures.map(([index]) => index), [2]);
    assertEquals(dispatcher.sent, [[1, "flaky", "throw"], ["flaky"], ["throw"]]);
    // As often as is left: a chunk that is sent again would run all its items again.
    assertEquals(dispatcher.observers.map(({ retries }) => retries), [0, 0, 0]);
    assertEquals(dispatcher.observers.map(({ priority }) => priority), [5, 5, 5]);
    assertEquals(dispatcher.runs.get(1), 1);
  });

  Deno.test(`ChunkCall.run() runs the item again that its worker died of, ${title}`, async () => {
    const { dispatcher, run } = createStage(sharesMemory, { retries: 2 });
    assertEquals(textOf(await run(1, 13, 2)), ["did 1", "WorkerDiedError", "did 2"]);
    const alone = dispatcher.sent.findIndex((items) => items.length === 1 && items[0] === 13);
    assertEquals(dispatcher.observers[alone]?.retries, sharesMemory ? 1 : 2);
  });
}
