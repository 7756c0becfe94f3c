// collaboration: items between a faked dispatcher and the code that runs them in a worker
import { assert, assertEquals } from "@std/assert";
import {
  CancelledError,
  UnclonableError,
  WorkerDiedError,
  WorkerInitError,
} from "../../src/base/errors.ts";
import type { CallObserver, CallPart, OutcomeListener } from "../../src/executor/dispatch/call.ts";
import { type CallContext, type EndedItems, ITEMS } from "../../src/executor/wire/call_context.ts";
import type { CallOptions } from "../../src/executor/call_options.ts";
import {
  AutoChunkPace,
  type ChunkSizer,
  createChunkSizer,
  estimateBytes,
} from "../../src/executor/map/chunk_pace.ts";
import { ChunkCall, type ChunkResult } from "../../src/executor/map/chunk_call.ts";
import { ChunkGatherer } from "../../src/executor/map/map_caller.ts";
import { MapWindow } from "../../src/executor/map/map_run.ts";
import { runChunk } from "../../src/executor/guest/run_chunk.ts";
import { deriveScope } from "../../src/scope/scope.ts";
import { CallStatus, CancelSource } from "../../src/task/future.ts";
import { TaskDefinition } from "../../src/task/definition.ts";
import { fromThrown } from "../../src/value/codec/thrown_value.ts";
import type { CallRequest, Outcome } from "../../src/worker/worker.ts";
import * as fc from "fast-check";

const ADDRESS = { module: "file:///deeds.ts", name: "deed" };
const DIED = new WorkerDiedError("Cannot finish", { reason: "unlucky" });

/** Some of the items, as a worker has them. */
class FakeRun {
  readonly request: CallRequest;
  readonly #part: CallPart;
  #told = 0;

  constructor(request: CallRequest, part: CallPart) {
    this.#part = part;
    this.request = this.items.toRequest(request);
  }

  get items(): NonNullable<CallObserver["items"]> {
    const { items } = this.#part.observer;
    assert(items !== undefined);
    return items;
  }

  /** Says how the next items have ended. */
  tell(count: number): void {
    const values: unknown[] = [];
    const failures: [number, { thrown: unknown }][] = [];
    for (const item of this.request.args.slice(this.#told, this.#told + count)) {
      const fails = item === "throw" || item === "flaky" && this.request.items !== undefined;
      if (fails) failures.push([values.length, { thrown: fromThrown(new RangeError("thrown")) }]);
      values.push(fails ? undefined : `did ${item}`);
    }
    this.#told += values.length;
    const ended: EndedItems = { values, ...(failures.length > 0 && { failures }) };
    this.#part.observer.onMessage?.(ITEMS, structuredClone(ended));
  }

  /** Answers; a chunk has told before how its items have ended. */
  answer(): CallPart | undefined {
    const rest = this.items.takeRest();
    const [item] = this.request.args;
    const value = this.items.alone ? `did ${item}` : undefined;
    const outcome: Outcome = item === "throw" && this.items.alone
      ? { type: "error", error: { thrown: fromThrown(new RangeError("thrown")) }, ...COST }
      : { type: "value", value, ...COST };
    this.#part.listener.resolve(outcome);
    return rest;
  }

  /** What a dispatcher does when the run fails; gives what is to be sent again. */
  fail(error: unknown, count?: number, sure = count): readonly CallPart[] {
    const begun = count === undefined || sure === undefined ? undefined : { count, sure };
    const spared = this.items.takeSpared(error, begun);
    this.#part.listener.reject(error);
    return spared;
  }
}

const COST = { duration: 1, warnings: [] } as const;

/** A dispatcher that holds what it is given. */
class FakeDispatcher {
  readonly parts: CallPart[] = [];
  request: CallRequest | undefined;

  dispatch(request: CallRequest, observer: CallObserver, listener: OutcomeListener): void {
    this.request = request;
    this.parts.push({ observer, listener });
  }

  /** Brings the first of the items to a worker. */
  send(count = Infinity): FakeRun {
    const [front] = this.parts;
    assert(front !== undefined && this.request !== undefined);
    const { items } = front.observer;
    assert(items !== undefined);
    const part = items.size > count ? items.takeFirst(count) : this.parts.shift();
    assert(part !== undefined);
    return new FakeRun(this.request, part);
  }

  /** What comes back goes before the others. */
  giveBack(parts: readonly (CallPart | undefined)[]): void {
    this.parts.unshift(...parts.filter((part) => part !== undefined));
  }

  /** Does all that is left. */
  finish(): void {
    while (this.parts.length > 0) {
      const run = this.send();
      run.tell(run.items.alone ? 0 : Infinity);
      this.giveBack([run.answer()]);
    }
  }
}

interface Stage {
  readonly dispatcher: FakeDispatcher;
  readonly cancellation: CancelSource;
  readonly notes: [items: number, duration: number][];
  readonly done: Promise<void>;
  /** How each item has ended, and nothing twice. */
  readonly ends: unknown[];
}

function createStage(items: readonly unknown[], options: CallOptions = {}): Stage {
  const dispatcher = new FakeDispatcher();
  const cancellation = new CancelSource();
  const notes: [number, number][] = [];
  const pace: ChunkSizer = {
    size: 3,
    sliced: true,
    note: (items, duration) => void notes.push([items, duration]),
  };
  const ends: unknown[] = [];
  const end = (index: number, text: unknown) => {
    assert(!(index in ends), `${index} ends twice`);
    ends[index] = text;
  };
  const route = { address: ADDRESS, dispatcher, options, pace, warn: () => {} };
  const call = new ChunkCall(route, { items, context: undefined }, cancellation, {
    ended: (begin, { values, failures }: ChunkResult) => {
      const failed = new Map(failures);
      for (const [index, value] of values.entries()) {
        end(begin + index, failed.has(index) ? nameOf(failed.get(index)) : value);
      }
    },
    failed: (begin, count, reason) => {
      for (let index = begin; index < begin + count; index++) end(index, nameOf(reason));
    },
  });
  return { dispatcher, cancellation, notes, ends, done: call.run() };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : String(error);
}

const argsOf = ({ parts, request }: FakeDispatcher): unknown[] =>
  parts.map(({ observer }) => request && observer.items?.toRequest(request).args);

Deno.test("ChunkCall sends what a worker is to get, and one item alone as a plain call", async () => {
  const { dispatcher, ends, notes, done } = createStage([1, "throw", 3, 4]);
  const [first, last] = [dispatcher.send(3), dispatcher.send()];
  assertEquals([first.request.args, first.request.items], [[1, "throw", 3], 3]);
  assertEquals([last.request.args, last.request.items, last.request.context], [
    [4],
    undefined,
    undefined,
  ]);
  last.answer();
  first.tell(2);
  assertEquals(ends, ["did 1", "RangeError", , "did 4"]);
  first.tell(1);
  assertEquals(first.answer(), undefined);
  await done;
  assertEquals([ends[2], notes.map(([items]) => items)], ["did 3", [1, 3]]);
});

Deno.test("ChunkCall sends many numbers as one buffer", async () => {
  const numbers = Array.from({ length: 20 }, (_, x) => x / 3);
  const { dispatcher } = createStage(numbers);
  const run = dispatcher.send();
  const { chunk } = run.request.context as CallContext;
  assertEquals([run.request.args, chunk?.numbers], [[], new Float64Array(numbers)]);
  const guest = runInGuest(numbers, (item) => -(item as number));
  await guest.ended;
  // A busy machine sends them in two messages.
  assertEquals(guest.log.flat(), numbers.map((x) => -x));
});

Deno.test("ChunkCall sends what a worker gives back with its answer elsewhere", () => {
  const { dispatcher, ends } = createStage([1, 2, 3, 4, 5]);
  const run = dispatcher.send();
  run.tell(2);
  dispatcher.giveBack([run.answer()]);
  assertEquals(argsOf(dispatcher), [[3, 4, 5]]);
  // Those that take longer than was thought are shared out.
  assertEquals(dispatcher.parts[0]?.observer.items?.most(2), 2);
  dispatcher.finish();
  assertEquals(ends, [1, 2, 3, 4, 5].map((item) => `did ${item}`));
});

Deno.test("ChunkCall sends what is taken back elsewhere while the worker runs the others", () => {
  const { dispatcher, ends } = createStage([1, 2, 3, 4, 5]);
  const run = dispatcher.send();
  run.tell(1);
  dispatcher.giveBack([run.items.takeRest(3)]);
  assertEquals(argsOf(dispatcher), [[4, 5]]);
  dispatcher.finish();
  run.tell(2);
  assertEquals([run.answer(), ends.length], [undefined, 5]);
});

Deno.test("ChunkCall fails the item that a worker died of, and spares the others", () => {
  const { dispatcher, ends } = createStage([1, 2, 13, 4, 5]);
  const run = dispatcher.send();
  run.tell(1);
  dispatcher.giveBack(run.fail(DIED, 3));
  assertEquals(argsOf(dispatcher), [[2], [4, 5]]);
  dispatcher.finish();
  assertEquals(ends, ["did 1", "did 2", "WorkerDiedError", "did 4", "did 5"]);
});

Deno.test("ChunkCall blames nobody for a death between items, and the first for one before all", () => {
  const between = createStage([1, 2, 3]);
  const run = between.dispatcher.send();
  run.tell(2);
  between.dispatcher.giveBack(run.fail(DIED, 2));
  between.dispatcher.finish();
  assertEquals(between.ends, ["did 1", "did 2", "did 3"]);

  const before = createStage([1, 2, 3]);
  before.dispatcher.giveBack(before.dispatcher.send().fail(DIED, 0));
  before.dispatcher.finish();
  assertEquals(before.ends, ["WorkerDiedError", "did 2", "did 3"]);
});

Deno.test("ChunkCall sends those alone of which a worker may have died", () => {
  const { dispatcher, ends } = createStage([1, 2, 3, 4, 5, 6]);
  const run = dispatcher.send();
  dispatcher.giveBack(run.fail(DIED, 5, 3));
  assertEquals(argsOf(dispatcher), [[1, 2], [3], [4], [5], [6]]);
  dispatcher.finish();
  assertEquals(ends.length, 6);
});

Deno.test("ChunkCall finds the item that cannot be sent", () => {
  const { dispatcher, ends } = createStage([1, "unclonable", 3, 4]);
  while (dispatcher.parts.length > 0) {
    const run = dispatcher.send();
    if (run.request.args.includes("unclonable")) {
      dispatcher.giveBack(run.fail(new UnclonableError("Cannot send", "args")));
    } else {
      run.tell(run.items.alone ? 0 : Infinity);
      run.answer();
    }
  }
  assertEquals(ends, ["did 1", "UnclonableError", "did 3", "did 4"]);
});

Deno.test("ChunkCall fails all items with what concerns them all", () => {
  const { dispatcher, ends } = createStage([1, 2]);
  assertEquals(dispatcher.send().fail(new WorkerInitError("Cannot import")), []);
  assertEquals(ends, ["WorkerInitError", "WorkerInitError"]);
});

Deno.test("ChunkCall runs what has failed again, each on its own, as often as is left", () => {
  const { dispatcher, ends } = createStage([1, "flaky", "throw", 4], { retries: 1, priority: 5 });
  const run = dispatcher.send();
  assertEquals([run.items.size, dispatcher.parts.length], [4, 0]);
  run.tell(4);
  assertEquals(argsOf(dispatcher), [["flaky"], ["throw"]]);
  assertEquals([run.items.completed, run.items.failed, run.items.retried], [2, 2, 2]);
  const { observer } = dispatcher.parts[0] ?? {};
  assertEquals([observer?.retries, observer?.priority], [0, 5]);
  dispatcher.finish();
  assertEquals(ends, ["did 1", "did flaky", "RangeError", "did 4"]);
});

Deno.test("ChunkCall leaves it to the dispatcher to run the item again that its worker died of", () => {
  const { dispatcher } = createStage([1, 13, 3], { retries: 2 });
  const front = dispatcher.parts[0];
  assert(front !== undefined && dispatcher.request !== undefined);
  const run = dispatcher.send();
  assertEquals(front.observer.retries, 0);
  dispatcher.giveBack(run.items.takeSpared(DIED, { count: 2, sure: 2 }));
  assertEquals(argsOf(dispatcher), [[1], [3]]);
  assertEquals([front.observer.retries, run.items.size], [2, 1]);
  assertEquals(run.items.toRequest(dispatcher.request).args, [13]);
});

Deno.test("ChunkCall tells each item's end once, whatever is done with them", async () => {
  const step = fc.record({
    count: fc.integer({ min: 1, max: 9 }),
    told: fc.nat({ max: 9 }),
    begun: fc.nat({ max: 9 }),
    what: fc.constantFrom("answer", "take", "die", "unsure", "refuse"),
  });
  await fc.assert(fc.asyncProperty(
    fc.integer({ min: 1, max: 30 }),
    fc.array(step, { maxLength: 20 }),
    async (length, steps) => {
      const { dispatcher, ends, done } = createStage(Array.from({ length }, (_, x) => `${x}`));
      for (const { count, told, begun, what } of steps) {
        if (dispatcher.parts.length === 0) break;
        const run = dispatcher.send(count);
        const size = run.request.args.length;
        const done = run.items.alone ? 0 : Math.min(told, size);
        run.tell(done);
        const last = Math.min(size, Math.max(done, begun));
        if (what === "die") dispatcher.giveBack(run.fail(DIED, last));
        else if (what === "unsure") {
          dispatcher.giveBack(run.fail(DIED, last, Math.max(done, last - 3)));
        } else if (what === "refuse") {
          dispatcher.giveBack(run.fail(new UnclonableError("Cannot send", "args")));
        } else {
          const rest = what === "take" ? run.items.takeRest(last) : undefined;
          if (rest !== undefined) run.tell(last - done);
          dispatcher.giveBack([run.answer(), rest]);
        }
      }
      dispatcher.finish();
      await done;
      assertEquals(Object.keys(ends).length, length);
      for (const [index, end] of ends.entries()) {
        assert(end === `did ${index}` || /Died|Unclonable/.test(String(end)), `${index}: ${end}`);
      }
    },
  ));
});

Deno.test("ChunkGatherer.dispatch() sends the calls of one checkpoint together", async () => {
  const dispatcher = new FakeDispatcher();
  const gatherer = new ChunkGatherer({
    address: ADDRESS,
    dispatcher,
    pace: createChunkSizer({ chunkSize: 3, bufferSize: undefined, workers: 1 }),
    warn: () => {},
  });
  const call = (item: unknown) => {
    const { module, name: task } = ADDRESS;
    const result = Promise.withResolvers<Outcome>();
    gatherer.dispatch({ module, task, args: [item], context: undefined }, {}, result);
    return result.promise;
  };
  const settled = Promise.allSettled([1, 2, "throw", 4].map(call));
  await Promise.resolve();
  const runs = [dispatcher.send(3), dispatcher.send(3)];
  assertEquals(runs.map(({ request }) => request.args), [[1, 2, "throw"], [4]]);
  runs[0]?.tell(3);
  for (const run of runs) run.answer();
  assertEquals(
    (await settled).map((outcome) =>
      outcome.status === "rejected"
        ? outcome.reason.name
        : outcome.value.type === "value"
        ? outcome.value.value
        : outcome
    ),
    ["did 1", "did 2", "RangeError", "did 4"],
  );
});

Deno.test("ChunkCall gives up what no worker has, as the dispatcher says", () => {
  const { dispatcher, ends } = createStage([1, 2]);
  dispatcher.parts[0]?.listener.reject(new CancelledError("enough"));
  assertEquals(ends, ["CancelledError", "CancelledError"]);
});

/** What a chunk does in a worker: what it told, at each step. */
interface Guest {
  readonly log: unknown[];
  readonly ended: Promise<void>;
}

function runInGuest(
  items: readonly unknown[],
  fn: (item: unknown) => unknown,
  more: {
    readonly slice?: number;
    readonly allowed?: number;
    readonly spent?: () => boolean | Promise<boolean>;
    readonly carry?: (ended: EndedItems) => EndedItems | Promise<EndedItems>;
    readonly observed?: boolean;
  } = {},
): Guest {
  const { slice, allowed = Infinity, spent, carry = (ended) => ended, observed = false } = more;
  const log: unknown[] = [];
  const control = new CallStatus("deed");
  let begun = 0;
  const told = Object.assign(control, {
    beginItem: () => ++begun <= allowed,
    send: (_kind: string, data: unknown) => {
      const { values, failures = [] } = structuredClone(data) as EndedItems;
      log.push([...values, ...failures.map(([index]) => `failed ${index}`)]);
      return true;
    },
  });
  const running = runChunk(items, slice === undefined ? {} : { slice }, {
    definition: new TaskDefinition(ADDRESS.module, fn, { name: ADDRESS.name }),
    scope: deriveScope(undefined, {}),
    control: told,
    compute: async (item) => ({ value: await fn(item) }),
    fix: (value) => value,
    carry,
    spent,
    ...(observed && { announce: () => void log.push("begun") }),
  });
  // What goes with the answer.
  const ended = running.then((last) => last && void told.send("", last));
  return { log, ended };
}

Deno.test("runChunk() tells what is there when an item waits, and each that has waited", async () => {
  const gates = [1, 2, 3].map(() => Promise.withResolvers<void>());
  const { log, ended } = runInGuest(["a", "b", 0, 1, "c"], (item) => {
    return typeof item === "number" ? gates[item]?.promise.then(() => item) : item;
  });
  const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 2));
  await turn();
  assertEquals(log, [["a", "b"]]);
  gates[0]?.resolve();
  await turn();
  assertEquals(log, [["a", "b"], [0]]);
  gates[1]?.resolve();
  await ended;
  assertEquals(log, [["a", "b"], [0], [1], ["c"]]);
});

Deno.test("runChunk() says that an item has begun when all before have ended, as far as it told", async () => {
  for (
    const wrap of [(ended: EndedItems) => ended, (ended: EndedItems) => Promise.resolve(ended)]
  ) {
    const gates = [1, 2].map(() => Promise.withResolvers<void>());
    const fn = (item: unknown) =>
      typeof item === "number" ? gates[item]?.promise.then(() => item) : item;
    const items = ["a", "b", 0, "c", 1, "d"];
    const { log, ended } = runInGuest(items, fn, { carry: wrap, observed: true, allowed: 5 });
    const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 2));
    await turn();
    assertEquals(log, ["begun", ["a", "b"], "begun"]);
    gates[0]?.resolve();
    await turn();
    assertEquals(log.slice(3), [[0], "begun", ["c"], "begun"]);
    gates[1]?.resolve();
    await ended;
    // The last was taken back.
    assertEquals(log.slice(7), [[1]]);
  }
  // Nobody is told of the first when that was taken back, too.
  const { log, ended } = runInGuest(["a"], (item) => item, { observed: true, allowed: 0 });
  await ended;
  assertEquals(log, []);
});

Deno.test("runChunk() begins no item that was taken back, and none when its time is over", async () => {
  const taken = runInGuest([1, 2, 3, 4], (item) => item, { allowed: 2 });
  await taken.ended;
  assertEquals(taken.log, [[1, 2]]);
  const late = runInGuest([1, 2, 3], async (item) => {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return item;
  }, { slice: 1 });
  await late.ended;
  assertEquals(late.log, [[1]]);
});

Deno.test("runChunk() leaves the rest when the worker is spent, and never asks after the last", async () => {
  for (const wrap of [(value: boolean) => value, (value: boolean) => Promise.resolve(value)]) {
    let asked = 0;
    const spent = () => wrap(++asked === 2);
    const { log, ended } = runInGuest([1, 2, 3], (item) => item, { spent });
    await ended;
    assertEquals([log.flat(), asked], [[1, 2], 2]);
  }
  const last = runInGuest([1], (item) => item, { spent: () => assert(false) as never });
  await last.ended;
  assertEquals(last.log, [[1]]);
});

Deno.test("runChunk() fails alone what throws and what structured clone refuses", async () => {
  const { log, ended } = runInGuest([1, 2, 3, 4], (item) => {
    if (item === 2) throw new RangeError("two");
    return item === 3 ? () => item : item;
  });
  await ended;
  // Those that ended some milliseconds before the others were told of together.
  const said = log.flat().map((word) => typeof word === "string" ? word.slice(0, 6) : word);
  assertEquals(said, [1, undefined, "failed", undefined, "failed", 4]);
});

Deno.test("AutoChunkPace begins with one, and stays there for slow tasks", () => {
  const pace = new AutoChunkPace();
  for (let call = 0; call < 10; call++) {
    assertEquals(pace.size, 1);
    pace.note(1, 100, 8);
  }
});

Deno.test("AutoChunkPace at most doubles, to what takes a slice", () => {
  const pace = new AutoChunkPace();
  const sizes: number[] = [];
  for (let chunk = 0; chunk < 6; chunk++) {
    pace.note(pace.size, 10 * pace.size, 8);
    sizes.push(pace.size);
  }
  assertEquals(sizes, [2, 4, 8, 10, 10, 10]);
  pace.note(3, 30, 8);
  assertEquals(pace.size, 10);
});

Deno.test("AutoChunkPace shrinks at once when items take long, and has a largest size", () => {
  const pace = new AutoChunkPace();
  for (let chunk = 0; chunk < 20; chunk++) pace.note(pace.size, 0, 8);
  assertEquals(pace.size, 4096);
  pace.note(1, 500, 8);
  assertEquals(pace.size, 1);
  pace.note(0, 500, 8);
  assertEquals(pace.size, 1);
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
    fc.nat({ max: 600 }),
    (size, bufferSize, workers, left) => {
      const pace = createChunkSizer({ chunkSize: size, bufferSize, workers });
      const window = new MapWindow({ pace, bufferSize, workers });
      const all = window.next(0);
      assertEquals(window.next(all), 0);
      if (bufferSize === undefined) assert(all + size > 32);
      else assert(all <= bufferSize && all >= Math.min(bufferSize, workers));
      const buffered = Math.min(left, all);
      const more = window.next(buffered);
      assert(buffered + more <= Math.max(all, bufferSize ?? Infinity));
    },
  ));
});
