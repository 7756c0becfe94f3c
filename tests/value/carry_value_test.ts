// Contract: what structured clone would lose or refuse travels whole, or is refused by its path.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { UnclonableError } from "../../src/base/errors.ts";
import { Future } from "../../src/task/future.ts";
import { fromCarried, toCarried } from "../../src/value/carry_value.ts";
import { digestArgument, digestValue } from "../../src/value/digest/digest_value.ts";
import { holdsSpecial } from "../../src/value/holds_special.ts";
import { graph } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

const OPTIONS = { root: "value", fails: (path: string) => `Cannot send ${path}` };

const send = (value: unknown) => fromCarried(structuredClone(toCarried(value, OPTIONS)));

function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  buffer.transfer();
  return buffer;
}

/** A proxy that throws whatever it is asked. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An object that is nested so deeply. */
function nest(levels: number): object {
  let value: object = {};
  for (let level = 1; level < levels; level++) value = { inner: value };
  return value;
}

Deno.test("fromCarried() gives back what toCarried() was given, to the last detail", () => {
  fc.assert(
    fc.property(graph, (value) => {
      const back = send(value);
      assert(sameValue(value, back), Deno.inspect(value));
      assertEquals(digestValue(back), digestValue(value));
    }),
    { numRuns: 300 },
  );
});

Deno.test("URLs and parameters of queries arrive as themselves, and digests are as before", () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }))),
      fc.webUrl({ withFragments: true, withQueryParameters: true }),
      (pairs, text) => {
        const value = { at: [new URL(text)], query: new URLSearchParams(pairs) };
        const back = send(value) as typeof value;
        assertEquals(back.at[0]?.href, value.at[0]?.href);
        assertEquals([...back.query], [...value.query]);
        assertEquals(digestArgument(back), digestArgument(value));
        assertEquals(digestValue(back), digestValue(value));
      },
    ),
  );
  const url = new URL("http://a.b/?c=1");
  const [one, other] = send([url, url]) as URL[];
  assert(one === other && one instanceof URL);
});

Deno.test("errors arrive with class, fields, cause and errors, and digests are as before", () => {
  class OwnError extends TypeError {
    readonly status = 404;
  }
  const inner = Object.assign(new RangeError("inner"), { code: 7 });
  const errors = [
    Object.assign(new Error("outer", { cause: inner }), { where: new URL("http://a.b/") }),
    new AggregateError([inner, "text"], "several"),
    new Deno.errors.NotFound("gone"),
    new DOMException("odd", "DataError"),
    new OwnError("own"),
  ];
  const back = send({ list: errors }) as { list: Error[] };
  const [outer, aggregate, gone, odd, own] = back.list;
  assertInstanceOf(outer?.cause, RangeError);
  assertEquals(Reflect.get(outer.cause, "code"), 7);
  assertInstanceOf(Reflect.get(outer, "where"), URL);
  assertInstanceOf(aggregate, AggregateError);
  assert(aggregate.errors[0] === outer.cause);
  assertInstanceOf(gone, Deno.errors.NotFound);
  assertEquals(gone.name, "NotFound");
  assertInstanceOf(odd, DOMException);
  assertEquals([odd.name, odd.code], ["DataError", 0]);
  assertInstanceOf(own, TypeError);
  assertEquals([own.name, Reflect.get(own, "status")], ["OwnError", 404]);
  assertEquals(digestArgument(back), digestArgument({ list: errors }));
  const [real] = send([caught(() => Deno.readFileSync("/no/such/file"))]) as Error[];
  assertInstanceOf(real, Deno.errors.NotFound);
  assertEquals(Reflect.get(real, "code"), "ENOENT");
});

function caught(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    return error;
  }
}

Deno.test("what an error holds and nobody can clone arrives as its text", () => {
  const cause = () => 1;
  const error = Object.assign(new Error("x", { cause }), {
    request: { symbol: Symbol("s"), headers: new Headers(), signal: AbortSignal.abort() },
    gone: detached(),
  });
  const [back] = send([error]) as Error[];
  assertInstanceOf(back, Error);
  assertEquals(back.cause, String(cause));
  assertEquals(Reflect.get(back, "gone"), "[object ArrayBuffer]");
  assertEquals(Reflect.get(back, "request"), {
    symbol: "Symbol(s)",
    headers: "[object Headers]",
    signal: "[object AbortSignal]",
  });
});

Deno.test("arrays beside what is special share what they shared", () => {
  const numbers = new Float64Array([1, 2, 3, 4]);
  const shared = new SharedArrayBuffer(8);
  const value = { url: new URL("a:b"), numbers, part: numbers.subarray(1, 3), shared };
  const back = send(value) as typeof value;
  assertEquals(back.numbers, numbers);
  assertEquals([...back.part], [2, 3]);
  assert(back.part.buffer === back.numbers.buffer);
  new Uint8Array(back.shared)[0] = 9;
  assertEquals(new Uint8Array(shared)[0], 9);
});

Deno.test("instances become what structured clone makes of them, and URLs in them stay URLs", () => {
  class Job {
    constructor(readonly url: URL) {}
  }
  class Table extends Map<string, URL> {}
  const url = new URL("http://a.b/");
  const back = send({ job: new Job(url), table: new Table([["k", url]]) });
  assertEquals(back, { job: { url }, table: new Map([["k", url]]) });
});

Deno.test("what cannot travel is refused by its path, never as an empty object", () => {
  const cases: [value: unknown, path: string, reason: string][] = [
    [[new Headers()], "value[0]", "an instance of Headers arrives as an empty object; pass [...h"],
    [{ r: new Response("x") }, "value.r", "an instance of Response arrives as an empty object"],
    [new Map([["k", new Request("http://a.b")]]), 'value.get("k")', "an instance of Request"],
    [new Set([new FormData()]), "value.values()[0]", "an instance of FormData arrives as an empty"],
    [{ a: { s: AbortSignal.abort() } }, "value.a.s", "an instance of AbortSignal arrives as"],
    [{ s: new ReadableStream() }, "value.s", "an instance of ReadableStream cannot be cloned"],
    [[new TextEncoder()], "value[0]", "an instance of TextEncoder arrives as an empty object"],
    [[new EventTarget()], "value[0]", "an instance of EventTarget arrives as an empty object"],
    [{ n: new Intl.NumberFormat("en") }, "value.n", "an instance of NumberFormat cannot be"],
    [
      { t: Object.create(Temporal.Instant.prototype) },
      "value.t",
      "an instance of Instant arrives as",
    ],
    [{ w: new WeakRef({}) }, "value.w", "an instance of WeakRef cannot be cloned"],
    [{ p: Promise.resolve() }, "value.p", "an instance of Promise cannot be cloned"],
    [{ f: new Future("f", () => 1) }, "value.f", "an instance of Future cannot be cloned"],
    [{ g: (function* () {})() }, "value.g", "cannot be cloned"],
    [{ i: [1].values() }, "value.i", "cannot be cloned"],
    [{ l: [() => 1] }, "value.l[0]", "a function cannot be cloned"],
    [{ s: Symbol("s") }, "value.s", "a symbol cannot be cloned"],
    [[new (class Link extends URL {})("a:b")], "value[0]", "an instance of Link arrives as an"],
    [{ r: revoked() }, "value.r", "a proxy cannot be cloned; pass a copy"],
    [{ m: new Proxy(new Map(), {}) }, "value.m", "a proxy cannot be cloned; pass a copy"],
    [{ f: () => 1, o: new Proxy({ a: 1 }, {}) }, "value.f", "a function cannot be cloned"],
    [[nest(20_000)], "value[0]", "it is nested too deeply; pass it flattened"],
    [nest(20_000), "value", "it is nested too deeply; pass it flattened"],
  ];
  for (const [value, path, reason] of cases) {
    assert(holdsSpecial([value]), path);
    const error = assertThrows(() => toCarried(value, OPTIONS), UnclonableError);
    assertEquals(error.path, path);
    assertEquals(error.message.slice(0, `Cannot send ${path}: `.length), `Cannot send ${path}: `);
    assert(error.message.includes(reason), error.message);
  }
});

Deno.test("what is deep, but not too deep, travels", () => {
  let levels = 0;
  for (let at: unknown = send(nest(9_000)); at !== undefined; levels++) {
    at = Reflect.get(Object(at), "inner");
  }
  assertEquals(levels, 9_000);
});

Deno.test("holdsSpecial() takes what structured clone carries whole for what it is", () => {
  class Point {
    x = 1;
  }
  const circle: unknown[] = [];
  circle.push({ circle });
  const plain = [
    1,
    "text",
    null,
    undefined,
    1n,
    { a: [1, { b: 2 }], n: null },
    new Map([[{ k: 1 }, new Set([1])]]),
    new Date(),
    /x/,
    new Float64Array(3),
    new SharedArrayBuffer(1),
    Object(1),
    new Point(),
    circle,
    nest(300),
    Array.from({ length: 1000 }, (_, i) => ({ i, list: [i] })),
  ];
  for (const value of plain) assert(!holdsSpecial([value]), Deno.inspect(value));
  assert(!holdsSpecial(plain));
  const match = Object.assign(["a"], { groups: { url: new URL("a:b") } });
  const many = Array.from({ length: 1000 }, (_, i): unknown => ({ i }));
  many.push(new URL("a:b"));
  const getter = {
    get a(): number {
      throw new Error("do not read");
    },
  };
  const special = [
    new Error("x"),
    new URL("a:b"),
    match,
    many,
    { d: new Point(), e: [match] },
    getter,
    Object.create(null),
    { groups: Object.groupBy([1], () => "all") },
  ];
  for (const value of special) assert(holdsSpecial([1, value]), Deno.inspect(value));
});

Deno.test("a blob travels between threads, and is refused where it came from another process", () => {
  const carried = toCarried({ blob: new Blob(["text"]) }, OPTIONS);
  const back = fromCarried(structuredClone(carried)) as { blob: Blob };
  assertInstanceOf(back.blob, Blob);
  assertEquals(back.blob.size, 4);
  const hidden = toCarried([Object.assign(new Error("x"), { blob: new Blob([]) })], OPTIONS);
  assertEquals(hidden.threadOnly?.path, "value[0].blob");
  // What the serializer of processes makes of one.
  const lost = { ...carried, beside: [{}] };
  const error = assertThrows(() => fromCarried(lost), UnclonableError);
  assertEquals(error.path, "value.blob");
  assert(error.message.includes("an instance of Blob cannot go to another process"), error.message);
});
