/**
 * Values that many calls get, digested once and sent to each worker once.
 *
 * A program imports this with Quiver; what digests and checks shared memory is loaded with keys.
 *
 * @module
 */
import { ChangedArgumentError, ScopeClosedError, UnclonableError } from "../base/errors.ts";
import { capture, copyLarge, copyToShared, type LargeBuffer, NOTHING } from "./capture.ts";
import { StoredInstance } from "./class_registry.ts";
import { FileHandle } from "./file/file_handle.ts";
import { type Inspect, inspectSymbol } from "./symbols.ts";
import type { Digest, EncodedPart, EncodedValue } from "./value.ts";

/** Under which shared buffers have the array that they hold. */
const SHARED: unique symbol = Symbol.for("quiver.shared");

/** An array of a shared value, as far as this isolate knows it. */
export interface SharedArray {
  /** The array; a plain buffer is nobody's but the value's. */
  readonly value: ArrayBufferView | ArrayBuffer;
  /** The digest of what it held when it was shared, once that was made. */
  part?: EncodedPart;
  /** Checksums of its blocks, made with the digest. */
  sums?: Uint32Array<ArrayBuffer>;
  /** The value that it is part of. */
  readonly memory: SharedMemory;
  /** The same array as a value of its own, once somebody has passed it on. */
  alone?: SharedMemory;
}

/** Finds out whether anybody has written into a shared value. */
export interface SharedGuard {
  /** Looks at all of it. */
  settle(): void;
}

/** What is known of a shared value that came from elsewhere. */
export interface AdoptedState {
  /** What it is known by. */
  readonly id: string;
  /** Whether somebody has written into it; made for what is new. */
  readonly status?: SharedArrayBuffer | undefined;
  /** Whether no other isolate shares its memory. */
  readonly alone?: boolean;
}

/** What a shared value is: where it lies, and what is known of it in this isolate. */
export class SharedMemory {
  /** What it is known by among isolates. */
  readonly id: string;
  /** Whether this isolate shares its memory with no other. */
  readonly alone: boolean;
  /**
   * The value, with what stands for instances of registered classes: nobody else has what can be written
   * to but arrays in shared memory.
   */
  readonly root: unknown;
  /** The arrays in it, in the order in which a walk meets them. */
  readonly arrays: readonly SharedArray[];
  /** Whether somebody has written into it, for all isolates that share the memory. */
  readonly status: SharedArrayBuffer;
  /** Whether all of it that is no array is frozen, so that calls may get the same. */
  readonly #frozen: boolean;
  /** The digest of the value as an argument, once it was made. */
  digest: Digest | undefined;
  /** The value ready to be stored, once it was made. */
  encoded: EncodedValue | undefined;
  /** Looks after its arrays; there as soon as a remembered call has had it. */
  guard: SharedGuard | undefined;
  /** The caches that have it. */
  readonly storedIn: WeakSet<object> = new WeakSet();
  /** Under which digest caches have it that workers open, too. */
  stored: Digest | undefined;
  readonly #listeners = new Set<() => void>();
  /** How many handles there are that somebody may close. */
  #handles = 0;
  #released = false;

  /**
   * Takes over a value that nobody else has.
   *
   * @param layout What {@linkcode layOut} says of it, or the one array that it is.
   */
  constructor(
    root: unknown,
    { id, status, alone = false }: AdoptedState,
    layout: Layout | SharedArray,
  ) {
    this.id = id;
    this.root = root;
    this.status = status ?? new SharedArrayBuffer(4);
    this.alone = alone;
    this.#frozen = !("frozen" in layout) || layout.frozen;
    this.arrays = "frozen" in layout ? layout.values.map((value) => mark(value, this)) : [layout];
  }

  /** Whether its owner needs it no more. */
  get released(): boolean {
    return this.#released;
  }

  /** How many bytes its arrays have. */
  get byteLength(): number {
    return this.arrays.reduce((sum, { value }) => sum + value.byteLength, 0);
  }

  /** Whether somebody is known to have written into it. */
  get spoiled(): boolean {
    return Atomics.load(new Int32Array(this.status), 0) !== 0;
  }

  /** Somebody has written into it: nobody gets it any more. */
  spoil(): void {
    Atomics.store(new Int32Array(this.status), 0, 1);
  }

  /**
   * Gives the value to somebody who may read it.
   *
   * @throws {ChangedArgumentError} When somebody has written into it.
   */
  give(): unknown {
    if (this.spoiled) {
      throw new ChangedArgumentError(
        "Cannot use a shared value: a task has written into its arrays, which tasks may only read; " +
          "copy them first, by `slice()`, and share the value again",
        "args",
      );
    }
    if (this.#frozen) return this.root;
    return capture([this.root], { large: copyLarge, shared: (view) => view, bare: true }).values[0];
  }

  /** There is one more handle that somebody may close. */
  retain(): void {
    this.#handles++;
  }

  /**
   * A handle was closed: with the last, what was copied for workers goes as soon as their calls have
   * ended.
   */
  release(): void {
    if (--this.#handles > 0) return;
    this.#released = true;
    for (const listener of this.#listeners) listener();
    this.#listeners.clear();
  }

  /**
   * Has a function called when its owner needs it no more.
   *
   * @returns Ends that.
   */
  onRelease(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }
}

/**
 * A value that was shared: an argument, or any part of one, that stands for the value.
 *
 * @typeParam T The value.
 */
export class Shared<T> implements Disposable {
  #memory: SharedMemory | undefined;

  /**
   * Creates a handle; users call {@linkcode share}.
   *
   * @param memory What it stands for.
   *
   * @internal
   */
  constructor(memory: SharedMemory) {
    this.#memory = memory;
  }

  /**
   * Tells a handle from what only inherits from one.
   *
   * @internal
   */
  static isGenuine(value: object): value is Shared<unknown> {
    return #memory in value;
  }

  /**
   * What a handle stands for.
   *
   * @throws {ScopeClosedError} When the handle was closed.
   *
   * @internal
   */
  static memoryOf(handle: Shared<unknown>): SharedMemory {
    if (handle.#memory !== undefined) return handle.#memory;
    throw new ScopeClosedError(
      "Cannot use a shared value: its handle was closed; share the value again, or close it later",
    );
  }

  /**
   * The value as tasks get it: to be read only. Objects and arrays are frozen, large typed arrays lie
   * in shared memory.
   *
   * @throws {ScopeClosedError} When the handle was closed.
   * @throws {ChangedArgumentError} When a task has written into it.
   */
  get value(): T {
    // What was shared.
    return Shared.memoryOf(this).give() as T;
  }

  /**
   * How many bytes the large arrays of the value have together.
   *
   * @throws {ScopeClosedError} When the handle was closed.
   */
  get byteLength(): number {
    return Shared.memoryOf(this).byteLength;
  }

  /** Whether the handle was closed. */
  get closed(): boolean {
    return this.#memory === undefined;
  }

  /**
   * Lets go of the value. Calls that were made with the handle have it until they end; none can be made
   * any more. May be called twice.
   */
  close(): void {
    const memory = this.#memory;
    this.#memory = undefined;
    memory?.guard?.settle();
    memory?.release();
  }

  /** The same as `close`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /**
   * What `console.log` shows.
   *
   * @internal
   */
  [inspectSymbol](inspect: Inspect, options: Deno.InspectOptions): string {
    return `Shared ${
      inspect(this.#memory === undefined ? { closed: true } : this.#memory.root, options)
    }`;
  }
}

/**
 * Shares a value with many calls. The handle is an argument, or any part of one, and stands for the
 * value: `f(share(x))` is the call `f(x)`, has its key, and the task gets the value itself. The value is
 * copied and digested once, whatever the number of calls. Web workers get typed arrays of 128 KiB and
 * more by reference, in memory that all share; a process reads each value once and keeps the last ones
 * used, up to 512 MiB.
 *
 * What is shared is the value as it is now. Tasks may only read it: objects and arrays are frozen, and
 * methods of large typed arrays that would write throw. An element that is written all the same changes
 * it for others, too: that is looked for while calls are remembered, and then none is that may have seen
 * it, and those that come later fail with a `ChangedArgumentError`. Copy what is to be changed, by
 * `slice()`. Buffers that are no typed arrays, and Maps, Sets and small arrays, are copied for each call,
 * and instances of registered classes are made for each, of the same large arrays.
 *
 * A large typed array of a shared value has a `SharedArrayBuffer`, which some functions of the platform
 * do not take. The pools of other libraries get a copy for each call.
 *
 * @typeParam T The value.
 * @param value Data that structured clone carries, without files; or a handle, for another one.
 * @returns The handle; close it to let go of the memory before it is collected.
 * @throws {UnclonableError} When something in the value cannot be shared; its `path` says where.
 *
 * @example Pass one large array to many calls
 * ```ts
 * import { cacheScope, createMemoryCache, Executor, share, task } from "@quiver/quiver";
 * import { assertEquals } from "@std/assert";
 *
 * const at = task(import.meta, (samples: Float64Array, i: number) => samples[i], { name: "at" });
 *
 * await using executor = new Executor({ workerType: "inline" });
 * using samples = share(Float64Array.from({ length: 100_000 }, (_, i) => i / 2));
 * await cacheScope({ cache: createMemoryCache() }, async () => {
 *   const calls = [1, 2, 3].map((i) => executor.submit(at, samples, i));
 *   assertEquals(await Promise.all(calls), [0.5, 1, 1.5]);
 *   assertEquals(await at.contains(samples.value, 3), true);
 * });
 * ```
 */
export function share<T>(value: T | Shared<T>): Shared<T> {
  const known = typeof value === "object" && value !== null ? pin(value) : undefined;
  if (isShared(known)) return toHandle(memoryOf(known));
  const kept: object[] = [];
  const shared = (part: object): unknown => {
    if (isShared(part)) return memoryOf(part).root;
    const copy = ArrayBuffer.isView(part) ? copyToShared(part) : undefined;
    if (copy === undefined) kept.push(part);
    return copy ?? NOTHING;
  };
  const captured = capture([value], { large: toShared, shared, apart: true });
  const [root] = captured.values;
  const layout = layOut(root);
  const culprit = kept[0] ?? captured.files[0] ?? layout.odd;
  if (captured.kept.length > 0 || culprit !== undefined) refuse(value, culprit);
  return toHandle(new SharedMemory(root, { id: crypto.randomUUID() }, layout));
}

/** A handle that somebody may close, other than those that calls have. */
function toHandle<T>(memory: SharedMemory): Shared<T> {
  memory.retain();
  return new Shared<T>(memory);
}

function toShared(value: LargeBuffer): object {
  return (ArrayBuffer.isView(value) ? copyToShared(value) : undefined) ?? copyLarge(value);
}

/**
 * Makes a shared value of what has come from where it was shared.
 *
 * @param root What has come. Arrays of its own move into memory that this isolate shares with nobody.
 * @param state What is known of it.
 */
export function adoptShared(root: unknown, state: AdoptedState): SharedMemory {
  const shared = (part: object): unknown => part;
  const [value] = capture([root], { large: toShared, shared, bare: true, apart: true }).values;
  return new SharedMemory(value, state, layOut(value));
}

function refuse(value: unknown, culprit: unknown): never {
  const path = culprit === undefined ? "value" : findPath(value, culprit) ?? "value";
  const kind = culprit === undefined
    ? "it holds what structured clone refuses"
    : culprit instanceof Promise
    ? "a promise is no data; await it first"
    : typeof culprit === "function" || typeof culprit === "symbol"
    ? `a ${typeof culprit} is no data`
    : `an instance of ${Object(culprit).constructor?.name || "a class"} is not shared`;
  throw new UnclonableError(
    `Cannot share ${path}: ${kind}; share plain data, and pass the rest beside it`,
    path,
  );
}

/** How the path goes on to something inside of a value. */
function findPath(value: unknown, wanted: unknown): string | undefined {
  const seen = new Set<unknown>();
  const open: [value: unknown, path: string][] = [[value, "value"]];
  for (const [part, path] of open) {
    // Of a file there is a copy.
    if (part === wanted || wanted instanceof FileHandle && part instanceof FileHandle) return path;
    if (typeof part !== "object" || part === null || seen.has(part)) continue;
    seen.add(part);
    if (part instanceof Map) {
      for (const [key, item] of part) open.push([item, `${path}.get(${String(key)})`]);
    } else {
      const isList = Array.isArray(part);
      for (const [key, item] of part instanceof Set ? [...part].entries() : Object.entries(part)) {
        open.push([item, isList ? `${path}[${key}]` : `${path}.${key}`]);
      }
    }
  }
  return undefined;
}

/** Whether a value is a handle of a shared value. */
export function isShared(value: unknown): value is Shared<unknown> {
  return typeof value === "object" && value !== null && Shared.isGenuine(value);
}

/**
 * What a handle stands for.
 *
 * @throws {ScopeClosedError} When the handle was closed.
 */
export function memoryOf(handle: Shared<unknown>): SharedMemory {
  return Shared.memoryOf(handle);
}

/** Finds the array of a shared value whose memory a view shows, whole or in part. */
function arrayIn(view: object): SharedArray | undefined {
  if (!ArrayBuffer.isView(view) || view.buffer instanceof ArrayBuffer) return undefined;
  const array: unknown = Reflect.get(view.buffer, SHARED);
  // Nobody else writes under this symbol.
  return array as SharedArray | undefined;
}

/**
 * Finds the array of a shared value that an array is.
 *
 * @returns It, if the array shows all of it, and nothing else.
 */
export function sharedArrayOf(value: object): SharedArray | undefined {
  if (value instanceof ArrayBuffer) {
    const array: unknown = Reflect.get(value, SHARED);
    return array as SharedArray | undefined;
  }
  const array = arrayIn(value);
  if (array === undefined || !ArrayBuffer.isView(array.value)) return undefined;
  const { byteOffset, byteLength } = value as ArrayBufferView;
  const isWhole = byteOffset === 0 && byteLength === array.value.byteLength &&
    Object.getPrototypeOf(value) === Object.getPrototypeOf(array.value);
  return isWhole ? array : undefined;
}

/** An array that a task passes on stands for itself; a part of one is an array of its own. */
function pin(value: object): unknown {
  if (isShared(value)) return new Shared(memoryOf(value));
  const array = sharedArrayOf(value);
  if (array === undefined) {
    return arrayIn(value) ? copyLarge(value as ArrayBufferView<ArrayBuffer>) : NOTHING;
  }
  const { memory } = array;
  if (memory.root === array.value) return new Shared(memory);
  const index = memory.arrays.indexOf(array);
  const { status, alone } = memory;
  const state = { id: `${memory.id}/${index}`, status, alone };
  array.alone ??= new SharedMemory(array.value, state, array);
  return new Shared(array.alone);
}

/**
 * Keeps the shared values among arguments for a call, whatever becomes of their handles.
 *
 * @param noted Takes the handles that the call has from now on.
 */
export function pinning(noted: Shared<unknown>[] = []): (value: object) => unknown {
  return (value) => {
    const pinned = pin(value);
    if (isShared(pinned)) noted.push(pinned);
    return pinned;
  };
}

/** Keeps the shared values among arguments that are not captured otherwise. */
export function pinShared(args: readonly unknown[]): readonly unknown[] {
  return capture(args, { large: (value) => value, shared: pinning(), bare: true }).values;
}

/**
 * Puts shared values in the place of their handles.
 *
 * @param copied Whether they are copied into memory of whoever gets them.
 * @throws {ChangedArgumentError} When somebody has written into one.
 */
export function giveShared(args: readonly unknown[], copied = false): readonly unknown[] {
  const give = (value: object): unknown => {
    if (!isShared(value)) return NOTHING;
    const given = memoryOf(value).give();
    return copied ? copyShared(given) : given;
  };
  const isPlain = args.every((value) =>
    typeof value !== "object" || value === null || isShared(value)
  );
  if (isPlain) return args.map((value) => isShared(value) ? give(value) : value);
  return capture(args, { large: (value) => value, shared: give, bare: true }).values;
}

/**
 * Makes a value the caller's own that may hold arrays of shared values: what a task returns is no part
 * of what it was given.
 */
export function copyShared(value: unknown): unknown {
  const shared = (part: object): unknown =>
    arrayIn(part) ? copyLarge(part as ArrayBufferView<ArrayBuffer>) : NOTHING;
  return capture([value], { large: (buffer) => buffer, shared, bare: true }).values[0];
}

/** Whether an object is a handle, or shows the array of a shared value. */
export function isSharedPart(value: object): boolean {
  return isShared(value) || arrayIn(value) !== undefined;
}

/**
 * Finds what handles among arguments stand for.
 *
 * @returns Each once.
 */
export function memoriesIn(args: readonly unknown[]): readonly SharedMemory[] {
  const memories = new Set<SharedMemory>();
  const note = (value: object): unknown => {
    if (isShared(value)) memories.add(memoryOf(value));
    return value;
  };
  capture(args, { large: (value) => value, shared: note });
  return [...memories];
}

/** What a value consists of. */
interface Layout {
  /** The arrays in shared memory, and the buffers. */
  readonly values: readonly (ArrayBufferView | ArrayBuffer)[];
  /** Whether nobody can write to anything else. */
  readonly frozen: boolean;
  /** A function or a symbol, if there is one. */
  readonly odd?: unknown;
}

/** Freezes what can be frozen, and finds the arrays. */
function layOut(root: unknown): Layout {
  const values: (ArrayBufferView | ArrayBuffer)[] = [];
  const seen = new Set<unknown>([root]);
  const open: unknown[] = [root];
  let frozen = true;
  let odd: unknown;
  // The list grows while it is gone over.
  for (const value of open) {
    if (typeof value === "function" || typeof value === "symbol") odd ??= value;
    if (typeof value !== "object" || value === null) continue;
    const prototype: object | null = Object.getPrototypeOf(value);
    let inside: Iterable<unknown> = [];
    if (ArrayBuffer.isView(value)) {
      if (value.buffer instanceof ArrayBuffer) frozen = false;
      else values.push(value);
    } else if (value instanceof ArrayBuffer) {
      frozen = false;
      values.push(value);
    } else if (Array.isArray(value) || prototype === Object.prototype || prototype === null) {
      Object.freeze(value);
      inside = Object.values(value);
    } else {
      frozen = false;
      if (value instanceof Map) inside = [...value].flat(1);
      else if (value instanceof Set) inside = value;
      else if (value instanceof StoredInstance) inside = [value.data];
      else if (value instanceof Error) {
        inside = Object.getOwnPropertyNames(value).map((key) => Reflect.get(value, key));
      }
    }
    for (const part of inside) {
      const type = typeof part;
      if (type !== "object" && type !== "function" && type !== "symbol") continue;
      if (seen.has(part)) continue;
      seen.add(part);
      open.push(part);
    }
  }
  return odd === undefined ? { values, frozen } : { values, frozen, odd };
}

/** What would write to many elements at once, and is called by name. */
const WRITERS = ["copyWithin", "fill", "reverse", "set", "sort"];

function mark(value: ArrayBufferView | ArrayBuffer, memory: SharedMemory): SharedArray {
  const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
  const known: unknown = Reflect.get(buffer, SHARED);
  // One that is part of another shared value, too.
  if (known !== undefined) return known as SharedArray;
  const array: SharedArray = { value, memory };
  Object.defineProperty(buffer, SHARED, { value: array });
  if (ArrayBuffer.isView(value)) refuseWriting(value);
  return array;
}

function refuseWriting(view: ArrayBufferView): void {
  const names = view instanceof DataView
    ? Object.getOwnPropertyNames(DataView.prototype).filter((name) => name.startsWith("set"))
    : WRITERS;
  for (const name of names) {
    const value = () => {
      throw new TypeError(
        `Cannot ${name} a shared array: tasks may only read it; copy it first, by \`slice()\``,
      );
    };
    Object.defineProperty(view, name, { value });
  }
}
