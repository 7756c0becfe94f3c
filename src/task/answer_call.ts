import { voidCache } from "../cache/cache.ts";
import type { Scope } from "../scope/scope.ts";
import type { CallRunner, ReadyCall } from "./call_runner.ts";
import type { CallKeeper } from "./call_status.ts";
import { Future } from "./future.ts";
import type { TaskDefinition } from "./task_definition.ts";
import { LateModule } from "../import_later.ts";
import { DependencyError, UnclonableError } from "../errors.ts";

export type { CallRunner, ReadyCall, RememberedCall } from "./call_runner.ts";

/**
 * Answers a call through the cache of a scope: futures among the arguments are awaited, the key is
 * made, and the cache answers or the runner runs the body. With or without workers, every call goes
 * this way.
 *
 * @param definition The task.
 * @param given The arguments, futures among them.
 * @param scope The scope that the call was made in.
 * @param runner Runs the body.
 * @param keeper Keeps count of the call.
 * @returns The future of the result.
 */
export function answerCall(
  definition: TaskDefinition,
  given: readonly unknown[],
  scope: Scope,
  runner: CallRunner,
  keeper?: CallKeeper,
): Future<unknown> {
  return new Future(
    definition.name,
    (status) => answerGiven({ definition, scope, args: given, status }, runner),
    keeper,
  );
}

/**
 * Answers a call of which somebody else makes the future.
 *
 * @param call The call; there may be futures among its arguments.
 * @param runner Runs the body.
 * @returns The result, or a promise of it.
 */
export function answerGiven(call: ReadyCall, runner: CallRunner): unknown {
  const args = resolveFutures(call.args, call.definition.name);
  if (!(args instanceof Promise)) return answer(call, runner);
  return args.then((args) => answer({ ...call, args }, runner));
}

function answer(ready: ReadyCall, runner: CallRunner): unknown {
  const { cache } = ready.scope;
  if (cache === undefined || cache === voidCache) return runner.run(ready);
  const { loaded } = REMEMBERING;
  if (loaded !== undefined) return loaded.rememberCall(cache, ready, runner);
  return REMEMBERING.load().then(({ rememberCall }) => rememberCall(cache, ready, runner));
}

type Remembering = typeof import("./remember_call.ts");

/** What only calls that are to be remembered need: keys, digests, and the parser of parameters. */
export const REMEMBERING: LateModule<Remembering> = new LateModule(() =>
  import("./remember_call.ts")
);

/**
 * Puts the results of futures in their places among arguments, in arrays, plain objects, Maps and
 * Sets at any depth. What holds no future is passed on as it is, not copied.
 *
 * @param args The arguments.
 * @param name What the call is named in errors.
 * @returns The arguments without futures: at once where there are none.
 * @throws {DependencyError} When a future fails; `cause` is what the first task threw.
 */
export function resolveFutures(
  args: readonly unknown[],
  name: string,
): readonly unknown[] | Promise<readonly unknown[]> {
  // Most arguments are none that could hold a future: not even a set to note them in is needed.
  if (!args.some(isObject) || !holdsFuture(args, new Set())) return args;
  if (isTooDeep(args)) {
    return Promise.reject(
      new UnclonableError(
        `Cannot run "${name}": args is nested too deeply for futures in it; pass it flattened`,
        "args",
      ),
    );
  }
  return resolve(args, name, new Map()) as Promise<readonly unknown[]>;
}

/** What is around futures is copied level by level, for which the stack must last. */
const MAX_DEPTH = 1000;

function isTooDeep(args: readonly unknown[]): boolean {
  const seen = new Set<object>();
  let level: object[] = [args];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MAX_DEPTH) return true;
    const deeper: object[] = [];
    for (const value of level) {
      if (seen.has(value)) continue;
      seen.add(value);
      if (isRevoked(value)) continue;
      for (const child of childrenOf(value) ?? []) if (isObject(child)) deeper.push(child);
    }
    level = deeper;
  }
  return false;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether an object is a proxy that was revoked, which throws whatever it is asked. */
function isRevoked(value: object): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

function isFuture(value: unknown): value is Promise<unknown> {
  return value instanceof Future || value instanceof Promise;
}

/**
 * Makes the failures of futures count as handled, as whoever was given them will see to them.
 *
 * @param values Values, futures perhaps.
 */
export function adoptFutures(values: Iterable<unknown>): void {
  for (const value of values) {
    if (isObject(value) && isFuture(value)) value.catch(() => {});
  }
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The values inside a container, or `undefined` when the value is no container. */
function childrenOf(value: object): Iterable<unknown> | undefined {
  if (Array.isArray(value)) return value;
  if (!(value instanceof Map || value instanceof Set)) {
    return isPlainObject(value) ? Object.values(value) : undefined;
  }
  try {
    return value instanceof Set ? [...value] : [...value.keys(), ...value.values()];
  } catch {
    // A proxy only poses as one; whoever digests or sends it says so.
    return undefined;
  }
}

/** Without a stack, of which a value that is nested deeply takes too much. */
function holdsFuture(root: unknown, seen: Set<object>): boolean {
  const open: unknown[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (!isObject(value) || isRevoked(value)) continue;
    if (isFuture(value)) return true;
    const children = childrenOf(value);
    if (children === undefined || seen.has(value)) continue;
    seen.add(value);
    for (const child of children) if (isObject(child)) open.push(child);
  }
  return false;
}

async function resolve(
  value: unknown,
  name: string,
  copies: Map<object, unknown>,
): Promise<unknown> {
  if (!isObject(value)) return value;
  // No promise can be resolved to it.
  if (isRevoked(value)) {
    throw new UnclonableError(
      `Cannot run "${name}": args holds a proxy that was revoked; pass a copy`,
      "args",
    );
  }
  if (isFuture(value)) return await settle(value, name);
  if (copies.has(value)) return copies.get(value);
  if (!holdsFuture(value, new Set())) return value;
  if (Array.isArray(value)) {
    const copy: unknown[] = [];
    copies.set(value, copy);
    copy.push(...await resolveAll(value, name, copies));
    return copy;
  }
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    copies.set(value, copy);
    for (const item of await resolveAll([...value], name, copies)) copy.add(item);
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    copies.set(value, copy);
    const keys = await resolveAll([...value.keys()], name, copies);
    const values = await resolveAll([...value.values()], name, copies);
    for (const [index, key] of keys.entries()) copy.set(key, values[index]);
    return copy;
  }
  const copy: Record<string, unknown> = Object.create(Object.getPrototypeOf(value));
  copies.set(value, copy);
  const names = Object.keys(value);
  const values = await resolveAll(Object.values(value), name, copies);
  for (const [index, field] of names.entries()) {
    // Defined, not assigned: a field may be called `__proto__`.
    Object.defineProperty(copy, field, {
      value: values[index],
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  return copy;
}

/** Together, so that no future is left unobserved when another fails. */
function resolveAll(
  values: readonly unknown[],
  name: string,
  copies: Map<object, unknown>,
): Promise<unknown[]> {
  return Promise.all(values.map((value) => resolve(value, name, copies)));
}

async function settle(future: Promise<unknown>, name: string): Promise<unknown> {
  try {
    return await future;
  } catch (error) {
    const first = future instanceof Future ? future.name : "a promise";
    const chain = error instanceof DependencyError ? [...error.chain, name] : [first, name];
    const cause = error instanceof DependencyError ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new DependencyError(
      `Cannot run "${name}" as it depends on "${chain[0]}": ${reason}`,
      chain,
      { cause },
    );
  }
}
