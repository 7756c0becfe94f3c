/**
 * Values as JSON that loses nothing. What JSON has is itself; whatever else there is, is an object with one
 * key that begins with `$`:
 *
 * | value                              | JSON                                                 |
 * | ---------------------------------- | ---------------------------------------------------- |
 * | `NaN`, `Infinity`, `-Infinity`, −0 | `{"$number": "NaN"}`                                 |
 * | `undefined`                        | `{"$undefined": true}`                               |
 * | a bigint                           | `{"$bigint": "12"}`                                  |
 * | a date                             | `{"$date": "2026-01-01T00:00:00.000Z"}`, or `null`   |
 * | a regular expression               | `{"$regexp": ["a+", "g"]}`                           |
 * | a Map, a Set                       | `{"$map": [[key, value], …]}`, `{"$set": [value, …]}` |
 * | a typed array                      | `{"$Float64Array": [0.5, …]}`                        |
 * | a buffer or DataView               | `{"$bytes": "<base64>"}`                             |
 * | an error                           | `{"$error": {"name": …, "message": …}}`              |
 * | an object of another class         | `{"$object": ["Name", {…}]}`                         |
 * | what contains this place           | `{"$cycle": 2}`: so many levels up                   |
 * | an object with a key like these    | `{"$plain": [[key, value], …]}`                      |
 *
 * What stands in two places is written twice.
 *
 * @module
 */

/** What is written of a value that has others in it. */
interface Frame {
  /** The value, if `$cycle` counts it as a level. */
  readonly value?: object;
  /** What is in it, each behind what comes before it. */
  readonly items: Iterator<readonly [before: string, item: unknown]>;
  /** What comes at its end. */
  readonly end: string;
  /** Whether nothing of it was written yet. */
  first: boolean;
}

/** Entries that are written as an array, and are no value of their own. */
class Entry {
  readonly items: readonly unknown[];

  constructor(...items: readonly unknown[]) {
    this.items = items;
  }
}

/** Fields that are written as an object, and are no value of their own. */
class Fields {
  readonly entries: readonly (readonly [key: string, item: unknown])[];

  constructor(entries: readonly (readonly [key: string, item: unknown])[]) {
    this.entries = entries;
  }
}

/**
 * Writes a value as JSON, in one line. Values may be as deep as they like.
 *
 * @param value Any value that structured clone carries.
 */
export function toExactJson(value: unknown): string {
  const pieces: string[] = [];
  const frames: Frame[] = [];
  const levels = new Map<object, number>();
  const write = (item: unknown): void => {
    if (typeof item !== "object" || item === null) {
      pieces.push(toScalar(item));
      return;
    }
    const level = levels.get(item);
    const leaf = level === undefined ? toLeaf(item) : `{"$cycle":${levels.size - level}}`;
    if (leaf !== undefined) {
      pieces.push(leaf);
      return;
    }
    const [begin, items, end] = toParts(item);
    pieces.push(begin);
    const isOwn = item instanceof Entry || item instanceof Fields;
    if (!isOwn) levels.set(item, levels.size);
    frames.push({ items, end, first: true, ...(!isOwn && { value: item }) });
  };
  write(value);
  for (let frame = frames.at(-1); frame !== undefined; frame = frames.at(-1)) {
    const next = frame.items.next();
    if (next.done) {
      pieces.push(frame.end);
      frames.pop();
      if (frame.value !== undefined) levels.delete(frame.value);
      continue;
    }
    const [before, item] = next.value;
    pieces.push(frame.first ? before : `,${before}`);
    frame.first = false;
    write(item);
  }
  return pieces.join("");
}

function toScalar(value: unknown): string {
  switch (typeof value) {
    case "number":
      if (Number.isFinite(value) && !Object.is(value, -0)) return String(value);
      return `{"$number":"${Object.is(value, -0) ? "-0" : value}"}`;
    case "bigint":
      return `{"$bigint":"${value}"}`;
    case "string":
    case "boolean":
      return JSON.stringify(value);
    default:
      return value === null ? "null" : '{"$undefined":true}';
  }
}

/** What has no other values in it. */
function toLeaf(value: object): string | undefined {
  if (value instanceof Date) {
    return JSON.stringify({ $date: Number.isNaN(value.getTime()) ? null : value.toISOString() });
  }
  if (value instanceof RegExp) return JSON.stringify({ $regexp: [value.source, value.flags] });
  if (value instanceof ArrayBuffer) {
    return JSON.stringify({ $bytes: new Uint8Array(value).toBase64() });
  }
  if (!(value instanceof DataView)) return undefined;
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return JSON.stringify({ $bytes: bytes.toBase64() });
}

type Parts = readonly [begin: string, items: Frame["items"], end: string];

function toParts(value: object): Parts {
  if (value instanceof Entry) return ["[", toItems(value.items), "]"];
  if (value instanceof Fields) return toFieldParts(value.entries);
  if (Array.isArray(value)) return ["[", toItems(value), "]"];
  if (value instanceof Map) {
    return ['{"$map":[', toItems(Array.from(value, (entry) => new Entry(...entry))), "]}"];
  }
  if (value instanceof Set) return ['{"$set":[', toItems([...value]), "]}"];
  if (ArrayBuffer.isView(value) && Symbol.iterator in value) {
    return [`{${JSON.stringify(`$${nameOf(value)}`)}:[`, toItems(value as Iterable<unknown>), "]}"];
  }
  if (value instanceof Error) return ['{"$error":', toItems([toErrorFields(value)]), "}"];
  const prototype: unknown = Object.getPrototypeOf(value);
  const entries = Object.entries(value);
  if (prototype === null || prototype === Object.prototype) return toFieldParts(entries);
  const name = JSON.stringify(nameOf(value));
  return [`{"$object":[${name},`, toItems([new Fields(entries)]), "]}"];
}

function toFieldParts(entries: Fields["entries"]): Parts {
  // Whoever reads it must be able to tell a key of a value from one of the table above.
  if (entries.some(([key]) => key.startsWith("$"))) {
    return ['{"$plain":[', toItems(entries.map((entry) => new Entry(...entry))), "]}"];
  }
  const items = entries.values().map(([key, item]) => [`${JSON.stringify(key)}:`, item] as const);
  return ["{", items, "}"];
}

function* toItems(items: Iterable<unknown>): Generator<readonly [string, unknown]> {
  for (const item of items) yield ["", item];
}

function toErrorFields(value: Error): Fields {
  const { name, message, stack, cause, ...own } = value;
  const fields = Object.entries(own);
  return new Fields([
    ["name", name],
    ["message", message],
    ...stack === undefined ? [] : [["stack", stack] as const],
    ...cause === undefined ? [] : [["cause", cause] as const],
    ...value instanceof AggregateError ? [["errors", new Entry(...value.errors)] as const] : [],
    ...fields.length === 0 ? [] : [["fields", new Fields(fields)] as const],
  ]);
}

function nameOf(value: object): string {
  const { name } = value.constructor ?? {};
  return typeof name === "string" ? name : "Object";
}
