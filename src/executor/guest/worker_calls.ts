import { importLater } from "../../base/lazy_import.ts";
import type { QuiverWarning, Warn } from "../../base/warning.ts";
import type { Cache } from "../../cache/cache.ts";
import type { SourceWitness } from "../../call/module_sources.ts";
import { type CallNotes, createWarn, restoreScope, type Scope } from "../../scope/scope.ts";
import { whenSettled } from "../../store/memory_stores.ts";
import { type StoreDescription, toPaths } from "../../store/stores.ts";
import { BodyControl, runBody } from "../../task/call_task.ts";
import type { Collection } from "../../task/collect.ts";
import type { CollectedFrom } from "../../task/compute_call.ts";
import { adoptCodes, findTask, importTask, type TaskDefinition } from "../../task/definition.ts";
import { capture, copyLarge, type LargeBuffer } from "../../value/capture.ts";
import { copyShared, giveShared } from "../../value/share.ts";
import { importInWorker } from "../../worker/current_worker.ts";
import type { RemoteCallbacks } from "../../worker/remote_callbacks.ts";
import { isGivenAway, transfer } from "../../worker/transfer.ts";
import type { CallControl, CallRequest, Outcome, ValueOrigin } from "../../worker/worker.ts";
import {
  type CallContext,
  type CallLimits,
  ENDED,
  LACKS,
  NO_CONTEXT,
  type Remembering,
  STARTED,
} from "../wire/call_context.ts";
import { takeUnhandledFailures } from "../unhandled_failures.ts";
import type { LooseCode } from "./check_call.ts";
import type { DecodedArguments, ReceivedValue } from "./decode_tasks.ts";
import type { ChunkTools } from "./run_chunk.ts";
import { HeapWatch, NESTED_WORKERS, WorkerBudget } from "./worker_limits.ts";

// What not every call needs is loaded with the first that does.
type Computing = typeof import("../../task/compute_call.ts");
type RunChunk = typeof import("./run_chunk.ts");

/** A bag that this worker has open, for as long as the worker lives. */
interface OpenCache extends AsyncDisposable {
  readonly cache: Cache;
  /** What computes calls that it is to remember. */
  readonly computing: Computing;
}

/** What came of a call, and where it comes from, if that is to be told. */
interface Computed {
  readonly value: unknown;
  readonly source?: ValueOrigin;
}

/** A call whose task and scope are there. */
interface PreparedCall {
  readonly definition: TaskDefinition;
  readonly scope: Scope;
  readonly control: CallControl;
  readonly args: readonly unknown[];
  /** Whether there are handles of shared values among them. */
  readonly shared: boolean;
  /** What may be other code than that of the key: of the task, and of those among its arguments. */
  readonly code: readonly LooseCode[];
  /** Says that the body starts, where that is asked for; throws when the call was given up. */
  readonly start: () => void;
  /** Its body has ended, and what follows is the cache's. */
  readonly end: () => void;
}

const NOTHING = (): void => {};

/** When the body of a call that says so began and returned, in milliseconds. */
interface BodyTime {
  begun?: number;
  ended?: number;
}

/** Options of {@linkcode WorkerCalls}. */
interface WorkerCallsOptions {
  /** Makes the results of a chunk's items ready for their way back, if they have one. */
  readonly carry?: ChunkTools["carry"];
  /** What who sends the calls is known by to those beneath them, if that is in this isolate. */
  readonly owner?: string | undefined;
  /** The shared values that calls refer to, which come before them. */
  readonly shared?: ReadonlyMap<string, ReceivedValue>;
}

/** Runs calls inside a worker: finds the task, sets up its scope, remembers the result. */
export class WorkerCalls {
  readonly #caches = new Map<string, Promise<OpenCache>>();
  readonly #heap = new HeapWatch();
  readonly #budget = new WorkerBudget();
  /** The code of modules whose calls are remembered, by their URLs; nothing where it stays as it is. */
  readonly #codes = new Map<string, Promise<LooseCode | undefined>>();
  /** There as soon as a call was made without any scope of its own. */
  #plain: Scope | undefined;
  /** There as soon as a cache is. */
  #computing: Computing | undefined;
  /** There as soon as a call is to hand over what it prints. */
  #output: Promise<Disposable> | undefined;
  readonly #carry: ChunkTools["carry"];
  readonly #within: readonly string[] | undefined;
  readonly #shared: ReadonlyMap<string, ReceivedValue>;
  /** Asked between two items of a chunk whether the worker leaves, if it may by itself. */
  betweenItems: (() => Promise<boolean>) | undefined;

  /**
   * Creates what has run nothing yet.
   *
   * @param options What it makes of results, and whose calls it runs.
   */
  constructor({ carry = (ended) => ended, owner, shared = new Map() }: WorkerCallsOptions = {}) {
    this.#carry = carry;
    this.#shared = shared;
    if (owner !== undefined) this.#within = [owner];
  }

  /**
   * Runs a call.
   *
   * @param control What the call's code knows of who waits for it.
   * @returns How it ended; never rejects.
   */
  run(request: CallRequest, control: CallControl): Outcome | Promise<Outcome> {
    const { module, task: name, args, context } = request;
    const known = findTask({ module, name });
    // Most calls bring nothing but their arguments, and only the first of a task finds it missing.
    return known === undefined || context !== undefined
      ? this.#runInContext(request, control, known)
      : this.#runPlain(known, args, control);
  }

  /** Whether nothing has to be made ready for a call: its body begins as soon as it is run. */
  isPlain({ module, task: name, context }: CallRequest): boolean {
    return context === undefined && findTask({ module, name }) !== undefined;
  }

  #runPlain(
    definition: TaskDefinition,
    args: readonly unknown[],
    control: CallControl,
  ): Outcome | Promise<Outcome> {
    const warnings: string[] = [];
    const scope = this.#createPlainScope(warnings);
    const begun = performance.now();
    try {
      const value = runBody(definition, scope, args, control);
      if (isThenable(value)) return finish(value, begun, warnings);
      return { type: "value", value, duration: performance.now() - begun, warnings };
    } catch (error) {
      return toFailure(error, performance.now() - begun, warnings);
    }
  }

  /** What it is made of is the same for all such calls, but for who is warned. */
  #createPlainScope(warnings: string[]): Scope {
    this.#budget.total = NESTED_WORKERS;
    const plain = this.#plain ??= this.#nest(restoreScope(NO_CONTEXT, () => {}), 1);
    return { ...plain, warn: createWarn(false, noteIn(warnings)) };
  }

  async #runInContext(
    request: CallRequest,
    control: CallControl,
    known: TaskDefinition | undefined,
  ): Promise<Outcome> {
    const warnings: string[] = [];
    // What crossed the boundary is what `toCallContext` made.
    const context = (request.context ?? NO_CONTEXT) as CallContext;
    let begun = performance.now();
    const time: BodyTime = {};
    const toDuration = () => (time.ended ?? performance.now()) - (time.begun ?? begun);
    try {
      const called = await this.#prepare(request, context, { control, known, warnings, time });
      const run = context.chunk === undefined ? undefined : await loadRunChunk();
      begun = performance.now();
      const computed = await this.#runPrepared(called, context, run);
      const duration = toDuration();
      return this.#report({ type: "value", ...computed, duration, warnings }, context.limits);
    } catch (error) {
      if (error instanceof LackingArgument) {
        return { type: "value", value: undefined, source: LACKS, duration: toDuration(), warnings };
      }
      return this.#report(await toFailure(error, toDuration(), warnings), context.limits);
    }
  }

  /** Finds the task, and restores the scope and what else travels in another form. */
  async #prepare(
    { module, task: name, args: given }: CallRequest,
    context: CallContext,
    { control, known, warnings, time }: {
      readonly control: CallControl;
      readonly known: TaskDefinition | undefined;
      readonly warnings: string[];
      readonly time: BodyTime;
    },
  ): Promise<PreparedCall> {
    const { bare, limits, output, tasks, announce, priority, within, holds } = context;
    const definition = known ?? await importInWorker(module, () => importTask({ module, name }));
    await definition.checkThis();
    const restored = bare === true
      ? this.#createPlainScope(warnings)
      : this.#restoreScope(context, warnings);
    this.#budget.total = limits?.nestedWorkers ?? NESTED_WORKERS;
    let scope = restored instanceof Promise ? await restored : restored;
    if (priority !== undefined) scope = { ...scope, priority };
    if (within !== undefined && scope.nesting !== undefined) {
      const all = [...within, ...scope.nesting.within ?? []];
      scope = { ...scope, nesting: { ...scope.nesting, within: all } };
    }
    if (holds !== undefined && scope.nesting !== undefined) {
      scope = { ...scope, nesting: { ...scope.nesting, holds } };
    }
    if (output === true) {
      await (this.#output ??= openOutput());
      scope = { ...scope, output: control };
    }
    const isPlain = tasks === undefined && context.shared === undefined;
    const { args: decoded, shared } = isPlain
      ? { args: given, shared: false }
      : await this.#decode(given, context, { control, scope, warnings });
    const { stored } = context;
    const args = stored === undefined
      ? decoded
      : await (await loadDecoding()).readStored(decoded, stored, scope.cache);
    if (args === undefined) throw new LackingArgument();
    const start = () => {
      if (control.begin?.() === false || control.aborted) throw control.signal.reason;
      // Of a chunk, its items say when they begin.
      if (announce !== true || context.chunk !== undefined) return;
      control.send(STARTED, undefined);
      time.begun = performance.now();
    };
    const end = () => {
      if (time.begun === undefined || time.ended !== undefined) return;
      time.ended = performance.now();
      control.send(ENDED, undefined);
    };
    const code = await this.#findCode(module, context);
    return { definition, scope, control, args, shared, code, start, end };
  }

  async #runPrepared(
    called: PreparedCall,
    context: CallContext,
    runChunk: RunChunk["runChunk"] | undefined,
  ): Promise<Computed> {
    const { definition, scope, control, args, shared, start, end } = called;
    if (runChunk !== undefined && context.chunk !== undefined) {
      start();
      const compute = (args: readonly unknown[], own: Remembering) =>
        this.#runRemembered({ ...called, args, start: NOTHING, end: NOTHING }, own);
      const fix = shared ? (value: unknown) => fixResult(copyShared(value)) : fixResult;
      const give = shared ? giveShared : undefined;
      const tools = { definition, scope, control, compute, fix, give, carry: this.#carry };
      const { chunk } = context;
      const items = chunk.numbers ?? args;
      const spent = this.#isSpent(context.limits);
      const announce = context.announce === true
        ? () => control.send(STARTED, undefined)
        : undefined;
      return { value: await runChunk(items, chunk, { ...tools, spent, announce }) };
    }
    if (context.call !== undefined || context.check !== undefined) {
      return await this.#runRemembered(called, context);
    }
    const give = shared ? giveShared(args) : args;
    start();
    const value = await ending(() => runBody(definition, scope, give, control), end);
    // What makes it ready for its way may have to be loaded.
    if (typeof value === "object" && value !== null) end();
    return { value: shared ? copyShared(value) : value };
  }

  /** Where the code is not that of the key, the call runs all the same, and is not remembered. */
  async #runRemembered(
    { definition, scope, control, args: given, shared, code, start, end }: PreparedCall,
    { call, check, lent }: Remembering,
  ): Promise<Computed> {
    const { name } = definition;
    const args = lent === true ? (await loadDecoding()).toOwnBuffers(given) : given;
    const isOther = () => isOtherCode(name, code, scope.warn);
    const run = (control: CallControl, own?: Parameters<typeof runBody>[4]) => {
      const values = shared ? giveShared(args) : args;
      start();
      const result = ending(() => runBody(definition, scope, values, control, own), end);
      return shared ? whenSettled(result, copyShared) : result;
    };
    if (isOther()) return { value: await run(control), source: "unfit" };
    const own = new BodyControl(control, scope.control);
    const refuse = () => {
      end();
      return own.interrupted || isOther() ? "unfit" : undefined;
    };
    const leased = call?.leased ?? true;
    const notes: CallNotes = {};
    const body = () => run(own, { ...(call && { key: call.key, leased }), notes });
    if (call === undefined) {
      const { runChecked } = await importLater<typeof import("./check_call.ts")>("check");
      const options = { name, warn: scope.warn, refuse, fix: fixResult, shared };
      const collection = await openCollection({ definition, scope, notes });
      const around = collection?.around(body) ?? body;
      const ended = await runChecked(args, check?.digests ?? [], () => around(args), options);
      await collection?.ended;
      const hasNotes = Object.keys(notes).length > 0;
      return ended.source === undefined && hasNotes ? { ...ended, source: { notes } } : ended;
    }
    // The cache could perhaps not be opened.
    if (scope.cache === undefined || this.#computing === undefined) {
      return { value: await body() };
    }
    const computed = { definition, scope, call: { ...call, values: args }, leased, notes };
    return await this.#computing.computeCall(scope.cache, computed, body, {
      refuse,
      fix: fixResult,
    });
  }

  /** The code of the task and of those among its arguments, as far as keys are made of it. */
  async #findCode(module: string, { sources, tasks = {} }: CallContext): Promise<LooseCode[]> {
    const own = sources === undefined
      ? await this.#codes.get(module)
      : await this.#lookAtCode(module, sources);
    adopt(sources, own);
    const code = [own];
    for (const { address, sources } of Object.values(tasks).flat()) {
      if (sources === undefined) continue;
      const other = await this.#lookAtCode(address.module, sources);
      adopt(sources, other);
      code.push(other);
    }
    return code.filter((one) => one !== undefined);
  }

  /** The code of a module is looked at once, after it was imported. */
  #lookAtCode(module: string, sources: SourceWitness): Promise<LooseCode | undefined> {
    const known = this.#codes.get(module);
    if (known !== undefined) return known;
    const checking = importLater<typeof import("./check_call.ts")>("check");
    const code = checking.then(({ lookAtCode }) => lookAtCode(module, sources));
    this.#codes.set(module, code);
    code.catch(() => this.#codes.delete(module));
    return code;
  }

  /** Lets go of the bags that calls have used. */
  async close(): Promise<void> {
    (await this.#output)?.[Symbol.dispose]();
    // What was remembered last is looked at.
    for (const { memory } of this.#shared.values()) memory?.guard?.settle();
    const caches = [...this.#caches.values()];
    this.#caches.clear();
    for (const opened of await Promise.allSettled(caches)) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
  }

  /**
   * Tells of calls that the calls have made, and nobody has looked at.
   *
   * @throws {UnhandledFailuresError} When some have failed.
   */
  refuseUnhandled(): void {
    const error = takeUnhandledFailures();
    if (error !== undefined) throw error;
  }

  async #decode(
    args: readonly unknown[],
    { tasks, callbacks = false, shared, needs = [] }: CallContext,
    { control, scope, warnings }: {
      readonly control: CallControl;
      readonly scope: Scope;
      readonly warnings: string[];
    },
  ): Promise<DecodedArguments> {
    const { decodeTasks, placeShared, readShared } = await loadDecoding();
    const received = this.#shared;
    const source = { received, cache: scope.cache, control };
    const ids = shared?.map(([, id]) => id) ?? needs;
    if (ids.length > 0) await readShared(ids, source);
    if (shared !== undefined) return { args: placeShared(args, shared, received), shared: true };
    return await decodeTasks(args, tasks ?? {}, {
      restoreScope: (scope) => this.#restoreScope(scope, warnings),
      callbacks: callbacks ? await openCallbacks(control) : undefined,
      shared: received,
    });
  }

  /** What ends a worker after a call ends it between two items, too. */
  #isSpent({ maxHeapBytes = Infinity }: Partial<CallLimits> = {}): ChunkTools["spent"] {
    const { betweenItems } = this;
    if (maxHeapBytes === Infinity) return betweenItems;
    return () => this.#heap.excess(maxHeapBytes) !== undefined || (betweenItems?.() ?? false);
  }

  /** Adds to an outcome what is asked for. */
  #report(outcome: Outcome, limits: CallLimits | undefined): Outcome {
    if (limits === undefined || limits.maxHeapBytes === Infinity) return outcome;
    const heapBytes = this.#heap.excess(limits.maxHeapBytes);
    return heapBytes === undefined ? outcome : { ...outcome, heapBytes };
  }

  #restoreScope(context: CallContext, warnings: string[]): Scope | Promise<Scope> {
    const { chain, cache, depth = 0 } = context;
    const restored = restoreScope(context, noteIn(warnings));
    const scope = { ...this.#nest(restored, depth + 1), ...(chain !== undefined && { chain }) };
    if (cache === undefined) return scope;
    return this.#openCache(cache, scope).then((opened) =>
      opened === undefined ? scope : { ...scope, cache: opened }
    );
  }

  #nest(scope: Scope, depth: number): Scope {
    const nesting = { depth, allowance: this.#budget };
    return {
      ...scope,
      nesting: this.#within === undefined ? nesting : { ...nesting, within: this.#within },
    };
  }

  async #openCache(
    description: StoreDescription,
    { warn }: Scope,
  ): Promise<Cache | undefined> {
    // One bag may be opened in several ways, read-only in one scope and not in the next.
    const key = JSON.stringify(description);
    const opening = this.#caches.get(key) ?? openCache(description);
    this.#caches.set(key, opening);
    try {
      const { cache, computing } = await opening;
      this.#computing = computing;
      return cache;
    } catch (error) {
      this.#caches.delete(key);
      const paths = toPaths(description);
      warn(`Cannot open "${paths}" in a worker: calls there are not remembered`, error);
      return undefined;
    }
  }
}

/** Thrown where an argument is not in the cache, from where it was to be read: it is sent then. */
class LackingArgument {}

/** The code of tasks holds here as long as what was loaded is the same. */
function adopt(sources: SourceWitness | undefined, code: LooseCode | undefined): void {
  if (sources?.codes !== undefined && code?.changed() === undefined) adoptCodes(sources.codes);
}

function loadDecoding(): Promise<typeof import("./decode_tasks.ts")> {
  return importLater<typeof import("./decode_tasks.ts")>("tasks");
}

async function openCallbacks(control: CallControl): Promise<RemoteCallbacks> {
  const { RemoteCallbacks } = await importLater<typeof import("../../worker/remote_callbacks.ts")>(
    "callbacks",
  );
  return new RemoteCallbacks(control);
}

function isOtherCode(name: string, code: readonly LooseCode[], warn: Warn): boolean {
  const changed = code.map((one) => one.changed()).find((url) => url !== undefined);
  if (changed === undefined) return false;
  warn(
    `Cannot remember calls of "${name}" on workers: "${changed}" has changed since the program ` +
      "has loaded it, and their results are those of other code; start the program again",
  );
  return true;
}

/**
 * Copies a result in the turn in which it is there, as it is posted a little later: what the caller
 * gets is what is recorded. What is copied need not be copied again.
 */
function fixResult(value: unknown): unknown {
  if (typeof value !== "object" || value === null || isGivenAway(value)) return value;
  let large = false;
  const copy = (buffer: LargeBuffer) => {
    large = true;
    return copyLarge(buffer);
  };
  try {
    const [fixed] = capture([value], { large: copy, bare: true }).values;
    return large && typeof fixed === "object" && fixed !== null ? transfer(fixed) : fixed;
  } catch {
    // It has an accessor that throws; structured clone meets that, too, and it is told of.
    return value;
  }
}

/** Runs a body; where it throws it has ended, and what becomes of the error takes none of its time. */
function ending(run: () => unknown, end: () => void): unknown {
  try {
    const result = run();
    // The result is looked at in the turn in which it is there, and so is passed on as it is.
    if (result instanceof Promise) result.then(undefined, end);
    return result;
  } catch (error) {
    end();
    throw error;
  }
}

function noteIn(warnings: string[]): (warning: QuiverWarning) => void {
  return ({ message, cause }) => {
    warnings.push(cause instanceof Error ? `${message}: ${cause.message}` : message);
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}

async function finish(
  result: PromiseLike<unknown>,
  begun: number,
  warnings: readonly string[],
): Promise<Outcome> {
  try {
    const value = await result;
    return { type: "value", value, duration: performance.now() - begun, warnings };
  } catch (error) {
    return await toFailure(error, performance.now() - begun, warnings);
  }
}

async function toFailure(
  error: unknown,
  duration: number,
  warnings: readonly string[],
): Promise<Outcome> {
  const { fromThrown } = await importLater<typeof import("../../value/codec/thrown_value.ts")>(
    "thrown",
  );
  return { type: "error", error: { thrown: fromThrown(error) }, duration, warnings };
}

async function loadRunChunk(): Promise<RunChunk["runChunk"]> {
  const { runChunk } = await importLater<RunChunk>("chunk");
  return runChunk;
}

async function openOutput(): Promise<Disposable> {
  const { WorkerOutput } = await importLater<typeof import("./worker_output.ts")>("output");
  return new WorkerOutput();
}

/** Finds what collects something of a call that is remembered where it was made. */
async function openCollection(call: CollectedFrom): Promise<Collection | undefined> {
  const { collect } = call.scope;
  if (collect === undefined) return undefined;
  const { openCollection } = await importLater<Computing>("compute");
  return await openCollection(collect, call);
}

/** Loaded when first needed: a worker without a cache never pays for the bag's code. */
async function openCache(description: StoreDescription): Promise<OpenCache> {
  const { Cache } = await importLater<typeof import("../../cache/cache.ts")>("cache");
  const computing = await importLater<Computing>("compute");
  const { openDescribedStores } = await importLater<typeof import("../../store/open_stores.ts")>(
    "stores",
  );
  const opened = await openDescribedStores(description);
  return {
    cache: new Cache(opened.stores),
    computing,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
