import { task } from "@quiver/quiver";
import { registerError } from "@quiver/quiver/workers";

/** A class that the other side knows, too. */
export class KnownError extends RangeError {
  override name = "KnownError";
  constructor(readonly step: number) {
    super(`in step ${step}`);
  }
}
registerError(KnownError);

/** A class that only its own module knows. */
export class OwnError extends TypeError {
  readonly status = 404;
}

/** Gives back what it is given. */
export const echo = task(import.meta, (value: unknown): unknown => value, { name: "echo" });

/** Gives back all that it is given. */
export const echoAll = task(import.meta, (...values: unknown[]): unknown => values, {
  name: "echoAll",
});

/** Says what it is given, as only the other side can see it. */
export const look = task(import.meta, (value: unknown): string => Deno.inspect(value), {
  name: "look",
});

/** Runs a function on a value. */
export const applyTask = task(
  import.meta,
  async (fn: (value: unknown) => unknown, value: unknown): Promise<unknown> => await fn(value),
  { name: "applyTask" },
);

const MAKERS: { readonly [name: string]: () => unknown } = {
  bare: () => [Object.groupBy([1, 2, 3], (n) => n % 2 ? "odd" : "even")],
  url: () => ({ at: [new URL("http://a.b/c?d=1#e")], query: new URLSearchParams("x=1&x=2") }),
  headers: () => ({ list: [new Headers({ a: "b" })] }),
  response: () => new Map([["r", new Response("x")]]),
  request: () => new Set([new Request("http://a.b")]),
  formData: () => ({ form: new FormData() }),
  signal: () => [AbortSignal.abort()],
  stream: () => ({ stream: new ReadableStream() }),
  format: () => ({ format: new Intl.NumberFormat("en") }),
  weak: () => ({ weak: new WeakRef({}) }),
  promise: () => ({ later: Promise.resolve(1) }),
  generator: () => ({ steps: (function* () {})() }),
  iterator: () => ({ values: [1].values() }),
  blob: () => ({ blob: new Blob(["text"]) }),
  errors: () => ({ list: makeErrors() }),
  proxyOfMap: () => new Proxy(new Map(), {}),
  proxyOfDate: () => ({ date: new Proxy(new Date(0), {}) }),
  proxyOfArray: () => [new Proxy([1], {})],
  proxyOfObject: () => ({ inside: new Proxy({ a: 1 }, {}) }),
  deep: () => nest(20_000),
  fairlyDeep: () => nest(5_000),
};

const held: { url?: URL } = {};

/** Keeps a URL in the worker. */
export const keep = task(import.meta, (url: URL): void => void (held.url = url), { name: "keep" });

/** Gives the URL that was kept. */
export const kept = task(import.meta, (): URL | undefined => held.url, { name: "kept" });

/** Gives what cannot be written down as an argument. */
export const make = task(import.meta, (name: string): unknown => MAKERS[name]?.(), {
  name: "make",
});

/** Errors of all sorts. */
export function makeErrors(): Error[] {
  const cause = Object.assign(new TypeError("inner"), { code: 7 });
  return [
    Object.assign(new Error("outer", { cause }), { where: new URL("http://a.b/") }),
    new AggregateError([new SyntaxError("one"), "two", cause], "several"),
    new Deno.errors.NotFound("gone"),
    new DOMException("odd", "DataError"),
    new KnownError(3),
    new OwnError("own"),
  ];
}

/** Something that is nested so deeply. */
export function nest(levels: number, bottom: object = {}): object {
  let value = bottom;
  for (let level = 1; level < levels; level++) value = { inner: value };
  return value;
}
