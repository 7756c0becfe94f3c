/**
 * Finds large buffers on their way to a worker. Structured clone writes each into the message, and
 * reads it out again; to copy it and to move the copy takes a fifth of that.
 *
 * @module
 */
import { TYPED_ARRAYS } from "../../value/capture.ts";
import { isGivenAway } from "../transfer.ts";

/** What goes instead of a list of values, and the buffers that move with it. */
interface TransferPlan {
  /** The values. */
  readonly values: readonly unknown[];
  /** The buffers; they are empty here when the values were sent. */
  readonly moved: ArrayBuffer[];
}

/** Smaller buffers cost less in a message than beside it. */
const LARGE = 128 * 1024;
/** Where there are more parts than these, the search is not worth its time. */
const MAX_PARTS = 64;
/** Less than any number of parts. */
const FOUND = -Infinity;

/** What structured clone makes of each view, whatever class was derived from it. */
const ARRAYS = new Map<string, new (buffer: ArrayBuffer, at?: number, length?: number) => object>(
  Object.entries(TYPED_ARRAYS),
);

/**
 * Makes values ready to be sent.
 *
 * @param whole What becomes of a large buffer that goes as a whole: a copy of it moves, or it is left
 * where it is, for who makes bytes of it anyway. Of a view the part is copied that it shows.
 * @returns The plan, or `undefined` when the values may go as they are, as nearly all may.
 */
export function planTransfer(
  values: readonly unknown[],
  whole: "copy" | "keep",
): TransferPlan | undefined {
  try {
    for (let index = 0; index < values.length; index++) {
      const value = values[index];
      if (typeof value !== "object" || value === null) continue;
      if (isGivenAway(value) || seek(value, MAX_PARTS) === FOUND) {
        return new Packing(whole).pack(values);
      }
    }
    return undefined;
  } catch {
    // A getter or a proxy's trap: structured clone meets it, too, and says so in its own words.
    return undefined;
  }
}

/**
 * Looks for a large buffer, in no more than so many parts. Nearly every call comes along here.
 *
 * @returns How many parts were left, or `FOUND`.
 */
function seek(value: unknown, left: number): number {
  if (typeof value !== "object" || value === null) return left - 1;
  if (ArrayBuffer.isView(value)) return value.buffer.byteLength >= LARGE ? FOUND : left - 1;
  if (value instanceof ArrayBuffer) return value.byteLength >= LARGE ? FOUND : left - 1;
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length && left > 0; index++) left = seek(value[index], left);
  } else if (isPlain(value)) {
    for (const key in value) {
      if (left <= 0) break;
      left = seek(Reflect.get(value, key), left);
    }
  }
  return left === FOUND ? FOUND : left - 1;
}

/** Tells whether values with a large buffer consist of nothing that could not be taken apart. */
class LargeSearch {
  #left = MAX_PARTS;
  #found = false;

  /** Whether there is a large buffer, and nothing that could not be taken apart. */
  find(value: object): boolean {
    return this.#look(value) && this.#found;
  }

  #look(value: unknown): boolean {
    if (--this.#left < 0) return false;
    if (typeof value !== "object" || value === null) return true;
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    if (buffer instanceof ArrayBuffer) {
      if (buffer.byteLength >= LARGE) this.#found = true;
      return !buffer.resizable;
    }
    if (buffer instanceof SharedArrayBuffer || value instanceof Date) return true;
    if (Array.isArray(value)) return value.length <= this.#left && value.every(this.#each);
    return isPlain(value) && Object.values(value).every(this.#each);
  }

  readonly #each = (part: unknown): boolean => this.#look(part);
}

/** Replaces what is large. */
class Packing {
  readonly #whole: "copy" | "keep";
  readonly #moved = new Set<ArrayBuffer>();
  /** How many views there are of each buffer. */
  readonly #views = new Map<ArrayBuffer, number>();
  /** What stands for each object, so that what was one stays one. */
  readonly #packed = new Map<object, object>();

  constructor(whole: "copy" | "keep") {
    this.#whole = whole;
  }

  /** Replaces all or nothing: parts of one value may stand in another, too. */
  pack(values: readonly unknown[]): TransferPlan | undefined {
    const given = values.filter(isGivenAway);
    for (const value of given) this.#give(value, new Set());
    const rest = values.filter((value) => !isGivenAway(value));
    if (!new LargeSearch().find(rest)) {
      return given.length === 0 ? undefined : { values, moved: [...this.#moved] };
    }
    this.#count(rest, new Set());
    const packed = values.map((value) => isGivenAway(value) ? value : this.#replace(value));
    return { values: packed, moved: [...this.#moved] };
  }

  /** Everything inside a value that was given away moves. */
  #give(value: unknown, seen: Set<object>): void {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    if (buffer instanceof ArrayBuffer) {
      // A detached one would spoil the whole message; as it is, the clone names it.
      if (!buffer.detached) this.#moved.add(buffer);
    } else if (value instanceof Map) { for (const entry of value) this.#give(entry, seen); }
    else if (value instanceof Set) { for (const item of value) this.#give(item, seen); }
    else if (Array.isArray(value) || isPlain(value)) {
      for (const part of Object.values(value)) this.#give(part, seen);
    }
  }

  #count(value: unknown, seen: Set<object>): void {
    if (typeof value !== "object" || value === null || seen.has(value)) return;
    seen.add(value);
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    if (buffer instanceof ArrayBuffer) {
      this.#views.set(buffer, (this.#views.get(buffer) ?? 0) + 1);
    } else if (Array.isArray(value) || isPlain(value)) {
      for (const part of Object.values(value)) this.#count(part, seen);
    }
  }

  #replace(value: unknown): unknown {
    if (typeof value !== "object" || value === null) return value;
    const known = this.#packed.get(value);
    if (known !== undefined) return known;
    if (ArrayBuffer.isView(value)) return this.#note(value, this.#replaceView(value));
    if (value instanceof ArrayBuffer) return this.#replaceBuffer(value);
    if (!Array.isArray(value) && !isPlain(value)) return value;
    const copy: object = Array.isArray(value) ? new Array(value.length) : {};
    this.#note(value, copy);
    for (const [key, part] of Object.entries(value)) {
      // An assignment to "__proto__" would be none.
      const descriptor = { writable: true, enumerable: true, configurable: true };
      Object.defineProperty(copy, key, { ...descriptor, value: this.#replace(part) });
    }
    return copy;
  }

  #replaceView(view: ArrayBufferView): object {
    const { buffer, byteOffset, byteLength } = view;
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < LARGE) return view;
    const alone = this.#views.get(buffer) === 1;
    if (!alone || byteLength === buffer.byteLength) {
      const copy = this.#replaceBuffer(buffer);
      return copy === buffer ? view : toView(view, copy, byteOffset);
    }
    const part = copyBytes(buffer, byteOffset, byteLength);
    if (this.#whole === "copy" && byteLength >= LARGE) this.#moved.add(part);
    return toView(view, part, 0);
  }

  #replaceBuffer(buffer: ArrayBuffer): ArrayBuffer {
    if (this.#whole === "keep" || buffer.byteLength < LARGE) return buffer;
    const known = this.#packed.get(buffer);
    if (known instanceof ArrayBuffer) return known;
    const copy = copyBytes(buffer, 0, buffer.byteLength);
    this.#moved.add(copy);
    this.#note(buffer, copy);
    return copy;
  }

  #note<T extends object>(value: object, packed: T): T {
    this.#packed.set(value, packed);
    return packed;
  }
}

/** As `buffer.slice()`, which fills its memory with zeros first and takes half as long again. */
function copyBytes(buffer: ArrayBuffer, at: number, length: number): ArrayBuffer {
  return new Uint8Array(new Uint8Array(buffer, at, length)).buffer;
}

function toView(view: ArrayBufferView, buffer: ArrayBuffer, at: number): object {
  if (view instanceof DataView) return new DataView(buffer, at, view.byteLength);
  const name: unknown = Reflect.get(view, Symbol.toStringTag);
  const type = ARRAYS.get(String(name));
  // Only a kind of array that this list does not know yet; as it is, it goes by clone.
  if (type === undefined) return view;
  const { length } = view as Uint8Array;
  return new type(buffer, at, length);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
