/**
 * What tasks do seldom; loaded with the first that is asked for.
 *
 * @module
 */
import { checkIsOptions } from "../base/check_options.ts";
import { CacheMissError } from "../base/errors.ts";
import { type Cache, voidCache } from "../cache/cache.ts";
import { type CallSelection, query } from "../cache/query.ts";
import { expand } from "../cache/short_digests.ts";
import type { CallTemplate } from "../call/call_query.ts";
import type { CallRecord } from "../call/call_record.ts";
import type { Scope } from "../scope/scope.ts";
import { capture, copyLarge } from "../value/capture.ts";
import { digestValue } from "../value/digest/digest_value.ts";
import { deferredSymbol, type Inspect, inspectSymbol } from "../value/symbols.ts";
import type { Digest } from "../value/value.ts";
import type { TaskDefinition } from "./definition.ts";
import type { Future } from "./future.ts";
import { lookUp } from "./remember_call.ts";

/**
 * A hold on the result of a call that stays in its cache: what is large is not in memory before it is
 * asked for. As an argument, or inside of one, it counts as the result.
 *
 * @typeParam R The result.
 */
export interface Shelved<R> {
  /** The task's name. */
  readonly name: string;
  /** The digest of the result. */
  readonly digest: Digest;
  /**
   * Reads the result.
   *
   * @returns The caller's own copy.
   * @throws {CacheMissError} When it was cleared, or its cache does not have it any more.
   */
  get(): Promise<R>;
  /**
   * Forgets the call; its values stay until they are collected.
   *
   * @returns Whether it was known.
   */
  clear(): Promise<boolean>;
  /**
   * What takes its place among arguments.
   *
   * @internal
   */
  [deferredSymbol](): Promise<R>;
}

/** What calls of a task are to have in common. */
export type TaskTemplate = Omit<CallTemplate, "task" | "module">;

/**
 * Selects calls of a task.
 *
 * @param template What they have in common beside the task.
 * @throws {TypeError} When it has a field of its own for that.
 */
export function queryTask(
  { address, knownAs: { module, name } }: TaskDefinition,
  cache: Cache | undefined,
  template: TaskTemplate,
): CallSelection {
  const action = `query calls of "${address.name}"`;
  checkIsOptions(action, template);
  for (const field of ["task", "module"]) {
    if (field in template) {
      throw new TypeError(`Cannot ${action}: "${field}" is that of the task; leave it out`);
    }
  }
  const identity = { module, task: name };
  const whole: CallTemplate = { ...template, task: { address, identity } };
  return query(cache ?? voidCache, whole);
}

/**
 * Finds the arguments of a call that has failed, or is known.
 *
 * @param short The key of the call, or how it begins.
 * @throws {CacheMissError} When there is no such call, or an argument was not stored.
 * @throws {TypeError} When there is no cache, or it is a call of another task.
 */
export async function findArguments(
  { name, knownAs }: TaskDefinition,
  cache: Cache | undefined,
  short: Digest,
): Promise<unknown[]> {
  const action = `Cannot reproduce a call of "${name}"`;
  if (cache === undefined) throw new TypeError(`${action}: there is no cache here`);
  if (typeof short !== "string") throw new TypeError(`${action}: its key is no text`);
  const key = await expand(cache, short);
  const record = await cache.stores.failures?.get(key) ?? await cache.record(key);
  if (record === undefined) {
    throw new CacheMissError(
      `${action}: the cache knows neither a failure nor a result of ${
        key.slice(0, 8)
      }; look for its ` +
        'key with `query(cache, { state: "failed" })`',
      key,
    );
  }
  if (record.task !== knownAs.name || record.module !== knownAs.module) {
    throw new TypeError(`${action}: ${key.slice(0, 8)} is one of "${record.task}"`);
  }
  const args: unknown[] = [];
  for (const [index, { name, position = index, value }] of record.args.entries()) {
    const found = value === undefined ? undefined : await cache.value(value);
    if (!found?.hit) {
      const state = value === undefined ? "was not stored" : "is gone or damaged";
      throw new CacheMissError(
        `${action}: its argument "${name}" ${state}; call the task with it instead`,
        key,
      );
    }
    args[position] = found.value;
  }
  return Array.from(args);
}

/**
 * Waits for a call, and keeps hold of its result, which stays in the cache.
 *
 * @param scope The scope that the call was made in.
 * @param future The call.
 */
export async function shelveCall(
  { name }: TaskDefinition,
  scope: Scope,
  future: Future<unknown>,
): Promise<Shelved<unknown>> {
  const value = await future;
  const { key } = future;
  const { cache } = scope;
  const digest = digestValue(value);
  if (cache !== undefined && key !== undefined) {
    // Another result may have taken its place by now, or hide it.
    const isOf = (record: CallRecord) => record.result === digest;
    const first = await cache.record(key);
    const record = first === undefined || isOf(first)
      ? first
      : await cache.stores.calls.findOther?.(key, isOf);
    if (record !== undefined) {
      return new ShelvedResult(name, digest, { type: "cache", key, cache, scope });
    }
  }
  // What nobody has stored must not be lost.
  return new ShelvedResult(name, digest, { type: "memory", value });
}

/** Where a shelved result is. */
type Shelf =
  | {
    readonly type: "cache";
    readonly key: Digest;
    readonly cache: Cache;
    readonly scope: Scope;
  }
  | { readonly type: "memory"; readonly value: unknown }
  | { readonly type: "cleared" };

class ShelvedResult implements Shelved<unknown> {
  readonly name: string;
  readonly digest: Digest;
  #shelf: Shelf;

  constructor(name: string, digest: Digest, shelf: Shelf) {
    this.name = name;
    this.digest = digest;
    this.#shelf = shelf;
  }

  async get(): Promise<unknown> {
    const shelf = this.#shelf;
    if (shelf.type === "memory") {
      return capture([shelf.value], { large: copyLarge, bare: true }).values[0];
    }
    const found = shelf.type === "cache" ? await this.#find(shelf) : undefined;
    if (found?.hit) return found.value;
    const state = shelf.type === "cleared"
      ? "it was cleared"
      : "its cache does not have it any more";
    throw new CacheMissError(
      `Cannot get a shelved result of "${this.name}": ${state}; shelve the call again`,
      this.digest,
    );
  }

  /** The files of a result are put back with its call; another may have taken its place by now. */
  async #find({ key, cache, scope: { warn, outputs } }: Extract<Shelf, { type: "cache" }>) {
    const record = await cache.record(key);
    if (record?.result !== this.digest) return await cache.value(this.digest);
    return await lookUp(cache, { key, values: [] }, { name: this.name, warn, outputs });
  }

  async clear(): Promise<boolean> {
    const shelf = this.#shelf;
    // Where the call cannot be forgotten, its result is still held.
    const known = shelf.type === "cache"
      ? await shelf.cache.evict(shelf.key)
      : shelf.type === "memory";
    this.#shelf = { type: "cleared" };
    return known;
  }

  [deferredSymbol](): Promise<unknown> {
    return this.get();
  }

  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    const { name, digest } = this;
    const cleared = this.#shelf.type === "cleared" ? { cleared: true } : {};
    return `Shelved ${inspect({ name, digest, ...cleared }, options)}`;
  }
}
