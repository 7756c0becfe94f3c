import { importLater } from "../../base/lazy_import.ts";
import { runInScope } from "../../scope/current_scope.ts";
import type { Scope } from "../../scope/scope.ts";
import { whenSettled } from "../../store/memory_stores.ts";
import { toBodyScope } from "../../task/call_task.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import { fromThrown } from "../../value/codec/thrown_value.ts";
import { planTransfer } from "../../worker/wire/large_buffers.ts";
import type { CallControl, ValueOrigin } from "../../worker/worker.ts";
import {
  type ChunkContext,
  type EndedItems,
  type ItemFailure,
  ITEMS,
  type ItemValues,
  type Remembering,
  toNumbers,
} from "../wire/call_context.ts";

/** What a chunk is run with. */
export interface ChunkTools {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the calls were made in. */
  readonly scope: Scope;
  /** What the code knows of who waits for the chunk. */
  readonly control: CallControl;
  /** Runs a call that is to be remembered; gives the result and where it comes from. */
  readonly compute: (
    args: readonly unknown[],
    remembering: Remembering,
  ) => Promise<{ value: unknown; source?: ValueOrigin }>;
  /** Makes a result of its own of what a function returns, which it may change at the next item. */
  readonly fix: (value: unknown) => unknown;
  /** Puts shared values in the place of their handles, where arguments may have some. */
  readonly give?: ((args: readonly unknown[]) => readonly unknown[]) | undefined;
  /** Makes results ready for structured clone. */
  readonly carry: (ended: EndedItems) => EndedItems | Promise<EndedItems>;
  /** Asked between two items whether the worker runs no more of them, if that can be. */
  readonly spent?: (() => boolean | Promise<boolean>) | undefined;
  /** Says that the next item has begun, if somebody wants to know. */
  readonly announce?: (() => void) | undefined;
}

/** What has ended is sent before another item begins, if it ended so many milliseconds ago. */
const POST_INTERVAL = 5;

/**
 * Runs the items of a chunk one after another, inside a worker, and tells how they end. A failing item
 * fails only itself. The rest is left when the parent takes it back, when the time of the chunk is
 * over, or when the worker is spent.
 *
 * What an item gives that has waited for something is sent at once, and so is all that is there when
 * the next one waits. Code that never awaits keeps back what ended in the milliseconds before it. Of
 * those whose ends are told together, only the first is told of when it begins.
 *
 * @param chunk What the chunk needs beside them.
 * @param tools What it is run with.
 * @returns How those have ended that were not told of before.
 */
export function runChunk(
  items: ItemValues,
  chunk: ChunkContext,
  tools: ChunkTools,
): Promise<EndedItems | undefined> {
  const { definition, scope, control, compute, fix, give } = tools;
  const { fn } = definition;
  const { remembering, slice = Infinity, spread = false } = chunk;
  // What spread items are.
  const toArguments = (item: unknown) => spread ? item as readonly unknown[] : [item];
  const call = (item: unknown) => {
    const args = toArguments(item);
    return fn(...(give === undefined ? args : give(args)));
  };
  const outbox = new ItemOutbox(tools, remembering !== undefined);
  if (remembering === undefined) {
    const begin = spread || give !== undefined ? call : (item: unknown) => fn(item);
    // One scope for all: it says only which task runs.
    const run = () => runItems(items, { ...tools, slice, begin, outbox });
    return runInScope(toBodyScope(definition, scope, control), run);
  }
  const begin = async (item: unknown, index: number): Promise<unknown> => {
    const own = remembering[index];
    if (own === undefined) {
      const body = () => whenSettled(call(item), fix);
      return await runInScope(toBodyScope(definition, scope, control), body);
    }
    const { value, source } = await compute(toArguments(item), own);
    outbox.nextSource = source;
    return value;
  };
  return runItems(items, { ...tools, slice, begin, outbox, fix: (value) => value });
}

/** How items are run. */
interface ItemRun extends Pick<ChunkTools, "control" | "fix" | "spent"> {
  /** After how many milliseconds no other item begins. */
  readonly slice: number;
  /** Begins an item. */
  readonly begin: (item: unknown, index: number) => unknown;
  /** Takes how items end. */
  readonly outbox: ItemOutbox;
}

async function runItems(
  items: ItemValues,
  { slice, begin, fix, outbox, control, spent }: ItemRun,
): Promise<EndedItems | undefined> {
  const over = performance.now() + slice;
  // A coarse clock costs a third of a fine one, which is only read when this one has moved.
  let tick = Date.now();
  for (let index = 0; index < items.length; index++) {
    if (control.beginItem?.() === false) break;
    outbox.begin();
    try {
      const value = begin(items[index], index);
      if (isThenable(value)) {
        outbox.wait();
        outbox.add(await whenSettled(value, fix));
        await outbox.sendWaited();
        // A tick for each of many short items would take longer than the items.
      } else outbox.add(fix(value));
    } catch (error) {
      outbox.fail(error);
    }
    if (spent !== undefined && index < items.length - 1) {
      const leaves = spent();
      if (leaves !== false && await leaves) break;
    }
    const now = Date.now();
    if (now === tick) continue;
    tick = now;
    control.awaitItem?.();
    const time = performance.now();
    if (time >= over) break;
    await outbox.sendDue(time);
  }
  return await outbox.end();
}

/** How items have ended that the parent was not told yet. */
class ItemOutbox {
  readonly #tools: ChunkTools;
  readonly #tellsSources: boolean;
  #values: unknown[] = [];
  #failures: ItemFailure[] = [];
  #sources: (ValueOrigin | undefined)[] = [];
  #sent = performance.now();
  /** Those before are sent first. */
  #sending: Promise<void> | undefined;
  /** Tells that an item waits for more than other code of this isolate. */
  #turn: ReturnType<typeof setImmediate> | undefined;
  #waited = false;
  /** Whether whoever is told takes the first item for begun that has not ended, as far as was told. */
  #announced = false;
  /** Whether an item has begun that has not ended. */
  #runs = false;
  /** Where the next result comes from. */
  nextSource: ValueOrigin | undefined;

  constructor(tools: ChunkTools, tellsSources: boolean) {
    this.#tools = tools;
    this.#tellsSources = tellsSources;
  }

  /** An item begins. */
  begin(): void {
    this.#runs = true;
    this.#announce();
  }

  /** An item has a result. */
  add(value: unknown): void {
    this.#runs = false;
    this.#values.push(value);
    if (!this.#tellsSources) return;
    this.#sources.push(this.nextSource);
    this.nextSource = undefined;
  }

  /** An item has failed. */
  fail(error: unknown): void {
    this.#failures.push([this.#values.length, { thrown: fromThrown(error) }]);
    this.nextSource = undefined;
    this.add(undefined);
  }

  /** An item returns a promise: what is there is sent if it waits for something. */
  wait(): void {
    this.#turn ??= setImmediate(() => {
      this.#turn = undefined;
      this.#waited = true;
      this.#tools.control.awaitItem?.();
      // What fails here is told at the end.
      this.#send()?.catch(() => {});
      this.#announce();
    });
  }

  /** Sends the result of an item that has waited for something. */
  sendWaited(): Promise<void> | undefined {
    if (!this.#waited) return undefined;
    this.#waited = false;
    return this.#send();
  }

  /** Sends what is there if the last time is long ago. */
  sendDue(time: number): Promise<void> | undefined {
    return time - this.#sent >= POST_INTERVAL ? this.#send() : undefined;
  }

  /**
   * Sends what is left.
   *
   * @returns What may go with the answer instead, as nothing of it can be refused.
   */
  async end(): Promise<EndedItems | undefined> {
    clearImmediate(this.#turn);
    await this.#sending;
    const values = this.#values;
    if (values.length > 0 && values.every(isPrimitive)) return this.#take();
    await this.#send();
    await this.#sending;
    return undefined;
  }

  /** What is there, which is sent now. */
  #take(): EndedItems {
    const ended: EndedItems = {
      values: toNumbers(this.#values) ?? this.#values,
      ...(this.#failures.length > 0 && { failures: this.#failures }),
      ...(this.#tellsSources && { sources: this.#sources }),
    };
    this.#values = [];
    this.#failures = [];
    this.#sources = [];
    this.#sent = performance.now();
    this.#announced = false;
    return ended;
  }

  /** Says that an item runs, unless that is known. */
  #announce(): void {
    if (this.#announced || !this.#runs) return;
    this.#announced = true;
    const { announce } = this.#tools;
    if (announce === undefined) return;
    if (this.#sending === undefined) announce();
    // What fails there is told at the end.
    else this.#follow(this.#sending.then(announce)).catch(() => {});
  }

  #send(): Promise<void> | undefined {
    if (this.#values.length === 0) return undefined;
    const carried = this.#tools.carry(this.#take());
    const before = this.#sending;
    if (before === undefined && !(carried instanceof Promise)) {
      const refused = this.#post(carried);
      if (refused === undefined) return undefined;
      return this.#follow(this.#postEach(carried, refused.cause));
    }
    return this.#follow(
      Promise.all([carried, before]).then(([carried]) => {
        const refused = this.#post(carried);
        return refused && this.#postEach(carried, refused.cause);
      }),
    );
  }

  /** What comes after it waits for it. */
  #follow(sending: Promise<void>): Promise<void> {
    const followed: Promise<void> = sending.then(() => {
      if (this.#sending === followed) this.#sending = undefined;
    });
    return this.#sending = followed;
  }

  /** Gives what structured clone throws, if it refuses something. */
  #post(ended: EndedItems): { readonly cause: unknown } | undefined {
    try {
      this.#tools.control.send(ITEMS, { ...ended, values: toSent(ended.values) });
      return undefined;
    } catch (cause) {
      return { cause };
    }
  }

  /** One result spoils the message: each goes alone, so that only the guilty one fails. */
  async #postEach(ended: EndedItems, cause: unknown): Promise<void> {
    const { toResultError } = await importLater<
      typeof import("../../worker/wire/unclonable.ts")
    >("unclonable");
    for (const [index, value] of ended.values.entries()) {
      const failure = ended.failures?.find(([at]) => at === index);
      const source = ended.sources?.[index];
      const refused = this.#post({
        values: [value],
        ...(ended.carried?.includes(index) && { carried: [0] }),
        ...(failure !== undefined && { failures: [[0, failure[1]]] }),
        ...(ended.sources !== undefined && { sources: [source] }),
      });
      if (refused === undefined) continue;
      const error = toError(() => toResultError(value, refused.cause ?? cause));
      this.#post({ values: [undefined], failures: [[0, { thrown: fromThrown(error) }]] });
    }
  }
}

function toSent(values: ItemValues): ItemValues {
  return values instanceof Float64Array ? values : planTransfer(values, "copy")?.values ?? values;
}

/** A result with a getter that throws: structured clone met it first, and so it is the reason. */
function toError(make: () => Error): unknown {
  try {
    return make();
  } catch (thrown) {
    return thrown;
  }
}

function isPrimitive(value: unknown): boolean {
  const type = typeof value;
  return value === null || type !== "object" && type !== "function" && type !== "symbol";
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
