import type { Cache } from "../cache/cache.ts";
import { deriveScope } from "../scope/derive_scope.ts";
import type { Scope } from "../scope/scope.ts";
import { importLater } from "../import_later.ts";
import { toPaths } from "../store/description.ts";
import type { StoreDescription } from "../store/stores.ts";
import { findTask, importTask } from "../task/registry.ts";
import { runBody } from "../task/run_body.ts";
import type { QuiverWarning } from "../warning.ts";
import { importInWorker } from "../worker/current_worker.ts";
import type { CallRequest, Outcome } from "../worker/worker.ts";
import { HeapWatch } from "./_heap_watch.ts";
import { NESTED_WORKERS, WorkerLedger } from "./_worker_ledger.ts";
import type { CallContext } from "./call_context.ts";

// What not every call needs is loaded with the first that does.
type Recalling = typeof import("../cache/recall.ts");
type Thrown = typeof import("../value/thrown_value.ts");
type Caches = typeof import("../cache/cache.ts");
type BagStores = typeof import("../store/open_stores.ts");

/** A bag that this worker has open, for as long as the worker lives. */
interface OpenCache extends AsyncDisposable {
  readonly cache: Cache;
  /** What computes calls that it is to remember. */
  readonly recalling: Recalling;
}

/** What no context stands for. */
const NO_CONTEXT: CallContext = { tags: {}, strict: false };

/** Runs calls inside a worker: finds the task, sets up its scope, remembers the result. */
export class WorkerCalls {
  readonly #caches = new Map<string, Promise<OpenCache>>();
  readonly #heap = new HeapWatch();
  readonly #ledger = new WorkerLedger();
  /** There as soon as a cache is. */
  #recalling: Recalling | undefined;

  /**
   * Runs a call.
   *
   * @param request The call.
   * @returns How it ended; never rejects.
   */
  async run(request: CallRequest): Promise<Outcome> {
    const warnings: string[] = [];
    let begun = performance.now();
    try {
      const address = { module: request.module, name: request.task };
      const definition = findTask(address) ??
        await importInWorker(request.module, () => importTask(address));
      // What crossed the boundary is what `toCallContext` made.
      const context = (request.context ?? NO_CONTEXT) as CallContext;
      const restored = this.#restoreScope(context, warnings);
      const scope = restored instanceof Promise ? await restored : restored;
      begun = performance.now();
      const { args } = request;
      const { call } = context;
      const { leased = true } = call ?? {};
      const running = call && { key: call.key, leased };
      const body = () => runBody(definition, scope, args, running);
      const recalling = this.#recalling;
      if (call === undefined || scope.cache === undefined || recalling === undefined) {
        const value = await body();
        const duration = performance.now() - begun;
        return this.#report({ type: "value", value, duration, warnings }, request);
      }
      const compute = leased ? recalling.computeLeased : recalling.computeAlone;
      const recalled = await compute(scope.cache, { ...call, values: args }, body, {
        metadata: { tags: scope.tags },
        warn: scope.warn,
      });
      const note = recalled === undefined ? "busy" : recalled.hit ? "hit" : "computed";
      const duration = performance.now() - begun;
      return this.#report(
        { type: "value", value: recalled?.value, note, duration, warnings },
        request,
      );
    } catch (error) {
      const duration = performance.now() - begun;
      const { fromThrown } = await importLater<Thrown>(
        "../value/thrown_value.ts",
        import.meta.url,
      );
      return this.#report(
        { type: "error", error: { thrown: fromThrown(error) }, duration, warnings },
        request,
      );
    }
  }

  /** Lets go of the bags that calls have used. */
  async close(): Promise<void> {
    const caches = [...this.#caches.values()];
    this.#caches.clear();
    for (const opened of await Promise.allSettled(caches)) {
      if (opened.status === "fulfilled") await opened.value[Symbol.asyncDispose]();
    }
  }

  /** Adds what is asked for to an outcome. */
  #report(outcome: Outcome, { context }: CallRequest): Outcome {
    const { limits } = (context ?? NO_CONTEXT) as CallContext;
    if (limits === undefined || limits.maxHeapBytes === Infinity) return outcome;
    const heapBytes = this.#heap.excess(limits.maxHeapBytes);
    return heapBytes === undefined ? outcome : { ...outcome, heapBytes };
  }

  #restoreScope(context: CallContext, warnings: string[]): Scope | Promise<Scope> {
    const { chain, cache, call: _, limits, depth = 0, ...options } = context;
    this.#ledger.total = limits?.nestedWorkers ?? NESTED_WORKERS;
    const nesting = { depth: depth + 1, allowance: this.#ledger };
    const onWarning = ({ message, cause }: QuiverWarning) => {
      warnings.push(cause instanceof Error ? `${message}: ${cause.message}` : message);
    };
    const derived = deriveScope(undefined, { ...options, onWarning });
    const scope = { ...derived, nesting, ...(chain !== undefined && { chain }) };
    if (cache === undefined) return scope;
    return this.#openCache(cache, scope).then((opened) =>
      opened === undefined ? scope : { ...scope, cache: opened }
    );
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
      const { cache, recalling } = await opening;
      this.#recalling = recalling;
      return cache;
    } catch (error) {
      this.#caches.delete(key);
      const paths = toPaths(description);
      warn(`Cannot open "${paths}" in a worker: calls there are not remembered`, error);
      return undefined;
    }
  }
}

/** Loaded when first needed: a worker without a cache never pays for the bag's code. */
async function openCache(description: StoreDescription): Promise<OpenCache> {
  const { Cache } = await importLater<Caches>("../cache/cache.ts", import.meta.url);
  const recalling = await importLater<Recalling>("../cache/recall.ts", import.meta.url);
  const { openDescribedStores } = await importLater<BagStores>(
    "../store/open_stores.ts",
    import.meta.url,
  );
  const opened = await openDescribedStores(description);
  return {
    cache: new Cache(opened.stores),
    recalling,
    [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
  };
}
