import { type CancelSignal, settlingOf, takeSettled } from "../base/abortable.ts";
import type { Warn } from "../base/warning.ts";
import {
  ChangedArgumentError,
  DependencyError,
  ScopeClosedError,
  UnclonableError,
} from "../base/errors.ts";
import { capture, copyLarge, isRevoked, type LargeBuffer } from "../value/capture.ts";
import type { FileHandle } from "../value/file/file_handle.ts";
import { isSharedPart, pinning, type Shared } from "../value/share.ts";
import { deferredSymbol, type DeferredValue, isDeferred } from "../value/symbols.ts";
import type { Digest, EncodedPart } from "../value/value.ts";
import { isGivenAway, transfer } from "../worker/transfer.ts";
import { type CallStatus, CancelSource, findCall, Future } from "./future.ts";

/** What a value is as it is stored. */
interface WrittenValue {
  readonly digest: Digest;
  /** The large buffers in it. */
  readonly parts: BufferParts;
  /** The value itself, if it is one. */
  readonly whole?: EncodedPart;
}

/** What is done with large buffers: loaded with the first call that is remembered. */
export interface BufferTools {
  /** Digests a buffer or a plain view, as the part of a value that it is stored as. */
  readonly toPart: (value: LargeBuffer) => EncodedPart;
  /**
   * Digests a value as it is stored.
   *
   * @param known Buffers whose digests are known.
   * @throws {Error} When it has no digest.
   */
  readonly write: (value: unknown, known: BufferParts) => WrittenValue;
  /** Finds something among arguments, for messages. */
  readonly pathTo: (args: readonly unknown[], wanted: unknown) => string;
}

/** The digests of large buffers and views, by the object. */
export type BufferParts = ReadonlyMap<object, EncodedPart>;

/** Arguments of which nothing is lent any more. */
export interface OwnArguments {
  /** The arguments. */
  readonly values: readonly unknown[];
  /** The digests of large buffers among them. */
  readonly parts: BufferParts;
}

/** What is known when arguments are frozen. */
interface FreezeOptions {
  /** How buffers are digested; until that is loaded, they are copied. */
  readonly tools: BufferTools | undefined;
  /** Digests that are known already. */
  readonly parts?: BufferParts;
  /** The arguments as the caller gave them, if not the same. */
  readonly given?: readonly unknown[];
}

/**
 * The arguments of a call that is to be remembered, as they were when it was made: what was digested
 * is what runs, whatever becomes of the caller's objects afterwards.
 *
 * All is copied at once but large buffers, of which hundreds of calls in a queue may share one. Those
 * are lent: they stay the caller's, their digests say what they were, and who copies or receives them
 * compares.
 */
export class FrozenArguments {
  /** The arguments as the caller gave them; what was given away is the call's own. */
  readonly given: readonly unknown[];
  readonly #givenAway: readonly boolean[];
  /** The arguments as they were. */
  readonly values: readonly unknown[];
  /** The digests of large buffers among them. */
  readonly parts: BufferParts;
  /** The positions of those that hold what cannot be copied. */
  readonly kept: readonly number[];
  /** The positions of those that hold what is lent. */
  readonly lent: readonly number[];
  /** The positions of those that hold files. */
  readonly filed: readonly number[];
  /** The files among them. */
  readonly files: readonly FileHandle[];
  /** Whether there are handles of shared values among them, which are the call's own. */
  readonly holdsShared: boolean;
  readonly #tools: BufferTools | undefined;
  /** The bytes in `values` that are to stay as they are: calls may share a copy, or they are lent. */
  #sharedBytes = 0;
  /** Whether nothing can have changed what is lent since it was digested. */
  #fresh: boolean;

  /**
   * Freezes arguments.
   *
   * @param args The arguments; futures among them stay.
   * @param options What is known.
   * @throws Whatever an accessor throws.
   */
  constructor(args: readonly unknown[], { tools, parts: known, given = args }: FreezeOptions) {
    const parts = new Map<object, EncodedPart>();
    const large = (value: LargeBuffer, original: object): object => {
      this.#sharedBytes += value.byteLength;
      const part = known?.get(original) ?? tools?.toPart(value);
      if (part === undefined) return EARLY_COPIES.get(value);
      parts.set(value, part);
      return value;
    };
    const handles: Shared<unknown>[] = [];
    const shared = pinning(handles);
    const options = { large, shared, moves: isGivenAway };
    const { values, kept, lent, filed, files } = capture(args, options);
    this.holdsShared = handles.length > 0;
    this.given = given.map((value, index) => isGivenAway(value) ? values[index] : value);
    this.#givenAway = given.map(isGivenAway);
    this.values = values;
    this.parts = parts;
    this.kept = kept;
    this.lent = lent;
    this.filed = filed;
    this.files = files;
    this.#tools = tools;
    // To read an object may run code of the caller's, an accessor, that changes a buffer beside it.
    this.#fresh = args.every((value) => !isObject(value) || isBuffer(value));
  }

  /**
   * Gives the arguments to a call that is not remembered, and so is made once: what was given away to
   * it is given away by it.
   */
  toPlain(): readonly unknown[] {
    if (this.holdsShared) return this.values;
    return this.given.map((value, index) =>
      this.#givenAway[index] === true && isObject(value) ? transfer(value) : value
    );
  }

  /** How many bytes of large buffers a call gets that takes the arguments as its own. */
  get sharedBytes(): number {
    return this.#sharedBytes;
  }

  /** The turn in which the arguments were frozen is over: what is lent may change from now on. */
  endTurn(): void {
    this.#fresh = false;
  }

  /**
   * Finds the digest of an argument as stores know it, such as the result of another call.
   *
   * @param least So many bytes of buffers there are in it, or it is not looked at.
   * @returns The digest; `undefined` where there is less in it, or something that is no data.
   */
  findStored(position: number, least: number): Digest | undefined {
    const value = this.values[position];
    if (!isObject(value) || this.#sharedBytes < least || this.holdsShared) return undefined;
    if (this.kept.includes(position) || this.filed.includes(position)) return undefined;
    try {
      const { digest, parts, whole } = this.#tools?.write(value, this.parts) ?? {};
      const buffers = whole === undefined ? parts?.values() : [whole].values();
      const bytes = buffers?.reduce((sum, part) => sum + part.bytes.length, 0) ?? 0;
      return bytes < least ? undefined : digest;
    } catch {
      // A task, say.
      return undefined;
    }
  }

  /**
   * Makes sure that all that is lent is still there.
   *
   * @param name What the call is named in errors.
   * @throws {ChangedArgumentError} When the caller has moved a buffer elsewhere meanwhile.
   */
  refuseMoved(name: string): void {
    for (const value of this.parts.keys()) {
      const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
      if (buffer instanceof ArrayBuffer && buffer.detached) {
        throw this.#changed(name, value, "was moved");
      }
    }
  }

  #changed(name: string, value: object, state: string): ChangedArgumentError {
    const path = this.#tools?.pathTo(this.values, value) ?? "args";
    return new ChangedArgumentError(
      `Cannot run "${name}" as ${path} is not what its key was made of: it ${state} while the call ` +
        "waited; pass a copy",
      path,
    );
  }

  /**
   * Copies what is lent.
   *
   * @param name What the call is named in errors.
   * @throws {ChangedArgumentError} When the caller has changed a buffer meanwhile.
   */
  own(name: string): OwnArguments {
    if (this.#sharedBytes === 0) return this;
    this.refuseMoved(name);
    const parts = new Map<object, EncodedPart>();
    const large = (value: LargeBuffer): object => {
      const part = this.parts.get(value);
      if (part !== undefined && !this.#fresh && this.#tools?.toPart(value).digest !== part.digest) {
        throw this.#changed(name, value, "was changed");
      }
      const copy = copyLarge(value);
      if (part !== undefined) parts.set(copy, { ...part, bytes: toBytes(copy) });
      return copy;
    };
    return { values: capture(this.values, { large, shared: pinning() }).values, parts };
  }

  /**
   * Puts the results of futures in their places.
   *
   * @param name What the call is named in errors.
   * @param waiter The call that waits for them, until it is given up.
   * @returns Arguments without futures.
   * @throws {DependencyError} When a future fails.
   */
  async resolved(name: string, waiter?: CallStatus): Promise<FrozenArguments> {
    const tools = this.#tools;
    const parts = new Map(this.parts);
    const freeze = (result: unknown): unknown => {
      const frozen = new FrozenArguments([result], { tools });
      for (const [buffer, part] of frozen.parts) parts.set(buffer, part);
      return frozen.values[0];
    };
    const values = await resolveFutures(this.values, name, { take: freeze, waiter });
    this.refuseMoved(name);
    const given = values.map((value, index) =>
      value === this.values[index] ? this.given[index] : value
    );
    const frozen = new FrozenArguments(values, { tools, parts, given });
    frozen.endTurn();
    return frozen;
  }
}

/**
 * Freezes the arguments of a call.
 *
 * @param name What the call is named in warnings.
 * @param warn Told why they cannot be frozen.
 * @param options What is known.
 * @returns The arguments; `undefined` when they cannot be read, and the call is not remembered.
 * @throws {ScopeClosedError} When the handle of a shared value was closed.
 */
export function freezeArguments(
  name: string,
  args: readonly unknown[],
  warn: Warn,
  options: FreezeOptions,
): FrozenArguments | undefined {
  try {
    return new FrozenArguments(args, options);
  } catch (error) {
    // The body could not be given it, either.
    if (error instanceof ScopeClosedError) throw error;
    warn(
      `Cannot remember a call of "${name}": its arguments cannot be read; the call runs anyway`,
      error,
    );
    return undefined;
  }
}

function isBuffer(value: object): boolean {
  return ArrayBuffer.isView(value) || value instanceof ArrayBuffer;
}

function toBytes(value: LargeBuffer): Uint8Array<ArrayBuffer> {
  if (!ArrayBuffer.isView(value)) return new Uint8Array(value);
  return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
}

/**
 * Copies of large buffers for the calls that a program makes before anything is there to digest them.
 * Calls that share a buffer share its copy, for as long as it stays the same.
 */
class EarlyCopies {
  readonly #copies = new WeakMap<object, LargeBuffer>();

  get(value: LargeBuffer): LargeBuffer {
    const known = this.#copies.get(value);
    if (known !== undefined && isEqual(known, value)) return known;
    const copy = copyLarge(value);
    this.#copies.set(value, copy);
    return copy;
  }
}

const EARLY_COPIES = new EarlyCopies();

/**
 * Deno has Node's class among its globals, which its type library does not describe. To look at it
 * takes a millisecond, the first time.
 */
const GLOBALS = globalThis as {
  readonly Buffer?: { compare(a: Uint8Array, b: Uint8Array): number };
};

/**
 * Compares the bytes of two buffers.
 *
 * @param a One.
 * @returns Whether they are the same.
 */
export function isEqual(a: LargeBuffer, b: LargeBuffer): boolean {
  return GLOBALS.Buffer?.compare(toBytes(a), toBytes(b)) === 0;
}

/**
 * Tells whether arguments are nothing but primitives, as they nearly always are where it matters how
 * long this takes.
 *
 * @returns Whether there is neither an object nor a function among them.
 */
export function arePrimitive(args: readonly unknown[]): boolean {
  for (let index = 0; index < args.length; index++) {
    const value = args[index];
    if (typeof value === "object" ? value !== null : typeof value === "function") return false;
  }
  return true;
}

/** What stands for something else among arguments. */
interface StandIns {
  /** Whether there are futures. */
  future: boolean;
  /** Whether there are shared values. */
  shared: boolean;
}

/**
 * Finds what stands for something else among arguments: in arrays, plain objects, Maps and Sets at any
 * depth.
 *
 * @returns Which there are.
 */
export function findStandIns(args: readonly unknown[]): StandIns {
  const found: StandIns = { future: false, shared: false };
  // Most arguments are none that could hold any: not even a set to note them in is needed.
  if (arePrimitive(args)) return found;
  try {
    visitParts(args, (value) => {
      if (isPending(value)) found.future = true;
      else if (isSharedPart(value)) found.shared = true;
      return found.future && found.shared;
    });
  } catch {
    // An accessor throws: who needs what it gives says so.
  }
  return found;
}

/** Tells whether there are futures among arguments, as {@linkcode findStandIns} does. */
export function hasFuture(args: readonly unknown[]): boolean {
  return findStandIns(args).future;
}

/**
 * Puts the results of futures in their places among arguments. What holds no future is passed on as
 * it is, not copied.
 *
 * @param name What the call is named in errors.
 * @param options What takes a future's place, and who waits.
 * @returns The arguments without futures: at once where there are none.
 * @throws {DependencyError} When a future fails; `cause` is what the first task threw.
 */
export function resolveFutures(
  args: readonly unknown[],
  name: string,
  { take = (result) => result, waiter }: ResolveOptions,
): readonly unknown[] | Promise<readonly unknown[]> {
  if (!hasFuture(args)) return args;
  if (isTooDeep(args)) {
    return Promise.reject(
      new UnclonableError(
        `Cannot run "${name}": args is nested too deeply for futures in it; pass it flattened`,
        "args",
      ),
    );
  }
  return resolveUntil(args, { name, take, waiter, copies: new Map() });
}

/** Leaves nothing at the futures that are still waited for when one fails, or the call is given up. */
async function resolveUntil(
  args: readonly unknown[],
  resolution: Omit<Resolution, "end">,
): Promise<readonly unknown[]> {
  const { waiter } = resolution;
  const end = new CancelSource();
  const giveUp = () => end.abort(waiter?.reason);
  if (waiter?.aborted === true) giveUp();
  else waiter?.addEventListener("abort", giveUp);
  try {
    // An array in the place of an array.
    return await resolve(args, { ...resolution, end }) as readonly unknown[];
  } catch (error) {
    end.abort(error);
    throw error;
  } finally {
    waiter?.removeEventListener("abort", giveUp);
  }
}

/** Options of {@linkcode resolveFutures}. */
export interface ResolveOptions {
  /** Makes what takes a future's place of its result, in the turn in which that is there. */
  readonly take?: (result: unknown) => unknown;
  /** The call that waits for them: it is given up with its reason, and leaves nothing at the futures. */
  readonly waiter?: CallStatus | undefined;
}

/** How futures are resolved. */
interface Resolution {
  /** What the call is named in errors. */
  readonly name: string;
  /** Makes what takes a future's place of its result. */
  readonly take: (result: unknown) => unknown;
  /** The call that waits for them, if there is one. */
  readonly waiter: CallStatus | undefined;
  /** Aborted when nothing is waited for any more. */
  readonly end: CancelSignal;
  /** What takes the place of each container. */
  readonly copies: Map<object, unknown>;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function isFuture(value: unknown): value is Promise<unknown> {
  return value instanceof Future || value instanceof Promise;
}

/** What has to be waited for before there is a value in its place. */
function isPending(value: object): value is Promise<unknown> | DeferredValue {
  return isFuture(value) || isDeferred(value);
}

/**
 * Makes the failures of futures count as handled, as whoever was given them will see to them.
 *
 * @param values Values, futures perhaps.
 */
export function adoptFutures(values: Iterable<unknown>): void {
  for (const value of values) {
    if (isObject(value) && isFuture(value)) settlingOf(value).handle();
  }
}

function isPlainObject(value: object): value is Record<string, unknown> {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** The values inside a container, or `undefined` when the value is no container. */
function childrenOf(value: object): Iterable<unknown> | undefined {
  // Not by its length, which may be four billion holes.
  if (Array.isArray(value)) return Object.values(value);
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

function holdsFuture(root: unknown): boolean {
  let holds = false;
  visitParts(root, (value) => holds = isPending(value));
  return holds;
}

/**
 * Goes over a value and the containers in it: without a stack, of which one that is nested deeply takes
 * too much.
 *
 * @param visit Is given what is no container; tells whether that is enough.
 */
function visitParts(root: unknown, visit: (value: object) => boolean): void {
  const seen = new Set<object>();
  const open: unknown[] = [root];
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    if (!isObject(value) || isRevoked(value)) continue;
    const children = isPending(value) ? undefined : childrenOf(value);
    if (children === undefined) {
      if (visit(value)) return;
      continue;
    }
    if (seen.has(value)) continue;
    seen.add(value);
    for (const child of children) if (isObject(child)) open.push(child);
  }
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

/** Resolves what is a future or holds one. */
async function resolve(value: object, resolution: Resolution): Promise<unknown> {
  const { name, copies } = resolution;
  // No promise can be resolved to it.
  if (isRevoked(value)) {
    throw new UnclonableError(
      `Cannot run "${name}": args holds a proxy that was revoked; pass a copy`,
      "args",
    );
  }
  if (isFuture(value)) return await settle(value, resolution);
  if (isDeferred(value)) return await settle(value[deferredSymbol](), resolution);
  if (copies.has(value)) return copies.get(value);
  if (value instanceof Set) {
    const copy = new Set<unknown>();
    copies.set(value, copy);
    for (const item of await resolveAll([...value], resolution)) copy.add(item);
    return copy;
  }
  if (value instanceof Map) {
    const copy = new Map<unknown, unknown>();
    copies.set(value, copy);
    const keys = await resolveAll([...value.keys()], resolution);
    const values = await resolveAll([...value.values()], resolution);
    for (const [index, key] of keys.entries()) copy.set(key, values[index]);
    return copy;
  }
  const copy: object = Array.isArray(value)
    ? new Array(value.length)
    : Object.create(Object.getPrototypeOf(value));
  copies.set(value, copy);
  const names = Object.keys(value);
  const values = await resolveAll(Object.values(value), resolution);
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

/**
 * Together, so that no future is left unobserved when another fails. What holds no future stays out of
 * promises, which would call its `then`.
 */
async function resolveAll(values: readonly unknown[], resolution: Resolution): Promise<unknown[]> {
  const resolved = [...values];
  const pending: Promise<void>[] = [];
  for (const [index, value] of values.entries()) {
    if (!isObject(value) || !isRevoked(value) && !holdsFuture(value)) continue;
    pending.push(resolve(value, resolution).then((result) => void (resolved[index] = result)));
  }
  await Promise.all(pending);
  return resolved;
}

async function settle(
  future: Promise<unknown>,
  { name, take, waiter, end }: Resolution,
): Promise<unknown> {
  const call = waiter && findCall(future);
  if (call !== undefined) waiter?.waitFor(call);
  try {
    return await takeSettled(future, take, end);
  } catch (error) {
    if (end.aborted) throw error;
    const first = future instanceof Future ? future.name : "a promise";
    const chain = error instanceof DependencyError ? [...error.chain, name] : [first, name];
    const cause = error instanceof DependencyError ? error.cause : error;
    const reason = cause instanceof Error ? cause.message : String(cause);
    const failure = new DependencyError(
      `Cannot run "${name}" as it depends on "${chain[0]}": ${reason}`,
      chain,
      { cause },
    );
    if (isGivenUp(future) || dependsOnGivenUp(error)) GIVEN_UP.add(failure);
    throw failure;
  }
}

function isGivenUp(future: Promise<unknown>): boolean {
  return future instanceof Future && future.state === "cancelled";
}

/** Those because of calls that their callers have given up themselves. */
const GIVEN_UP = new WeakSet<object>();

/**
 * Tells whether a call has failed because its caller has given up another one, whose result it needed.
 *
 * @param reason Why the call failed.
 */
export function dependsOnGivenUp(reason: unknown): boolean {
  return isObject(reason) && GIVEN_UP.has(reason);
}
