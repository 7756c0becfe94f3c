// Contract: what is thrown in one isolate arrives in another as what it was.
import { assert, assertEquals, assertInstanceOf, assertThrows, fail } from "@std/assert";
import * as fc from "fast-check";
import {
  DependencyError,
  IndigestibleError,
  QuiverError,
  WorkerDiedError,
} from "../../src/base/errors.ts";
import { fromThrown, toThrown } from "../../src/value/codec/thrown_value.ts";
import { graph } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

const send = (thrown: unknown) => toThrown(structuredClone(fromThrown(thrown)));

Deno.test("toThrown() gives built-in errors back with class, message and stack", () => {
  for (const Class of [Error, EvalError, RangeError, SyntaxError, TypeError, URIError]) {
    const error = new Class("boom");
    const back = send(error);
    assertInstanceOf(back, Class);
    assertEquals([back.name, back.message, back.stack], [error.name, "boom", error.stack]);
    assertEquals(Object.getPrototypeOf(back), Class.prototype);
  }
});

Deno.test("toThrown() gives an unknown subclass back as its base, with its name and fields", () => {
  class HttpError extends TypeError {
    override name = "HttpError";
    constructor(message: string, readonly status: number, options?: ErrorOptions) {
      super(message, options);
    }
  }
  class Unnamed extends Error {}
  const back = send(new HttpError("x", 404, { cause: new Unnamed("y") }));
  assertInstanceOf(back, TypeError);
  assertEquals([back.name, Reflect.get(back, "status")], ["HttpError", 404]);
  assertInstanceOf(back.cause, Error);
  assertEquals(back.cause.name, "Unnamed");
  assertEquals(String(back), "HttpError: x");
});

Deno.test("toThrown() gives Quiver's own errors back as what they are", () => {
  const death = { reason: "killed", exitCode: 9 };
  const back = send(
    new WorkerDiedError("x", death, { cause: new IndigestibleError("y", "a.b") }),
  );
  assertInstanceOf(back, WorkerDiedError);
  assertInstanceOf(back, QuiverError);
  assertEquals([back.name, back.reason, back.exitCode], ["WorkerDiedError", "killed", 9]);
  assertInstanceOf(back.cause, IndigestibleError);
  assertEquals(back.cause.path, "a.b");
  const dependency = send(new DependencyError("x", ["a", "b"]));
  assertInstanceOf(dependency, DependencyError);
  assertEquals(dependency.chain, ["a", "b"]);
});

Deno.test("toThrown() gives errors inside errors back, and cycles", () => {
  const error: Error & { self?: unknown; list?: unknown } = new Error("x");
  error.cause = error;
  error.self = { error };
  error.list = new Map([["k", new RangeError("in a Map")]]);
  const back = send(error);
  assertInstanceOf(back, Error);
  assert(back.cause === back);
  const list = Reflect.get(back, "list");
  assert(list instanceof Map && list.get("k") instanceof RangeError);
  const aggregate = send(new AggregateError([new TypeError("a"), "b"], "all"));
  assertInstanceOf(aggregate, AggregateError);
  assertInstanceOf(aggregate.errors[0], TypeError);
  assertEquals(aggregate.errors[1], "b");
  const suppressed = send(new SuppressedError(new Error("a"), new TypeError("b")));
  assertInstanceOf(suppressed, SuppressedError);
  assertInstanceOf(suppressed.suppressed, TypeError);
});

Deno.test("toThrown() gives a DOMException back", () => {
  const back = send(AbortSignal.abort().reason);
  assertInstanceOf(back, DOMException);
  assertEquals([back.name, back.code], ["AbortError", DOMException.ABORT_ERR]);
});

Deno.test("toThrown() gives back what is no error", () => {
  for (const thrown of [undefined, null, "text", "\ud800", 5, -0, 1n, true]) {
    assert(Object.is(send(thrown), thrown));
  }
  assertEquals(send({ code: 1, list: [1] }), { code: 1, list: [1] });
  fc.assert(
    fc.property(graph, (value) => {
      assert(sameValue(value, send(value)), Deno.inspect(value));
    }),
    { numRuns: 300 },
  );
});

Deno.test("fromThrown() puts a text in the place of what cannot be cloned", () => {
  class Request {
    constructor(readonly url: URL, readonly retry: () => void) {}
  }
  const error = Object.assign(new Error("x"), {
    symbol: Symbol("s"),
    request: new Request(new URL("http://a.b/c"), function retry() {}),
    promise: Promise.resolve(),
    proxy: new Proxy({}, { ownKeys: () => fail() }),
  });
  const back = send(error);
  assertInstanceOf(back, Error);
  assertEquals(Reflect.get(back, "symbol"), "Symbol(s)");
  assertEquals(Reflect.get(back, "promise"), "[object Promise]");
  assertEquals(Reflect.get(back, "proxy"), "[object Object]");
  assertEquals(Reflect.get(back, "request"), {
    url: new URL("http://a.b/c"),
    retry: "function retry() {}",
  });
  assertEquals(send(Symbol("s")), "Symbol(s)");
  assertEquals(send(new WeakMap()), "[object WeakMap]");
});

Deno.test("fromThrown() never throws", () => {
  const throwing = () => {
    throw new TypeError("no");
  };
  const error = Object.defineProperty(new Error("x"), "field", {
    get: throwing,
    enumerable: true,
  });
  const back = send(error);
  assertInstanceOf(back, Error);
  assertEquals(Reflect.get(back, "field"), "[getter threw: TypeError: no]");
  const traps = { getPrototypeOf: throwing, ownKeys: throwing, get: throwing };
  assertEquals(typeof send(new Proxy({}, traps)), "string");
  assertInstanceOf(send(Object.defineProperty([1], 0, { get: throwing })), Error);
  const buffer = new ArrayBuffer(8);
  buffer.transfer();
  assert(send(Object.assign(new Error("x"), { buffer })) instanceof Error);
  let deep: Error = new Error("x");
  for (let i = 0; i < 20_000; i++) deep = new Error("x", { cause: deep });
  assertInstanceOf(send(deep), Error);
});

Deno.test("fromThrown() does not send the buffer behind a view", () => {
  const view = new Uint8Array(new ArrayBuffer(1_000_000), 5, 3);
  const back = send(Object.assign(new Error("x"), { view }));
  const arrived: unknown = Reflect.get(Object(back), "view");
  assertInstanceOf(arrived, Uint8Array);
  assertEquals([arrived.length, arrived.buffer.byteLength], [3, 3]);
});

Deno.test("toThrown() rejects what fromThrown() did not make", () => {
  for (const data of [undefined, {}, [1], [1, [0], ["part", new Uint8Array(32)]]]) {
    assertThrows(() => toThrown(data), SyntaxError);
  }
});
