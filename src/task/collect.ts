/**
 * What is collected of calls for their records; loaded with the first call of a scope that collects.
 *
 * @module
 */
import { GiveUpTimer } from "../base/abortable.ts";
import { toFacts } from "../base/check_options.ts";
import type { Warn } from "../base/warning.ts";
import type { CollectorName } from "../cache/cache.ts";
import type { RunBody } from "../cache/get_or_compute.ts";
import {
  type CallNotes,
  type CollectedCall,
  type Collector,
  nameOfCollector,
  type Scope,
  type ScopeCollector,
} from "../scope/scope.ts";
import { runInScope } from "../scope/current_scope.ts";
import { whenSettled } from "../store/memory_stores.ts";
import type { MaybePromise } from "../store/stores.ts";
import { collectGit } from "./collect_git.ts";
import { collectEnvironment, collectRuntime } from "./collect_runtime.ts";
import { definitionOf, findTask, importTask, type TaskDefinition } from "./definition.ts";

/** How long a collector is waited for when the body has ended, in milliseconds. */
const LONGEST_WAIT = 2000;

/** Those that took longer, which are asked for nothing any more. */
const SLOW = new WeakSet<Collector>();

/** A collector that can be asked. */
interface FoundCollector {
  readonly name: string;
  readonly collect: Collector;
  /** Whether it is Quiver's: what it finds is JSON, and nobody else's. */
  readonly own: boolean;
}

/** The collectors of scopes, once all were found. */
const FOUND = new WeakMap<readonly ScopeCollector[], readonly FoundCollector[]>();

/** A collector that was asked. */
interface AskedCollector extends FoundCollector {
  /** What it has returned, or what it has thrown. */
  readonly answer: { readonly value: unknown } | { readonly thrown: unknown };
}

/** Options of {@linkcode Collection.open}. */
interface CollectionOptions {
  /** The task that is called. */
  readonly definition: TaskDefinition;
  /** Takes what is found. */
  readonly notes: CallNotes;
  /** The scope that the call was made in, which is told of what goes wrong. */
  readonly scope: Scope;
}

/** What is collected of one call. */
export class Collection {
  readonly #collectors: readonly FoundCollector[];
  readonly #call: CollectedCall;
  /** Calls that collectors make are nobody's, and nothing is collected of them. */
  readonly #scope: Scope;
  readonly #notes: CallNotes;
  readonly #warn: Warn;
  #found: { [name: string]: ReturnType<typeof toFacts> } = {};
  /** There as soon as the body has ended: all is found, or given up; never rejects. */
  ended: MaybePromise<void> = undefined;

  private constructor(
    collectors: readonly FoundCollector[],
    { definition: { address }, notes, scope }: CollectionOptions,
  ) {
    const { chain: _, collect: __, notes: ___, ...outside } = scope;
    const { nesting, warn } = scope;
    this.#scope = outside;
    this.#collectors = collectors;
    this.#call = {
      task: address.name,
      module: address.module,
      inline: nesting?.within !== undefined,
    };
    this.#notes = notes;
    this.#warn = warn;
  }

  /**
   * Finds the collectors of a call.
   *
   * @param collect Those that its scope has.
   * @param options The call.
   * @returns What is collected; at once where all collectors are at hand.
   */
  static open(
    collect: readonly ScopeCollector[],
    options: CollectionOptions,
  ): MaybePromise<Collection> {
    const known = FOUND.get(collect);
    if (known !== undefined) return new Collection(known, options);
    return findCollectors(collect, options.scope).then((found) => new Collection(found, options));
  }

  /** Makes a body of another one, around which the collectors are asked. */
  around(body: RunBody): RunBody {
    return (values) => {
      const asked: AskedCollector[] = [];
      runInScope(this.#scope, () => {
        for (const each of this.#collectors) {
          if (!SLOW.has(each.collect)) asked.push(this.#ask(each));
        }
      });
      return whenSettled(body(values), (value) => {
        this.ended = runInScope(this.#scope, () => this.#end(asked));
        return value;
      });
    };
  }

  #ask(collector: FoundCollector): AskedCollector {
    try {
      const value: unknown = collector.collect(this.#call);
      // Told of when the body has ended.
      if (value instanceof Promise) value.catch(() => {});
      return { ...collector, answer: { value } };
    } catch (thrown) {
      return { ...collector, answer: { thrown } };
    }
  }

  #end(asked: readonly AskedCollector[]): MaybePromise<void> {
    const waits: Promise<void>[] = [];
    for (const collector of asked) {
      try {
        if ("thrown" in collector.answer) throw collector.answer.thrown;
        const found = takeFound(collector.answer.value);
        if (found instanceof Promise) waits.push(this.#wait(collector, found));
        else this.#take(collector, found);
      } catch (error) {
        this.#fail(collector, error);
      }
    }
    if (waits.length === 0) return this.#note();
    return Promise.all(waits).then(() => this.#note());
  }

  async #wait(collector: FoundCollector, found: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<"late">();
    using _timer = new GiveUpTimer(LONGEST_WAIT, () => late.resolve("late"));
    try {
      const value = await Promise.race([found, late.promise]);
      if (value !== "late") return this.#take(collector, value);
      SLOW.add(collector.collect);
      this.#warn(
        `Cannot wait longer than ${LONGEST_WAIT} ms for the collector "${collector.name}": calls are ` +
          "recorded without it from now on",
        undefined,
        false,
      );
    } catch (error) {
      this.#fail(collector, error);
    }
  }

  /** What JSON cannot carry would spoil the record. */
  #take({ name, own }: FoundCollector, value: unknown): void {
    if (value === undefined || value === null) return;
    this.#found[name] = own
      ? Object(value)
      : toFacts(Object(value), name, `record what "${name}" has collected`);
  }

  #fail({ name }: FoundCollector, cause: unknown): void {
    this.#warn(
      `Cannot record what the collector "${name}" has found: it has failed, and is left out`,
      cause,
      false,
    );
  }

  #note(): void {
    // What `toFacts` gives is JSON.
    if (Object.keys(this.#found).length > 0) Object.assign(this.#notes, { collected: this.#found });
  }
}

async function findCollectors(
  collect: readonly ScopeCollector[],
  { warn }: Scope,
): Promise<readonly FoundCollector[]> {
  const found: FoundCollector[] = [];
  for (const one of collect) {
    const name = nameOfCollector(one);
    try {
      found.push({ name, collect: await findCollector(one), own: typeof one === "string" });
    } catch (cause) {
      warn(
        `Cannot find the collector "${name}": calls are recorded without it`,
        cause,
        false,
      );
    }
  }
  if (found.length === collect.length) FOUND.set(collect, found);
  return found;
}

const OWN: { readonly [name in CollectorName]: Collector } = {
  runtime: collectRuntime,
  environment: collectEnvironment,
  git: collectGit,
};

function findCollector(collector: ScopeCollector): MaybePromise<Collector> {
  if (typeof collector === "string") return OWN[collector];
  if (typeof collector !== "function") {
    const known = findTask(collector);
    return known === undefined ? importTask(collector).then(toCollector) : toCollector(known);
  }
  const definition = definitionOf(collector);
  return definition === undefined ? collector : toCollector(definition);
}

/** A task that collects is called as the function that it is made of: nothing of it is remembered. */
function toCollector({ fn }: TaskDefinition): Collector {
  // Whoever names the task as a collector says that it is one.
  return fn as Collector;
}

/** What a collector gives may be a function that finds it, and either may be a promise. */
function takeFound(value: unknown): MaybePromise<unknown> {
  const given = typeof value === "function" ? value() : value;
  if (!isThenable(given)) return given;
  return Promise.resolve(given).then((found) => typeof found === "function" ? found() : found);
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value &&
    typeof value.then === "function";
}
