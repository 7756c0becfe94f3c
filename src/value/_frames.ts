import type { ByteSink } from "./_byte_sink.ts";
import { isIndex } from "./_children.ts";

/** What a frame writes with. */
export interface ItemWriter {
  /** Where the bytes go. */
  readonly sink: ByteSink;
  /**
   * Writes a value as far as that can be done at once.
   *
   * @returns `false` when a frame was opened, which must be finished before anything else.
   */
  write(value: unknown): boolean;
  /** Writes a text that is no value of its own. */
  writeText(value: string): void;
  /** Writes so many holes of an array. */
  writeHoles(count: number): void;
}

/** An object of which a part is written. Frames stand for the stack, which JavaScript has little of. */
export interface Frame {
  /**
   * Writes on.
   *
   * @returns Whether all is written; if not, a frame was opened.
   */
  advance(writer: ItemWriter): boolean;
}

/** Writes keys and what an object has under them. */
export class PropertiesFrame implements Frame {
  readonly #object: object;
  readonly #keys: readonly string[];
  #at = 0;

  constructor(object: object, keys: readonly string[]) {
    this.#object = object;
    this.#keys = keys;
  }

  advance(writer: ItemWriter): boolean {
    const keys = this.#keys;
    for (;;) {
      const key = keys[this.#at];
      if (key === undefined) return true;
      this.#at++;
      writer.writeText(key);
      if (!writer.write(Reflect.get(this.#object, key))) return false;
    }
  }
}

/** Writes values one after the other. */
export class ItemsFrame implements Frame {
  readonly #items: readonly unknown[];
  #at = 0;

  constructor(items: readonly unknown[]) {
    this.#items = items;
  }

  advance(writer: ItemWriter): boolean {
    while (this.#at < this.#items.length) {
      if (!writer.write(this.#items[this.#at++])) return false;
    }
    return true;
  }
}

/** Writes groups of values, and puts them into the order of their bytes when all are written. */
export class SortedFrame implements Frame {
  readonly #items: readonly unknown[];
  readonly #width: number;
  readonly #starts: number[] = [];
  #at = 0;

  constructor(items: readonly unknown[], width: number, sink: ByteSink) {
    this.#items = items;
    this.#width = width;
    sink.hold();
  }

  advance(writer: ItemWriter): boolean {
    while (this.#at < this.#items.length) {
      if (this.#at % this.#width === 0) this.#starts.push(writer.sink.position);
      if (!writer.write(this.#items[this.#at++])) return false;
    }
    writer.sink.sort(this.#starts);
    writer.sink.release();
    return true;
  }
}

/** Writes the named properties of an array, then its items and holes. */
export class ArrayFrame implements Frame {
  readonly #array: readonly unknown[];
  readonly #length: number;
  readonly #properties: PropertiesFrame;
  /** The indices that are there, last first; listed when the first hole is met. */
  #indices: number[] | undefined;
  #at = 0;

  constructor(array: readonly unknown[], keys: readonly string[]) {
    this.#array = array;
    this.#length = array.length;
    this.#properties = new PropertiesFrame(array, keys);
  }

  advance(writer: ItemWriter): boolean {
    if (!this.#properties.advance(writer)) return false;
    const array = this.#array;
    while (this.#at < this.#length) {
      const item = array[this.#at];
      if (item === undefined && !(this.#at in array)) this.#skipHoles(writer);
      else {
        this.#at++;
        if (!writer.write(item)) return false;
      }
    }
    return true;
  }

  /** Goes on to the next item without a look at each hole, of which there may be four milliards. */
  #skipHoles(writer: ItemWriter): void {
    this.#indices ??= Object.keys(this.#array).filter(isIndex).map(Number).reverse();
    while ((this.#indices.at(-1) ?? Infinity) < this.#at) this.#indices.pop();
    // A getter may have taken away what was there when the indices were listed.
    const end = Math.max(this.#at + 1, Math.min(this.#indices.at(-1) ?? Infinity, this.#length));
    writer.writeHoles(end - this.#at);
    this.#at = end;
  }
}
