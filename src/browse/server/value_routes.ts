import type { Bag } from "../../../mod.ts";
import type { NumberArray } from "../../caches.ts";
import { toCell } from "./cells.ts";
import { BadRequestError, readCount, readText } from "./parameters.ts";

/** So many entries of a value are sent at once. */
const MOST_ENTRIES = 500;

/** Larger pieces of arrays are asked for in parts. */
const MOST_BYTES = 64 * 1024 * 1024;

/** So much is read of an array at a time, in elements, where all of it is gone through. */
const BLOCK = 1 << 20;

/** Longer texts are cut, in characters. */
const LONGEST_TEXT = 2_000_000;

/** How the files of pictures begin that browsers show, and which run nothing. */
const PICTURES: readonly (readonly [type: string, at: number, head: string])[] = [
  ["image/png", 0, "89504e470d0a1a0a"],
  ["image/jpeg", 0, "ffd8ff"],
  ["image/gif", 0, "474946383"],
  ["image/webp", 8, "57454250"],
];

/** Answers what the page asks about values. */
export class ValueRoutes {
  readonly #bag: Bag;

  constructor(bag: Bag) {
    this.#bag = bag;
  }

  /** What lies at a path of the bag, and what lies below. */
  async tree(url: URL): Promise<unknown> {
    const path = readText(url, "path");
    const skip = readCount(url, "skip", 0, Number.MAX_SAFE_INTEGER);
    const entries = readCount(url, "entries", 100, MOST_ENTRIES);
    const place = await this.#bag.describe(path, { skip, entries });
    const send = ({ value, name, ...entry }: Omit<typeof place, "entries">) => ({
      ...entry,
      name,
      ...(value !== undefined && { value: toCell(value) }),
    });
    const { entries: below, ...own } = place;
    return { ...send(own), entries: below.map(send) };
  }

  /** A text, all of it, or as much as can be shown. */
  async text(url: URL): Promise<string> {
    const [digest, path] = readPlace(url);
    const value = await this.#bag.read(digest, path);
    if (typeof value === "string") return value.slice(0, LONGEST_TEXT);
    throw new TypeError(`Cannot show "${path}" as a text: it is none`);
  }

  /** A part of an array: its numbers as they are stored, little-endian. */
  async slice(url: URL): Promise<Response> {
    const [digest, path] = readPlace(url);
    const { kind, shape, bytes } = await this.#bag.describe(toBagPath(digest, path));
    if (shape === undefined || bytes === undefined) {
      throw new TypeError(`Cannot slice "${path}": it is no array`);
    }
    const ranges = readRanges(url, shape);
    const length = shape.reduce((product, length) => product * length, 1);
    const wanted = ranges.reduce((product, [start, end]) => product * (end - start), 1);
    if (length > 0 && wanted * (bytes / length) > MOST_BYTES) {
      throw new BadRequestError(`Cannot send ${wanted} elements at once: ask for less than 64 MiB`);
    }
    const part = await this.#bag.slice({ digest, path }, ranges);
    const data = "data" in part ? part.data : part;
    return new Response(toBytes(data), {
      headers: {
        "content-type": "application/octet-stream",
        "x-quiver-kind": kind,
        "x-quiver-shape": ranges.map(([start, end]) => end - start).join(","),
      },
    });
  }

  /**
   * A line of an array, thinned out so that it can be drawn: of each piece the least and the greatest
   * number, so that no peak is lost.
   */
  async line(url: URL): Promise<unknown> {
    const [digest, path] = readPlace(url);
    const { shape = [], kind } = await this.#bag.describe(toBagPath(digest, path));
    if (shape.length === 0) throw new TypeError(`Cannot draw "${path}": it is no array`);
    const row = readCount(url, "row", 0, Number.MAX_SAFE_INTEGER);
    const lead = toLead(shape, row);
    const length = shape.at(-1) ?? 0;
    const from = readCount(url, "from", 0, length);
    const to = readCount(url, "to", length, length);
    const pieces = Math.max(readCount(url, "points", 2000, 20_000) >> 1, 1);
    const step = Math.max(Math.ceil((to - from) / pieces), 1);
    const line = new ThinLine(step, from);
    for (let start = from; start < to; start += BLOCK) {
      const end = Math.min(start + BLOCK, to);
      const part = await this.#bag.slice({ digest, path }, [...lead, [start, end]]);
      line.add("data" in part ? part.data : part);
    }
    return { kind, shape, from, to, step, ...line.end() };
  }

  /** The last two dimensions of an array, thinned out to a picture: its numbers, row by row. */
  async grid(url: URL): Promise<unknown> {
    const [digest, path] = readPlace(url);
    const { shape = [], kind } = await this.#bag.describe(toBagPath(digest, path));
    if (shape.length < 2) {
      throw new TypeError(`Cannot draw "${path}" as a map: it has no two dimensions`);
    }
    const [rows = 0, columns = 0] = shape.slice(-2);
    const lead = toPlane(shape, readCount(url, "plane", 0, Number.MAX_SAFE_INTEGER));
    const most = Math.max(readCount(url, "size", 512, 1024), 1);
    const [rowStep, columnStep] = [Math.ceil(rows / most) || 1, Math.ceil(columns / most) || 1];
    const values: (number | null)[] = [];
    for (let row = 0; row < rows; row += rowStep) {
      const part = await this.#bag.slice({ digest, path }, [...lead, [row, row + 1], [0, columns]]);
      const data = "data" in part ? part.data : part;
      for (let column = 0; column < columns; column += columnStep) {
        values.push(toNumber(data[column]));
      }
    }
    return {
      kind,
      shape,
      rows: Math.ceil(rows / rowStep),
      columns: Math.ceil(columns / columnStep),
      rowStep,
      columnStep,
      values,
    };
  }

  /** A picture, if that is what some bytes are. */
  async picture(url: URL): Promise<Response> {
    const [digest, path] = readPlace(url);
    const { kind, bytes = 0 } = await this.#bag.describe(toBagPath(digest, path));
    if (kind !== "Uint8Array" || bytes > MOST_BYTES) {
      throw new TypeError(`Cannot show "${path}": it is no picture`);
    }
    const part = await this.#bag.slice({ digest, path }, []);
    const data = toBytes("data" in part ? part.data : part);
    const type = PICTURES.find(([, at, head]) => data.subarray(at).toHex().startsWith(head))?.[0];
    if (type === undefined) throw new TypeError(`Cannot show "${path}": it is no picture`);
    return new Response(data, { headers: { "content-type": type } });
  }
}

function readPlace(url: URL): [digest: string, path: string] {
  return [readText(url, "digest"), url.searchParams.get("path") ?? ""];
}

function toBagPath(digest: string, path: string): string {
  return path === "" ? digest : `${digest}/${path}`;
}

function toBytes({ buffer, byteOffset, byteLength }: NumberArray): Uint8Array<ArrayBuffer> {
  return new Uint8Array(new Uint8Array(buffer, byteOffset, byteLength));
}

/** JSON has no NaN and no infinities. */
function toNumber(value: number | bigint | undefined): number | null {
  const number = Number(value);
  return Number.isFinite(number) ? number : null;
}

function readRanges(url: URL, shape: readonly number[]): [number, number][] {
  const text = url.searchParams.get("ranges") ?? "";
  const ranges = text === "" ? [] : text.split(",");
  return shape.map((length, dimension) => {
    const range = ranges[dimension];
    if (range === undefined) return [0, length];
    const [, start, end] = /^(\d+):(\d+)$/.exec(range) ?? [];
    const [from, to] = [Number(start), Number(end)];
    if (!(from <= to && to <= length)) {
      throw new BadRequestError(`Cannot read \`ranges\`: "${range}" is no part of 0:${length}`);
    }
    return [from, to];
  });
}

/** Which of the rows of an array of several dimensions is meant, the last dimension left out. */
function toLead(shape: readonly number[], row: number): [number, number][] {
  return toIndices(shape.slice(0, -1), row);
}

function toPlane(shape: readonly number[], plane: number): [number, number][] {
  return toIndices(shape.slice(0, -2), plane);
}

function toIndices(shape: readonly number[], at: number): [number, number][] {
  let rest = at;
  const indices: [number, number][] = [];
  for (const length of shape.toReversed()) {
    const index = rest % length;
    rest = Math.floor(rest / length);
    indices.unshift([index, index + 1]);
  }
  if (rest > 0) throw new BadRequestError(`Cannot read the row ${at}: there are fewer`);
  return indices;
}

/** Takes numbers piece by piece: of each piece the least and the greatest, where they stand. */
class ThinLine {
  readonly #step: number;
  readonly #at: number[] = [];
  readonly #numbers: (number | null)[] = [];
  #position: number;
  #least: { at: number; value: number } | undefined;
  #greatest: { at: number; value: number } | undefined;
  #taken = 0;

  constructor(step: number, from: number) {
    this.#step = step;
    this.#position = from;
  }

  add(numbers: NumberArray): void {
    for (const element of numbers) {
      const value = Number(element);
      const at = this.#position++;
      if (this.#step === 1) {
        this.#at.push(at);
        this.#numbers.push(toNumber(value));
        continue;
      }
      if (Number.isFinite(value)) {
        if (this.#least === undefined || value < this.#least.value) this.#least = { at, value };
        if (this.#greatest === undefined || value > this.#greatest.value) {
          this.#greatest = { at, value };
        }
      }
      if (++this.#taken === this.#step) this.#flush();
    }
  }

  end(): { readonly x: readonly number[]; readonly y: readonly (number | null)[] } {
    if (this.#taken > 0) this.#flush();
    return { x: this.#at, y: this.#numbers };
  }

  #flush(): void {
    const [least, greatest] = [this.#least, this.#greatest];
    if (least !== undefined && greatest !== undefined) {
      const [first, last] = least.at <= greatest.at ? [least, greatest] : [greatest, least];
      this.#at.push(first.at);
      this.#numbers.push(first.value);
      if (last.at !== first.at) {
        this.#at.push(last.at);
        this.#numbers.push(last.value);
      }
    }
    this.#least = undefined;
    this.#greatest = undefined;
    this.#taken = 0;
  }
}
