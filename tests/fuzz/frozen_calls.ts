import {
  type Cache,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  QuiverError,
} from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import { assert, assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { WORKER_TYPES, type WorkerType } from "../../src/worker/worker.ts";
import { describe, SEEING } from "./testdata/frozen_tasks.ts";

/** A law of calls, and where they run. */
export interface FrozenTarget {
  /** What is attacked, and what must not happen. */
  readonly name: string;
  /**
   * Opens what the calls run on, and makes the property.
   *
   * @param directory An empty directory for caches.
   */
  open(directory: string): Promise<OpenTarget>;
}

/** A property that needs what must be closed. */
export interface OpenTarget extends AsyncDisposable {
  /** The property. */
  readonly property: fc.IAsyncProperty<[Plan]>;
}

type CacheName = "memory" | "bag" | "file" | "sqlite";

/** Files of their own for each value and record take ten times as long as all else. */
const CACHE: fc.Arbitrary<CacheName> = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<CacheName[]>("memory", "bag") },
  { weight: 2, arbitrary: fc.constant<CacheName>("sqlite") },
  { weight: 1, arbitrary: fc.constant<CacheName>("file") },
);

/** Below this, a call whose argument is changed is never refused. */
const LARGE = 64 * 1024;

/**
 * Arguments by name; what is changed of them is told apart by `describe()`. There are few contents
 * of the large ones, as each is stored.
 */
const ARGUMENTS = {
  object: () => ({ n: 0, inner: { n: 0, list: [0, 0] } }),
  array: () => [0, [0, { n: 0 }], 0],
  map: () => new Map<unknown, unknown>([["n", 0], ["inner", { n: 0 }]]),
  set: () => new Set<unknown>([0, "a"]),
  date: () => new Date(0),
  dates: () => ({ at: new Date(0), all: [new Date(1)] }),
  bytes: () => new Uint8Array(8),
  floats: () => ({ floats: new Float64Array(4) }),
  stored: () => new Float64Array(1024),
  large: () => new Uint8Array(2 * LARGE),
  largeInside: () => [{ data: new Float64Array(LARGE / 4), n: 0 }],
} satisfies { readonly [name: string]: () => object };

type ArgumentName = keyof typeof ARGUMENTS;

/** When something is done, after the call before it. */
type Moment =
  | { readonly type: "at once" }
  | { readonly type: "ticks"; readonly count: number }
  | { readonly type: "timer" };

/** A call, or three in a row. */
interface CallStep {
  readonly type: "call" | "submit" | "map";
  readonly task: string;
  readonly on: number;
  /** Whether the argument is part of a new object, which other calls have not. */
  readonly wrapped: boolean;
  readonly at: number;
}

/** What is done. */
type Step =
  | CallStep
  | { readonly type: "change"; readonly on: number; readonly at: number; readonly when: Moment }
  | { readonly type: "pause"; readonly when: Moment };

/** What is done in one round. */
export interface Plan {
  /** The cache. */
  readonly cache: CacheName;
  /** The objects that calls have as arguments. */
  readonly objects: readonly ArgumentName[];
  /** What is done, in order. */
  readonly steps: readonly Step[];
}

const AT = fc.nat(7);
const ON = fc.nat(2);
const TASK = fc.constantFrom(...Object.keys(SEEING));

const MOMENT: fc.Arbitrary<Moment> = fc.oneof(
  fc.record({ type: fc.constant("at once" as const) }),
  fc.record({ type: fc.constant("ticks" as const), count: fc.integer({ min: 1, max: 12 }) }),
  fc.record({ type: fc.constant("timer" as const) }),
);

const STEP: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom("call" as const, "submit" as const, "submit" as const, "map" as const),
      task: TASK,
      on: ON,
      wrapped: fc.boolean(),
      at: AT,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("change" as const), on: ON, at: AT, when: MOMENT }),
  },
  fc.record({ type: fc.constant("pause" as const), when: MOMENT }),
);

const PLAN: fc.Arbitrary<Plan> = fc.record({
  cache: CACHE,
  objects: fc.array(fc.constantFrom(...Object.keys(ARGUMENTS) as ArgumentName[]), {
    minLength: 1,
    maxLength: 3,
  }),
  steps: fc.array(STEP, { minLength: 1, maxLength: 8 }),
});

/** Changes something in a value, in one of a few ways. */
function change(value: object, at: number): void {
  if (value instanceof Uint8Array || value instanceof Float64Array) {
    value[at % 4] = ((value[at % 4] ?? 0) + 1) % 4;
  } else if (value instanceof Date) value.setTime(value.getTime() + 1 + at);
  else if (value instanceof Set) value.add(value.size + at);
  else if (value instanceof Map) changeEntry(value, at);
  else changeField(value as Record<string, unknown>, at);
}

function changeEntry(value: Map<unknown, unknown>, at: number): void {
  const [key, item] = [...value][at % value.size] ?? [];
  if (isObject(item)) change(item, at);
  else value.set(at % 2 === 0 ? key : value.size, value.size + at + 1);
}

function changeField(value: Record<string, unknown>, at: number): void {
  const names = Object.keys(value);
  const name = names[at % names.length] ?? "";
  const field = value[name];
  if (isObject(field)) change(field, at);
  else value[name] = Number(field) + at + 1;
}

function changeOnce(object: Changing, at: number): void {
  object.changes++;
  change(object.value, at);
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

async function pass(when: Moment): Promise<void> {
  if (when.type === "timer") await new Promise((resolve) => setTimeout(resolve, 0));
  else if (when.type === "ticks") { for (let i = 0; i < when.count; i++) await Promise.resolve(); }
}

/** An object that calls have as an argument. */
interface Changing {
  readonly value: object;
  readonly large: boolean;
  /** How often it was changed. */
  changes: number;
}

/** A round of calls, changes of their arguments meanwhile, and what came of it. */
class Round {
  readonly #executor: Executor | undefined;
  readonly #objects: readonly Changing[];
  readonly #endings: Promise<void>[] = [];

  constructor(executor: Executor | undefined, objects: readonly ArgumentName[]) {
    this.#executor = executor;
    this.#objects = objects.map((name) => (
      { value: ARGUMENTS[name](), large: name.startsWith("large"), changes: 0 }
    ));
  }

  /** Takes the steps, until all calls have ended. */
  async run(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (step.type === "pause") await pass(step.when);
      else if (step.type === "change") this.#change(step.on, step.at, step.when);
      else if (step.type === "map") this.#await(this.#map(step));
      else this.#call(step);
    }
    // All end before the first failure is told: what is left over would disturb the next round.
    const ended = await Promise.allSettled(this.#endings);
    for (const ending of ended) if (ending.status === "rejected") throw ending.reason;
  }

  #object(on: number): Changing {
    const object = this.#objects[on % this.#objects.length];
    assert(object !== undefined);
    return object;
  }

  #change(on: number, at: number, when: Moment): void {
    const object = this.#object(on);
    if (when.type === "at once") changeOnce(object, at);
    else this.#await(pass(when).then(() => changeOnce(object, at)));
  }

  /** What fails while the round goes on is told at its end. */
  #await(ending: Promise<void>): void {
    ending.catch(() => {});
    this.#endings.push(ending);
  }

  #call({ type, task: name, on, wrapped, at }: CallStep): void {
    const object = this.#object(on);
    const { value, large, changes } = object;
    const seeing = SEEING[name];
    assert(seeing !== undefined);
    const argument = wrapped ? { wrapped: value } : value;
    const expected = describe(argument);
    const future = type === "call" || this.#executor === undefined
      ? seeing.task(argument)
      : this.#executor.submit(seeing.task, argument);
    const ending = future.then((result) => {
      assertEquals(seeing.toSeen(result), expected, `what "${name}" was called with`);
      // What a call has given is the caller's own.
      if (isObject(result)) change(result, at);
    }, (error) => {
      // Only what is too large to be copied for each call may be refused when it was changed.
      if (!(large && object.changes > changes && error instanceof QuiverError)) throw error;
    });
    this.#await(ending);
  }

  /** One object again and again, changed each time. */
  async #map(step: CallStep): Promise<void> {
    const { task: name, on, at } = step;
    const object = this.#object(on);
    const { value, large } = object;
    const seeing = SEEING[name];
    assert(seeing !== undefined);
    if (this.#executor === undefined) {
      for (let i = 0; i < 3; i++) {
        this.#call(step);
        changeOnce(object, at);
      }
      return;
    }
    const expected: string[] = [];
    function* repeat(): Generator<unknown> {
      for (let i = 0; i < 3; i++) {
        expected.push(describe(value));
        yield value;
        changeOnce(object, at);
      }
    }
    const seen: string[] = [];
    try {
      for await (const result of this.#executor.map(seeing.task, repeat())) {
        seen.push(seeing.toSeen(result));
      }
    } catch (error) {
      if (large && error instanceof QuiverError) return;
      throw error;
    }
    assertEquals(seen, expected, `what "${name}" was mapped over`);
  }
}

/** Each record tells what the task makes of the arguments that are stored with it; then it is gone. */
async function checkRecords(cache: Cache): Promise<void> {
  const records = await Array.fromAsync(cache.records());
  for (const { key } of records) await cache.evict(key);
  for (const record of records) {
    const seeing = SEEING[record.task];
    assert(seeing !== undefined, `a record of "${record.task}"`);
    const [argument] = record.args;
    assert(argument?.value !== undefined, `a record of "${record.task}" without its argument`);
    const given = await cache.value(argument.value);
    const result = await cache.value(record.result);
    assert(given.hit && result.hit, `a record of "${record.task}" without its values`);
    assertEquals(
      seeing.toSeen(result.value),
      describe(given.value),
      `the record of "${record.task}"`,
    );
  }
}

async function openCaches(
  directory: string,
  stack: AsyncDisposableStack,
): Promise<{ readonly [name in CacheName]: Cache }> {
  return {
    memory: createMemoryCache(),
    bag: stack.use(await openBag(`${directory}/results.bag`)),
    file: stack.use(await openFileCache(`${directory}/files`)),
    sqlite: stack.use(await openSqliteCache(`${directory}/calls.db`)),
  };
}

function createTarget(workerType: WorkerType | undefined): FrozenTarget {
  const place = workerType === undefined ? "here" : `on workers of the kind "${workerType}"`;
  return {
    name: `calls ${place} are remembered for what they were called with, whatever is changed then`,
    open: async (directory) => {
      await using stack = new AsyncDisposableStack();
      const caches = await openCaches(directory, stack);
      const executor = workerType && stack.use(new Executor({ workerType, maxWorkers: 2 }));
      const property = fc.asyncProperty(PLAN, async ({ cache: name, objects, steps }) => {
        const cache = caches[name];
        const round = new Round(executor, objects);
        try {
          // Arguments are read back.
          const options = { cache, storeArguments: "all", onWarning: () => {} } as const;
          await cacheScope(options, () => round.run(steps));
        } finally {
          await checkRecords(cache);
        }
      });
      const opened = stack.move();
      return { property, [Symbol.asyncDispose]: () => opened.disposeAsync() };
    },
  };
}

/** Calls in this isolate, and on each kind of worker. */
export const FROZEN: readonly FrozenTarget[] = [undefined, ...WORKER_TYPES].map(createTarget);
