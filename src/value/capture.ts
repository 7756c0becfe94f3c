/**
 * Copies what a caller passes, so that what happens to it afterwards does not count.
 *
 * A capture is what structured clone would make of a value, so that a function gets here what it
 * would get on a worker: symbols, accessors and whatever a proxy hides are gone, and what was one
 * object is one. Other than structured clone it keeps the class and fields of errors, URLs as URLs,
 * of a view no more than it shows, and what it cannot copy as it is: functions, promises, instances
 * of classes, and shared memory.
 *
 * Every call that is remembered comes along here, with or without workers: this file is loaded with
 * Quiver, and imports next to nothing.
 *
 * @module
 */
import { createError, defineHidden, toErrorShape } from "./error_shape.ts";
import {
  classOf,
  findRegistered,
  makeInstances,
  StoredInstance,
  takeApart,
  temporalNameOf,
} from "./class_registry.ts";
import { FileHandle } from "./file/file_handle.ts";
import { isDigestible } from "./symbols.ts";

/** A buffer that nobody can resize, or a view on one. */
export type LargeBuffer = ArrayBufferView<ArrayBuffer> | ArrayBuffer;

/** What to do with what costs too much, or is worth too much, to be copied like the rest. */
export interface CaptureOptions {
  /**
   * Gives what stands for a buffer or a view of {@linkcode LARGE_BYTES} or more.
   *
   * @param value The buffer, or a plain view on it.
   * @param original The same as the caller has it, which may be a buffer of Node's.
   * @returns A copy, or the same where somebody makes sure that it does not change.
   */
  readonly large: (value: LargeBuffer, original: object) => object;
  /**
   * Gives what stands for a shared value, which may be anything, or for a view on memory that isolates
   * share: without it, or where it gives {@linkcode NOTHING}, they stay the caller's.
   */
  readonly shared?: (value: object) => unknown;
  /** Tells which of the values are given away, so that their buffers move instead. */
  readonly moves?: (value: unknown) => boolean;
  /**
   * Whether the values are results: objects without a prototype stay so, and so do files that a task
   * has made. Keys do not tell such objects from others, so that an argument becomes a plain object.
   *
   * @default {false}
   */
  readonly bare?: boolean;
  /**
   * Whether what stands for instances of registered classes is enough.
   *
   * @default {false}
   */
  readonly apart?: boolean;
}

/** Given where nothing stands for an object. */
export const NOTHING: unique symbol = Symbol("nothing");

/** From this size on, in bytes, a buffer need not be copied at once. */
export const LARGE_BYTES = 128 * 1024;

/** The classes of typed arrays, by their names. */
export const TYPED_ARRAYS = {
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
};

type ViewType = new <B extends ArrayBufferLike>(
  buffer: B,
  offset?: number,
  length?: number,
) => ArrayBufferView<B>;

/** The class that a view becomes, by its prototype. */
const VIEW_TYPES: ReadonlyMap<object, ViewType> = new Map<object, ViewType>([
  ...Object.values(TYPED_ARRAYS).map((type) => [type.prototype, type] as const),
  [DataView.prototype, DataView],
]);

/** Copies that need no look inside, by prototype; each throws when the object only poses as one. */
const LEAVES: ReadonlyMap<object, (value: object) => object> = new Map<
  object,
  (value: object) => object
>([
  [Date.prototype, (value) => new Date(Date.prototype.getTime.call(value))],
  [RegExp.prototype, (value) => new RegExp(value as RegExp)],
  [Boolean.prototype, (value) => Object(Boolean.prototype.valueOf.call(value))],
  [Number.prototype, (value) => Object(Number.prototype.valueOf.call(value))],
  [String.prototype, (value) => Object(String.prototype.valueOf.call(value))],
  [BigInt.prototype, (value) => Object(BigInt.prototype.valueOf.call(value))],
  [URL.prototype, (value) => new URL((value as URL).href)],
  [URLSearchParams.prototype, (value) => new URLSearchParams(String(value))],
]);

/** Values as they were when they were captured. */
interface Captured {
  /** The values: nobody else has what was copied. */
  readonly values: readonly unknown[];
  /** The positions of those that hold what cannot be copied: it is the caller's, and may change. */
  readonly kept: readonly number[];
  /** The positions of those that hold a large buffer which stands for itself. */
  readonly lent: readonly number[];
  /** The positions of those that hold files. */
  readonly filed: readonly number[];
  /** The files. */
  readonly files: readonly FileHandle[];
}

/**
 * Captures values, synchronously.
 *
 * @param options What becomes of large buffers.
 * @returns The values; the same list where there is nothing to copy.
 * @throws Whatever an accessor or a proxy's trap throws.
 */
export function capture(values: readonly unknown[], options: CaptureOptions): Captured {
  return values.some(isObject)
    ? new Capture(options).all(values)
    : { values, kept: [], lent: [], filed: [], files: [] };
}

class Capture {
  readonly #options: CaptureOptions;
  /** What stands for each object, so that what was one stays one. */
  readonly #copies = new Map<object, unknown>();
  /** Fills the containers that are made and still empty: a value may be nested deeper than a stack. */
  readonly #unfilled: (() => void)[] = [];
  /** How many there are who show each buffer, where something was given away. */
  #users: ReadonlyMap<object, number> | undefined;
  /** Whether what is copied now was given away. */
  #moving = false;
  /** Whether something in it could not be copied. */
  #keeps = false;
  /** Whether a large buffer in it stands for itself. */
  #lends = false;
  readonly #files: FileHandle[] = [];
  /** What stands for instances of registered classes until all that they are made of is copied. */
  readonly #instances: StoredInstance[] = [];

  constructor(options: CaptureOptions) {
    this.#options = options;
  }

  all(values: readonly unknown[]): Captured {
    const copies: unknown[] = [];
    const kept: number[] = [];
    const lent: number[] = [];
    const filed: number[] = [];
    const { moves } = this.#options;
    if (moves !== undefined && values.some(moves)) this.#users = countBuffers(values);
    for (const [index, value] of values.entries()) {
      this.#moving = isObject(value) && moves?.(value) === true;
      this.#keeps = false;
      this.#lends = false;
      const before = this.#files.length;
      copies.push(this.#copy(value));
      for (let fill = this.#unfilled.pop(); fill !== undefined; fill = this.#unfilled.pop()) fill();
      if (this.#keeps) kept.push(index);
      if (this.#lends) lent.push(index);
      if (this.#files.length > before) filed.push(index);
    }
    if (this.#options.apart !== true) makeInstances(copies, this.#instances);
    return { values: copies, kept, lent, filed, files: this.#files };
  }

  readonly #copy = (value: unknown): unknown => {
    if (!isObject(value)) return value;
    const copy = this.#copies.get(value) ?? this.#copyObject(value);
    this.#copies.set(value, copy);
    return copy;
  };

  /** It stays the caller's: whoever digests it says whether that will do. */
  #keep<T extends object>(value: T): T {
    this.#keeps = true;
    return value;
  }

  /** Nobody copies what is shared, and what else there is of classes stays the caller's. */
  #share(value: object): unknown {
    const { shared = () => NOTHING } = this.#options;
    const given = shared(value);
    return given === NOTHING ? this.#keep(value) : given;
  }

  #copyObject(value: object): unknown {
    const prototype: object | null = Object.getPrototypeOf(value);
    if (isDigestible(value) && (prototype === null || !isRegistered(prototype))) {
      return this.#keep(value);
    }
    if (prototype === Object.prototype || prototype === null) {
      const copy = prototype === null && this.#options.bare ? Object.create(null) : {};
      this.#unfilled.push(() => copyFields(value, copy, Object.keys(value), this.#copy));
      return copy;
    }
    if (prototype === Array.prototype) return this.#copyArray(value);
    if (isRegistered(prototype)) return this.#copyInstance(value);
    if (ArrayBuffer.isView(value)) return this.#copyView(value, prototype);
    try {
      if (prototype === ArrayBuffer.prototype) return this.#copyBuffer(value as ArrayBuffer);
      if (prototype === Map.prototype) return this.#copyMap(value as Map<unknown, unknown>);
      if (prototype === Set.prototype) return this.#copySet(value as Set<unknown>);
      const leaf = LEAVES.get(prototype);
      if (leaf !== undefined) return leaf(value);
      // Nobody can change it.
      if (temporalNameOf(prototype) !== undefined) return value;
    } catch (error) {
      // It only poses as one.
      if (error instanceof TypeError) return this.#keep(value);
      throw error;
    }
    if (prototype === FileHandle.prototype) return this.#copyFile(value);
    return value instanceof Error ? this.#copyError(value) : this.#share(value);
  }

  /** Instances in it are made once all is copied. */
  #copyInstance(value: object): object {
    const instance = takeApart(value);
    const copy = new StoredInstance(instance);
    this.#instances.push(copy);
    this.#unfilled.push(() => copy.data = this.#copy(instance.data));
    return copy;
  }

  /** Which content it stands for is settled for each call anew, unless it is. */
  #copyFile(value: object): object {
    if (!FileHandle.isGenuine(value)) return this.#keep(value);
    const { content, path, always, own } = FileHandle.stateOf(value);
    const stays = own ? this.#options.bare : content !== undefined;
    const copy = stays ? value : new FileHandle({ path, ...(always && { always }) });
    this.#files.push(copy);
    return copy;
  }

  #copyArray(value: object): object {
    if (!Array.isArray(value)) return this.#keep(value);
    const copy: unknown[] = [];
    this.#unfilled.push(() => copyItems(value, copy, this.#copy));
    return copy;
  }

  #copyMap(value: Map<unknown, unknown>): object {
    const items: unknown[] = [];
    Map.prototype.forEach.call(value, (item, key) => void items.push(key, item));
    const copy = new Map<unknown, unknown>();
    this.#unfilled.push(() => {
      for (let index = 0; index < items.length; index += 2) {
        copy.set(this.#copy(items[index]), this.#copy(items[index + 1]));
      }
    });
    return copy;
  }

  #copySet(value: Set<unknown>): object {
    const items: unknown[] = [];
    Set.prototype.forEach.call(value, (item) => void items.push(item));
    const copy = new Set<unknown>();
    this.#unfilled.push(() => {
      for (const item of items) copy.add(this.#copy(item));
    });
    return copy;
  }

  /** One of a class that was registered is one on a worker, too. */
  #copyError(value: Error): object {
    const registered = findRegistered(value);
    if (registered?.fromFields !== undefined || registered?.toFields !== undefined) {
      return this.#keep(value);
    }
    const shape = toErrorShape(value);
    const copy = createError(shape);
    if (registered !== undefined) Object.setPrototypeOf(copy, registered.prototype);
    this.#unfilled.push(() => {
      for (const [key, field] of shape.hidden) defineHidden(copy, key, this.#copy(field));
      for (const [key, field] of shape.fields) defineField(copy, key, this.#copy(field));
    });
    return copy;
  }

  /** A buffer of Node's is a view of bytes by another name, and becomes one. */
  #copyView(view: ArrayBufferView, prototype: object): unknown {
    const type = viewTypeOf(prototype);
    const { buffer, byteOffset, byteLength } = view;
    if (!(buffer instanceof ArrayBuffer)) return this.#share(view);
    // What is of another class, or shows nothing any more, is refused.
    if (type === undefined || buffer.detached) return this.#keep(view);
    const size = type === DataView ? byteLength : byteLength / sizeOf(view);
    if (byteLength === buffer.byteLength && this.#mayMove(buffer)) {
      return new type(buffer.transfer(), 0, size);
    }
    if (byteLength < LARGE_BYTES || buffer.resizable) {
      return new type(copyBytes(buffer, byteOffset, byteLength), 0, size);
    }
    const plain = prototype === type.prototype ? view : new type(buffer, byteOffset, size);
    return this.#lend(plain as ArrayBufferView<ArrayBuffer>, view);
  }

  #copyBuffer(buffer: ArrayBuffer): object {
    if (buffer.detached) return this.#keep(buffer);
    if (this.#mayMove(buffer)) return buffer.transfer();
    if (buffer.byteLength < LARGE_BYTES || buffer.resizable) {
      return copyBytes(buffer, 0, buffer.byteLength);
    }
    return this.#lend(buffer, buffer);
  }

  #lend(value: LargeBuffer, original: object): object {
    const lent = this.#options.large(value, original);
    if (lent === value) this.#lends = true;
    return lent;
  }

  /** What others show, too, is copied for each: a key does not tell that they share it. */
  #mayMove(buffer: ArrayBuffer): boolean {
    return this.#moving && !buffer.resizable && this.#users?.get(buffer) === 1;
  }
}

/** Counts the buffers, and the views of them, that there are of each buffer. */
function countBuffers(values: readonly unknown[]): Map<object, number> {
  const users = new Map<object, number>();
  const open: unknown[] = [...values];
  const seen = new Set<object>();
  for (let at = 0; at < open.length; at++) {
    const value = open[at];
    if (!isObject(value) || seen.has(value)) continue;
    seen.add(value);
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    if (buffer instanceof ArrayBuffer) users.set(buffer, (users.get(buffer) ?? 0) + 1);
    else if (value instanceof Map) { for (const entry of value) open.push(entry); }
    else for (const part of value instanceof Set ? value : Object.values(value)) open.push(part);
  }
  return users;
}

function isRegistered(prototype: object): boolean {
  return prototype === StoredInstance.prototype || classOf(prototype) !== undefined;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether an object is a proxy that was revoked, which throws whatever it is asked. */
export function isRevoked(value: object): boolean {
  try {
    Array.isArray(value);
    return false;
  } catch {
    return true;
  }
}

function copyFields(
  from: object,
  to: object,
  keys: readonly string[],
  copy: (value: unknown) => unknown,
): void {
  const [source, target] = [from, to] as [Record<string, unknown>, Record<string, unknown>];
  for (const key of keys) {
    const value = copy(source[key]);
    // An assignment to "__proto__" would be none.
    if (key === "__proto__") defineField(to, key, value);
    else target[key] = value;
  }
}

function copyItems(
  from: readonly unknown[],
  to: unknown[],
  copy: (value: unknown) => unknown,
): void {
  const keys = Object.keys(from);
  const { length } = from;
  // Indices come first: what has as many keys as items has no holes, or names beside its items.
  const dense = keys.length === length && (length === 0 || keys[length - 1] === String(length - 1));
  if (dense) { for (let index = 0; index < length; index++) to.push(copy(from[index])); }
  else {
    to.length = length;
    copyFields(from, to, keys, copy);
  }
}

function defineField(object: object, key: string, value: unknown): void {
  Object.defineProperty(object, key, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}

/** As `buffer.slice()`, which fills its memory with zeros first and takes half as long again. */
function copyBytes(buffer: ArrayBuffer, at: number, length: number): ArrayBuffer {
  return new Uint8Array(new Uint8Array(buffer, at, length)).buffer;
}

/**
 * Copies a large buffer, or what a view shows of one.
 *
 * @param value The buffer or a plain view.
 * @returns The same kind of thing on memory of its own.
 */
export function copyLarge(value: LargeBuffer): LargeBuffer {
  if (!ArrayBuffer.isView(value)) return copyBytes(value, 0, value.byteLength);
  const bytes = copyBytes(value.buffer, value.byteOffset, value.byteLength);
  const type = viewTypeOf(Object.getPrototypeOf(value));
  return type === undefined ? bytes : new type(bytes);
}

/**
 * Copies what a view shows into memory that isolates share.
 *
 * @returns The same kind of view, or `undefined` when it is of a class of somebody's own.
 */
export function copyToShared(
  view: ArrayBufferView,
): ArrayBufferView<SharedArrayBuffer> | undefined {
  const type = viewTypeOf(Object.getPrototypeOf(view));
  if (type === undefined) return undefined;
  const memory = new SharedArrayBuffer(view.byteLength);
  new Uint8Array(memory).set(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  return new type(memory);
}

function viewTypeOf(prototype: object): ViewType | undefined {
  return VIEW_TYPES.get(isOfBuffers(prototype) ? Uint8Array.prototype : prototype);
}

function sizeOf(view: ArrayBufferView): number {
  return (view as Uint8Array).BYTES_PER_ELEMENT;
}

/**
 * Tells whether a prototype is that of Node's buffers, which are byte arrays by another name. Deno has
 * the class among its globals, which its type library does not describe: to import `node:buffer` takes
 * a starting worker longer than 20 modules.
 *
 * @returns Whether it is.
 */
export function isOfBuffers(prototype: object): boolean {
  if (Object.getPrototypeOf(prototype) !== Uint8Array.prototype) return false;
  const { Buffer } = globalThis as { readonly Buffer?: { readonly prototype: object } };
  return prototype === Buffer?.prototype;
}
