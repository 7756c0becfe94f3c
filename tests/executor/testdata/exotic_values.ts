// Values that a channel may lose something of, and tasks that give and take them.
import { Buffer } from "node:buffer";
import { createSecretKey } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import { task } from "@quiver/quiver";

/** What becomes of a value on its way: it arrives, it is refused, or it arrives within this process only. */
export type Fate = "arrives" | "refused" | "thread";

class OwnHeaders extends Headers {
  own = 1;
}

const ARRAY = new Float64Array(50_000).fill(0.5);
const WASM = new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));

function withFields<T extends object>(value: T): T {
  return Object.assign(value, { code: 7, at: new URL("http://a.b/c"), list: [1n, undefined] });
}

/** Makes each value, with its fate. */
export const EXOTIC: { readonly [name: string]: readonly [Fate, () => unknown] } = {
  "an error with fields": ["arrives", () => withFields(new TypeError("m"))],
  "an error with an array": ["arrives", () => Object.assign(new Error("m"), { array: ARRAY })],
  "an error with a cause": [
    "arrives",
    () => new RangeError("m", { cause: withFields(new Error()) }),
  ],
  "an error of errors": ["arrives", () => new AggregateError([withFields(new Error("x")), 1], "m")],
  "an error of Deno's": ["arrives", () => withFields(new Deno.errors.NotFound("m"))],
  "an exception of the platform": ["arrives", () => new DOMException("m", "DataError")],
  "errors in a Map and a Set": [
    "arrives",
    () => [new Map([[withFields(new Error("k")), new Set([withFields(new Error("v"))])]])],
  ],
  "an error beside an array": [
    "arrives",
    () => ({ array: ARRAY, error: withFields(new Error("m")) }),
  ],
  "an error that has itself": [
    "arrives",
    () => {
      const error: Error & { self?: unknown } = new Error("m");
      return Object.assign(error, { self: error });
    },
  ],
  "a URL": [
    "arrives",
    () => ({ url: new URL("http://a.b/c?d#e"), query: new URLSearchParams("a=1") }),
  ],
  "moments": [
    "arrives",
    () => [Temporal.Instant.fromEpochMilliseconds(1), Temporal.Duration.from({ minutes: 90 })],
  ],
  "a resizable buffer": ["arrives", () => new ArrayBuffer(8, { maxByteLength: 16 })],
  "numbers in objects": ["arrives", () => [Object(1), Object("a"), Object(2n), new Date(NaN), -0]],
  "a Buffer of Node's": ["arrives", () => new Uint8Array(Buffer.from("abc"))],
  "a Blob": ["thread", () => new Blob(["text"], { type: "text/plain" })],
  "a File": ["thread", () => ({ file: new File(["text"], "name.txt") })],
  "a Blob as a key": ["thread", () => new Map([[new Blob([]), 1]])],
  "a Blob in an error": ["thread", () => Object.assign(new Error("m"), { blob: new Blob(["x"]) })],
  "a key of Node's": ["thread", () => createSecretKey(Buffer.from("0123456789abcdef"))],
  "a compiled module": ["thread", () => WASM],
  "a Blob with a field": ["refused", () => Object.assign(new Blob(["x"]), { own: 1 })],
  "an instance of a class of headers": ["refused", () => new OwnHeaders({ a: "b" })],
  "a ReadableStream": ["refused", () => new ReadableStream()],
  "a WritableStream": ["refused", () => ({ stream: new WritableStream() })],
  "a TransformStream": ["refused", () => [new TransformStream()]],
  "a compression": ["refused", () => new CompressionStream("gzip")],
  "headers": ["refused", () => new Set([new Headers({ a: "b" })])],
  "a request": ["refused", () => new Request("http://a.b/")],
  "a response": ["refused", () => ({ response: new Response("x") })],
  "a form": ["refused", () => new FormData()],
  "a picture": ["refused", () => new ImageData(2, 2)],
  "a matrix": ["refused", () => new DOMMatrix()],
  "a pattern": ["refused", () => new URLPattern("http://a.b/*")],
  "a signal": ["refused", () => [AbortSignal.abort()]],
  "an event": ["refused", () => new CustomEvent("x", { detail: 1 })],
  "a port": ["refused", () => new BroadcastChannel("exotic")],
  "a number format": ["refused", () => new Intl.NumberFormat("en")],
  "a database": ["refused", () => new DatabaseSync(":memory:")],
  "wasm memory": ["refused", () => new WebAssembly.Memory({ initial: 1 })],
  "a weak reference": ["refused", () => new WeakRef({})],
  "a function": ["refused", () => ({ callback: () => 1 })],
  "a symbol": ["refused", () => [Symbol("s")]],
  "a generator": ["refused", () => (function* () {})()],
  "a proxy in an object": ["refused", () => ({ proxy: new Proxy(new Map(), {}) })],
};

/** Makes a value. */
export function makeExotic(name: string): unknown {
  const value = EXOTIC[name]?.[1]();
  // It would keep the program alive.
  if (value instanceof BroadcastChannel) value.close();
  return value;
}

/** Says all that a value consists of, stacks left out. */
export function describeExotic(value: unknown): string {
  const seen = new Map<object, number>();
  const describe = (part: unknown): string => {
    if (typeof part !== "object" || part === null) {
      return Object.is(part, -0) ? "-0" : `${typeof part} ${String(part)}`;
    }
    const known = seen.get(part);
    if (known !== undefined) return `#${known}`;
    seen.set(part, seen.size);
    const name = part.constructor?.name ?? "no class";
    if (ArrayBuffer.isView(part)) return `${name} ${new Uint8Array(part.buffer).join()}`;
    if (part instanceof Map || part instanceof Set) return `${name} ${describe([...part])}`;
    const tag = Object.prototype.toString.call(part);
    if (tag.startsWith("[object Temporal.")) return `${tag} ${String(part)}`;
    if (part instanceof Date || part instanceof Number || part instanceof String) {
      return `${name} ${Number(part)} ${String(part)}`;
    }
    if (part instanceof URL || part instanceof URLSearchParams) return `${name} ${part}`;
    if (part instanceof Blob) return `${name} ${part.size} ${part.type}`;
    if (part instanceof ArrayBuffer) return `${name} ${part.byteLength}`;
    const hidden = part instanceof Error ? ["name", "message", "cause", "errors"] : [];
    const keys = [...new Set([...hidden, ...Object.keys(part)])];
    const fields = keys.map((key) => `${key}: ${describe(Reflect.get(part, key))}`);
    return `${name} { ${fields.toSorted().join(", ")} }`;
  };
  return describe(value);
}

/** Gives a value; `_again` makes it another call. */
export const give = task(import.meta, (name: string, _again: string): unknown => makeExotic(name), {
  name: "give",
});

/** Says what it was given. */
export const look = task(
  import.meta,
  (value: unknown, _again: string): string => describeExotic(value),
  { name: "look" },
);

/** Calls its caller with a value, and says what it was answered. */
export const ask = task(
  import.meta,
  async (call: (value: unknown) => unknown, name: string): Promise<string> =>
    describeExotic(await call(makeExotic(name))),
  { name: "ask" },
);

/** Throws an error that has a value. */
export const fail = task(import.meta, (name: string): never => {
  throw Object.assign(new RangeError("failed"), { value: makeExotic(name) });
}, { name: "fail" });

/** The same of one argument alone. */
export const lookAt = task(import.meta, describeExotic, { name: "lookAt" });

/** The same without another argument. */
export const giveIt = task(import.meta, makeExotic, { name: "giveIt" });
