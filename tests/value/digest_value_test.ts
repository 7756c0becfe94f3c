// Contract: what digests tell apart, what they do not, and what has none.
import { assertEquals, assertInstanceOf, assertNotEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { IndigestibleError } from "../../src/base/errors.ts";
import { DigestReference, digestSymbol } from "../../src/value/symbols.ts";
import { DIGEST_SCHEME, digestArgument, digestValue } from "../../src/value/digest/digest_value.ts";
import { acyclic, array, graph, key, primitive } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

const both = [digestValue, digestArgument];

/** Values of which no two are the same, in either sense. */
function distinctValues(): unknown[] {
  const holes: unknown[] = [1];
  holes.length = 3;
  const cycle: unknown[] = [];
  cycle.push(cycle);
  return [
    undefined,
    null,
    true,
    false,
    0,
    -0,
    1,
    NaN,
    Infinity,
    -Infinity,
    1n,
    -1n,
    0n,
    "",
    "1",
    "true",
    "null",
    "\ud800",
    "\ufffd",
    "\udc00",
    new Boolean(true),
    new Number(1),
    new String("1"),
    Object(1n),
    new Date(0),
    new Date(1),
    new Date(NaN),
    /a/,
    /a/g,
    /b/g,
    [],
    [undefined],
    [null],
    [1, undefined, undefined],
    holes,
    [[]],
    [1, [2]],
    [[1], 2],
    Object.assign([], { a: 1 }),
    {},
    { a: undefined },
    { a: 1 },
    { b: 1 },
    { 0: 1 },
    { ["__proto__"]: 1 },
    cycle,
    [cycle],
    new Map(),
    new Map([[1, 2]]),
    new Map([[2, 1]]),
    new Map([["a", 1]]),
    new Set(),
    new Set([1]),
    new Set([1, 2]),
    new Uint8Array(8),
    new Uint8ClampedArray(8),
    new Int8Array(8),
    new Int16Array(4),
    new Uint16Array(4),
    new Float16Array(4),
    new Int32Array(2),
    new Uint32Array(2),
    new Float32Array(2),
    new Float64Array(1),
    new BigInt64Array(1),
    new BigUint64Array(1),
    new ArrayBuffer(8),
    new SharedArrayBuffer(8),
    new DataView(new ArrayBuffer(8)),
    new Uint8Array(9),
    new Float64Array([-0]),
    new Error("x"),
    new TypeError("x"),
    new Error("y"),
    new Error(),
    new Error("x", { cause: undefined }),
    new Error("x", { cause: 1 }),
    Object.assign(new Error("x"), { code: 1 }),
    new AggregateError([], "x"),
    new AggregateError([1], "x"),
    new DOMException("x", "AbortError"),
    new DOMException("x", "DataError"),
    new (class MyError extends Error {})("x"),
    new (class MyTypeError extends TypeError {})("x"),
    new Float64Array(600),
    new Float64Array(601),
    new Float32Array(1200),
    [new Float64Array(600)],
  ];
}

// fleche 50
Deno.test("digestValue() and digestArgument() tell different values apart", () => {
  for (const digest of both) {
    const seen = new Map<string, unknown>();
    for (const value of distinctValues()) {
      const found = digest(value);
      if (seen.has(found)) {
        throw new Error(`${Deno.inspect(value)} ~ ${Deno.inspect(seen.get(found))}`);
      }
      seen.set(found, value);
    }
  }
});

Deno.test("digestValue() hashes the documented bytes", () => {
  const number = (value: number) => [36, ...new Uint8Array(new Float64Array([value]).buffer)];
  const sha = (bytes: number[]) =>
    createHash("sha256").update(Uint8Array.from(bytes)).digest("hex");
  assertEquals(digestValue(3), sha([DIGEST_SCHEME, ...number(3)]));
  const object = [DIGEST_SCHEME, 40, 2, 38, 1, 98, ...number(1), 38, 1, 97, 33];
  assertEquals(digestValue({ b: 1, a: null }), sha(object));
  const sorted = [DIGEST_SCHEME, 40, 2, 38, 1, 97, 33, 38, 1, 98, ...number(1)];
  assertEquals(digestArgument({ b: 1, a: null }), sha(sorted));
  assertEquals(digestValue("\ud800"), sha([DIGEST_SCHEME, 39, 1, 0, 0xd8]));
  const holes: unknown[] = [];
  holes.length = 300;
  assertEquals(digestValue(holes), sha([DIGEST_SCHEME, 42, 0xac, 2, 0, 43, 0xac, 2]));
  const shared = {};
  assertEquals(digestValue([shared, shared]), sha([DIGEST_SCHEME, 42, 2, 0, 40, 0, 52, 1]));
  const bytes = new Uint8Array(4096);
  const whole = sha([DIGEST_SCHEME, 17, 0x80, 0x20, ...bytes]);
  assertEquals(digestValue(bytes), whole);
  assertEquals(
    digestValue([bytes]),
    sha([DIGEST_SCHEME, 42, 1, 0, 51, ...Buffer.from(whole, "hex")]),
  );
});

Deno.test("digestValue() is the same exactly for the same values", () => {
  fc.assert(
    fc.property(graph, graph, (one, other) => {
      assertEquals(digestValue(one) === digestValue(other), sameValue(one, other));
    }),
    { numRuns: 500 },
  );
  // Of so few things that many pairs are the same.
  const { small } = fc.letrec((tie) => ({
    small: fc.oneof(
      { maxDepth: 2, withCrossShrink: true },
      fc.constantFrom<unknown>(1, "a", undefined),
      fc.array(tie("small"), { maxLength: 2 }),
      fc.dictionary(fc.constantFrom("a", "b"), tie("small"), { maxKeys: 2 }),
      fc.array(tie("small"), { maxLength: 2 }).map((items) => new Set(items)),
    ),
  }));
  fc.assert(
    fc.property(small, small, (one, other) => {
      assertEquals(digestValue(one) === digestValue(other), sameValue(one, other));
    }),
    { numRuns: 3000 },
  );
  fc.assert(fc.property(primitive, primitive, (one, other) => {
    assertEquals(digestValue(one) === digestValue(other), Object.is(one, other));
  }));
});

Deno.test("digests of values that are built alike are the same", () => {
  fc.assert(
    fc.property(fc.clone(graph, 2), ([one, other]) => {
      for (const digest of both) assertEquals(digest(one), digest(other));
    }),
    { numRuns: 300 },
  );
});

Deno.test("digestValue() counts the order of keys and entries", () => {
  assertNotEquals(digestValue({ a: 1, b: 2 }), digestValue({ b: 2, a: 1 }));
  assertNotEquals(digestValue(new Set([1, 2])), digestValue(new Set([2, 1])));
  const one = new Map([[1, 1], [2, 2]]);
  assertNotEquals(digestValue(one), digestValue(new Map([[2, 2], [1, 1]])));
});

// fleche 50
Deno.test("digestArgument() leaves out the order of keys and entries, at any depth", () => {
  const entries = fc.uniqueArray(fc.tuple(key, acyclic), { selector: ([k]) => k, maxLength: 6 });
  fc.assert(
    fc.property(entries, (list) => {
      const back = list.toReversed();
      const object = (items: typeof list) => {
        const made = {};
        for (const [name, value] of items) {
          Object.defineProperty(made, name, { value, enumerable: true });
        }
        return made;
      };
      assertEquals(digestArgument(object(list)), digestArgument(object(back)));
      assertEquals(digestArgument([new Map(list)]), digestArgument([new Map(back)]));
      const values = list.map(([, value]) => [value]);
      assertEquals(
        digestArgument({ s: new Set(values) }),
        digestArgument({ s: new Set(values.toReversed()) }),
      );
    }),
    { numRuns: 200 },
  );
});

Deno.test("digestArgument() keeps the order of arrays", () => {
  assertNotEquals(digestArgument([1, 2]), digestArgument([2, 1]));
  assertNotEquals(digestArgument(new Set([[1, 2]])), digestArgument(new Set([[2, 1]])));
});

Deno.test("digestArgument() does not depend on sharing, digestValue() does", () => {
  const part = { a: [1] };
  const shared = [part, part];
  const copies = [{ a: [1] }, { a: [1] }];
  assertEquals(digestArgument(shared), digestArgument(copies));
  assertNotEquals(digestValue(shared), digestValue(copies));
  const large = new Float64Array(1000);
  assertEquals(digestArgument([large, large]), digestArgument([large, large.slice()]));
});

Deno.test("digestArgument() leaves out stacks and missing prototypes, digestValue() does not", () => {
  const [one, other] = [new Error("x"), new Error("x")];
  other.stack = "elsewhere";
  assertEquals(digestArgument(one), digestArgument(other));
  assertNotEquals(digestValue(one), digestValue(other));
  const bare: unknown = Object.assign(Object.create(null), { a: 1 });
  assertEquals(digestArgument(bare), digestArgument({ a: 1 }));
  assertNotEquals(digestValue(bare), digestValue({ a: 1 }));
});

Deno.test("digests of cycles end, and depend on where they lead", () => {
  const ring = (length: number) => {
    const nodes: { next?: unknown }[] = Array.from({ length }, () => ({}));
    nodes.forEach((node, i) => node.next = nodes[(i + 1) % length]);
    return nodes[0];
  };
  for (const digest of both) {
    assertEquals(digest(ring(3)), digest(ring(3)));
    assertNotEquals(digest(ring(3)), digest(ring(2)));
  }
  const map = new Map<unknown, unknown>();
  map.set(map, new Set([map]));
  assertEquals(digestArgument(map), digestArgument(structuredClone(map)));
});

Deno.test("digests count the bytes of an array, whatever backs it", () => {
  const plain = Float64Array.of(1, 2, 3);
  const inside = new Float64Array(new Float64Array([9, 1, 2, 3, 9]).buffer, 8, 3);
  const shared = new Float64Array(new SharedArrayBuffer(24));
  shared.set(plain);
  const resizable = new Float64Array(new ArrayBuffer(24, { maxByteLength: 48 }));
  resizable.set(plain);
  for (const digest of both) {
    for (const same of [inside, shared, resizable]) assertEquals(digest(same), digest(plain));
    assertEquals(digest(Buffer.from("hi")), digest(new Uint8Array([104, 105])));
  }
  const large = new Uint8Array(new SharedArrayBuffer(10_000));
  assertEquals(digestValue([large]), digestValue([new Uint8Array(10_000)]));
});

// fleche 50, 53
Deno.test("digests of tables count names, types, order, shape and each number of their columns", () => {
  for (const length of [3, 600]) {
    const table = (change: (columns: Record<string, unknown>) => void = () => {}) => {
      const columns = { x: new Float64Array(length).fill(1), y: new Float64Array(length) };
      change(columns);
      return columns;
    };
    const last = new Float64Array(length).fill(1);
    last[length - 1] = 1.5;
    const others = [
      table((columns) => columns.x = last),
      table((columns) => columns.y = last),
      table((columns) => columns.x = new Float32Array(length).fill(1)),
      table((columns) => [columns.x, columns.y] = [columns.y, columns.x]),
      table((columns) => delete columns.y),
      table((columns) => columns.z = new Float64Array(length)),
      table((columns) => columns.x = { data: columns.x, shape: [length] }),
      table((columns) => columns.x = { data: columns.x, shape: [1, length] }),
      table((columns) => columns.x = { data: columns.x, shape: [length, 1] }),
      Object.entries(table()),
    ];
    for (const digest of both) {
      assertEquals(digest(table()), digest(table()));
      assertEquals(new Set([table(), ...others].map((one) => digest(one))).size, 11);
    }
    const { x, y } = table();
    assertEquals(digestArgument({ y, x }), digestArgument(table()));
  }
});

// fleche 51
Deno.test("digests of NaN are one, whatever its bits", () => {
  const odd = new Float64Array(new BigUint64Array([0xfff8_0000_dead_beefn]).buffer);
  assertEquals(digestValue(odd[0]), digestValue(NaN));
  assertEquals(digestArgument([odd[0]]), digestArgument([NaN]));
});

Deno.test("digests ignore symbol keys, lastIndex, and own properties that are not cloned", () => {
  const regexp = /a/g;
  regexp.lastIndex = 3;
  assertEquals(digestValue(regexp), digestValue(/a/g));
  assertEquals(digestValue({ a: 1, [Symbol("s")]: 2 }), digestValue({ a: 1 }));
  assertEquals(digestValue(Object.assign(new Date(0), { a: 1 })), digestValue(new Date(0)));
  assertEquals(digestValue(Object.defineProperty({}, "a", { value: 1 })), digestValue({}));
  assertEquals(
    digestValue({
      get a() {
        return 1;
      },
    }),
    digestValue({ a: 1 }),
  );
});

Deno.test("digests tell long texts apart at their ends", () => {
  for (const length of [48, 49, 4096, 70_000, 300_000]) {
    for (const unit of ["a", "é", "😀", "\ud800"]) {
      const long = unit.repeat(length);
      assertEquals(digestValue(long), digestValue(long.slice(0, 1) + long.slice(1)));
      assertNotEquals(digestValue(long + "a"), digestValue(long + "b"));
      assertNotEquals(digestValue(["a" + long]), digestValue(["b" + long]));
    }
  }
});

Deno.test("digests of huge sparse arrays take no time", () => {
  const sparse: unknown[] = [];
  sparse[4_000_000_000] = 1;
  const other: unknown[] = [];
  other[3_999_999_999] = 1;
  other.length = sparse.length;
  assertNotEquals(digestValue(sparse), digestValue(other));
});

// fleche 49
Deno.test("a large array may be replaced by its digest", () => {
  const replace = (value: unknown, done: Map<unknown, unknown>): unknown => {
    if (done.has(value)) return done.get(value);
    if (isLarge(value)) {
      done.set(value, new DigestReference(digestValue(value)));
      return done.get(value);
    }
    if (Array.isArray(value)) {
      const copy: unknown[] = [];
      done.set(value, copy);
      for (const item of value) copy.push(replace(item, done));
      return copy;
    }
    if (typeof value !== "object" || value === null || value.constructor !== Object) return value;
    const copy = {};
    done.set(value, copy);
    for (const [k, v] of Object.entries(value)) Object.assign(copy, { [k]: replace(v, done) });
    return copy;
  };
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 3 },
      array,
      primitive,
      fc.array(tie("tree"), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 3 }), tie("tree"), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
    ),
  }));
  fc.assert(
    fc.property(tree, (value) => {
      for (const digest of both) assertEquals(digest(replace(value, new Map())), digest(value));
    }),
    { numRuns: 300 },
  );
  const large = new Float64Array(1000);
  const both_ = [large, large];
  assertEquals(digestValue(replace(both_, new Map())), digestValue(both_));
});

function isLarge(value: unknown): boolean {
  const sized = ArrayBuffer.isView(value) || value instanceof ArrayBuffer ||
    value instanceof SharedArrayBuffer;
  return sized && value.byteLength >= 4096;
}

Deno.test("DigestReference takes digests in full only", () => {
  assertThrows(() => new DigestReference("abcd"), SyntaxError, 'Cannot refer to "abcd"');
});

// fleche 11, 50, 51
Deno.test("[digestSymbol]() beats whatever else the object is", () => {
  class Solver extends Map<string, unknown> {
    constructor(readonly name: string, readonly callback: () => void) {
      super();
    }
    [digestSymbol]() {
      return { name: this.name };
    }
  }
  class Other extends Solver {}
  const task = Object.assign(() => {}, { [digestSymbol]: () => "address" });
  for (const digest of both) {
    const solver = digest(new Solver("a", () => {}));
    assertEquals(solver, digest(new Solver("a", () => {})));
    assertNotEquals(solver, digest(new Solver("b", () => {})));
    assertNotEquals(solver, digest(new Other("a", () => {})));
    assertNotEquals(solver, digest({ name: "a" }));
    assertEquals(
      digest([task]),
      digest([Object.assign(() => 1, { [digestSymbol]: () => "address" })]),
    );
  }
});

// fleche 51
Deno.test("[digestSymbol]() beats the content of text, numbers, lists, dates and bytes", () => {
  const named = (name: string, ...contents: readonly object[]) =>
    contents.map((content) => Object.assign(content, { [digestSymbol]: () => name }));
  const pairs = [
    ["abc", "xyz"].map((text) => new String(text)),
    [1, 2].map((number) => new Number(number)),
    [[1], [2, 3]],
    [new Date(1), new Date(2)],
    [Uint8Array.of(1), Uint8Array.of(2, 3)],
    [new Set([1]), new Set([2])],
    [new Error("a"), new Error("b")],
  ];
  for (const digest of both) {
    for (const pair of pairs) {
      assertEquals(new Set(pair.map((content) => digest(content))).size, 2);
      const [one, other] = named("same", ...pair).map((content) => digest([content]));
      assertEquals(one, other);
      const [another] = named("another", ...pair).map((content) => digest([content]));
      assertNotEquals(one, another);
      for (const content of pair) Reflect.deleteProperty(content, digestSymbol);
    }
  }
});

/** What its method gives is for the test to say. */
class Said {
  constructor(readonly say: (self: Said) => unknown) {}
  [digestSymbol](): unknown {
    return this.say(this);
  }
}

Deno.test("[digestSymbol]() must not return the instance, one that holds it, or nothing", () => {
  const first = new Said(() => [second]);
  const second: Said = new Said(() => new Map([[1, first]]));
  const getter = Object.create({
    get [digestSymbol]() {
      return () => ({ list: [getter] });
    },
  });
  const holder: { said: Said } = { said: new Said(() => ({ holder })) };
  const refused: readonly (readonly [unknown, string, string])[] = [
    [new Said((self) => self), "value[digestSymbol]()", "made of itself"],
    [new Said((self) => ({ a: [self] })), "value[digestSymbol]().a[0]", "made of itself"],
    [new Said((self) => new Set([self])), "value[digestSymbol]().values()[0]", "made of itself"],
    [new Said((self) => new Error("a", { cause: self })), "value[digestSymbol]().cause", "itself"],
    [{ x: first }, "value.x[digestSymbol]()[0][digestSymbol]().get(1)", "made of itself"],
    [getter, "value[digestSymbol]().list[0]", "made of itself"],
    [holder.said, "value[digestSymbol]().holder.said", "made of itself"],
    [[1, new Said(() => undefined)], "value[1][digestSymbol]()", "gives nothing"],
  ];
  for (const digest of both) {
    for (const [value, path, reason] of refused) {
      const error = assertThrows(() => digest(value), IndigestibleError, reason);
      assertEquals(error.path, path);
    }
  }
});

Deno.test("[digestSymbol]() may return null, other instances, and what holds itself", () => {
  const circle = (n: number) => {
    const list: unknown[] = [n];
    list.push(list);
    return list;
  };
  const shared = new Said(() => 1);
  const chain = (n: number): Said => new Said(() => n === 0 ? "end" : chain(n - 1));
  const forms = [null, 0, circle(1), circle(2), shared, [shared, shared], chain(2000), chain(2001)];
  for (const digest of both) {
    const digests = forms.map((form) => digest([new Said(() => form), shared]));
    assertEquals(new Set(digests).size, forms.length);
    assertEquals(digest(new Said(() => circle(1))), digest(new Said(() => circle(1))));
  }
});

Deno.test("[digestSymbol]() that returns ever new instances comes to an end", () => {
  class Endless {
    [digestSymbol](): unknown {
      return new Endless();
    }
  }
  const twice = (): Said => new Said(() => [twice(), twice()]);
  for (const digest of both) {
    assertThrows(() => digest({ b: twice(), a: Symbol() }), IndigestibleError, "Cannot digest");
    assertThrows(() => digest(new Endless()), IndigestibleError, "nested too deeply");
    const hidden = { endless: new Endless(), a: () => 1 };
    assertThrows(() => digest(hidden), IndigestibleError, "Cannot digest value");
  }
});

Deno.test("[digestSymbol]() may digest something itself", () => {
  class Nested {
    [digestSymbol](): unknown {
      return digestValue({ inner: "x".repeat(100) });
    }
  }
  const value = { before: "y".repeat(100), nested: new Nested(), after: 1 };
  assertEquals(digestValue(value), digestValue(value));
  assertNotEquals(digestValue(value), digestValue({ ...value, before: "" }));
});

Deno.test("an indigestible value is named by its path", () => {
  class Point {
    x = 1;
  }
  const bare = function () {};
  const cases: [value: unknown, path: string, reason: string][] = [
    [bare, "args[0]", "a function has no digest"],
    [{ solver: { callback: bare } }, "args[0].solver.callback", "a function has no digest"],
    [{ "odd key": [1, 2, , bare] }, 'args[0]["odd key"][3]', "a function has no digest"],
    [new Map([["k", { f: bare }]]), 'args[0].get("k").f', "a function has no digest"],
    [new Map([[1, bare]]), "args[0].get(1)", "a function has no digest"],
    [new Map([[bare, 1]]), "args[0].keys()[0]", "a function has no digest"],
    [new Map([[{}, bare]]), "args[0].values()[0]", "a function has no digest"],
    [new Set([1, bare]), "args[0].values()[1]", "a function has no digest"],
    [new Error("x", { cause: bare }), "args[0].cause", "a function has no digest"],
    [new AggregateError([bare]), "args[0].errors[0]", "a function has no digest"],
    [Object.assign([1], { named: bare }), "args[0].named", "a function has no digest"],
    [{ [digestSymbol]: () => ({ a: bare }) }, "args[0][digestSymbol]().a", "a function has no"],
    [Symbol("s"), "args[0]", "a symbol has no digest; pass a string"],
    [Object(Symbol("s")), "args[0]", "an instance of Symbol has no digest"],
    [[new Headers()], "args[0][0]", "a Headers has no digest; pass [...headers]"],
    [{ r: new Response() }, "args[0].r", "a Response has no digest; pass what it holds"],
    [new Request("http://a.b"), "args[0]", "a Request has no digest; pass its .url"],
    [[Object.create(URL.prototype)], "args[0][0]", "an instance of URL has no digest"],
    [[new (class Link extends URL {})("http://a.b")], "args[0][0]", "an instance of Link has no"],
    [{ p: Promise.resolve() }, "args[0].p", "a promise has no digest; await it first"],
    [new WeakMap(), "args[0]", "a WeakMap has no digest"],
    [new WeakRef({}), "args[0]", "a WeakRef has no digest"],
    [new Point(), "args[0]", "an instance of Point has no digest; pass plain data"],
    [new (class extends Map {})(), "args[0]", "has no digest"],
    [(function* () {})(), "args[0]", "has no digest"],
    [Object.create(Map.prototype), "args[0]", "an instance of Map has no digest"],
    [Object.create(Temporal.Instant.prototype), "args[0]", "an instance of Instant has no digest"],
    [new Proxy(bare, {}), "args[0]", "a function has no digest"],
    [new Proxy(new Map(), {}), "args[0]", "a proxy has no digest; pass a copy"],
    [[new Proxy(new Set(), {})], "args[0][0]", "a proxy has no digest; pass a copy"],
    [{ at: new Proxy(new Date(0), {}) }, "args[0].at", "a proxy has no digest; pass a copy"],
    [{ r: revoked() }, "args[0].r", "a proxy has no digest; pass a copy"],
    [revoked(), "args[0]", "a proxy has no digest; pass a copy"],
    [new Proxy([1], {}), "args[0]", "a proxy has no digest; pass a copy"],
    [{ inside: new Proxy({ a: 1 }, {}) }, "args[0].inside", "a proxy has no digest; pass a copy"],
    [new Proxy(new Error("x"), {}), "args[0]", "a proxy has no digest; pass a copy"],
    [[new Proxy(new URL("http://a.b"), {})], "args[0][0]", "a proxy has no digest; pass a copy"],
    [new Proxy(new URLSearchParams(), {}), "args[0]", "a proxy has no digest; pass a copy"],
    [detached(), "args[0]", "a detached buffer has no digest"],
    [[1, outOfBounds()], "args[0][1]", "a view that is out of the bounds"],
    [outOfBoundsView(), "args[0]", "a view that is out of the bounds of its buffer has no digest"],
  ];
  for (const digest of both) {
    for (const [value, path, reason] of cases) {
      const error = assertThrows(() => digest(value, { root: "args[0]" }), IndigestibleError);
      assertEquals(error.path, path);
      assertEquals(error.message.startsWith(`Cannot digest ${path}: `), true, error.message);
      assertEquals(error.message.includes(reason), true, error.message);
    }
  }
});

/** A proxy that throws whatever it is asked. */
function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

/** An array that its buffer has become too short for. */
function outOfBounds(): Uint8Array {
  const buffer = new ArrayBuffer(16, { maxByteLength: 16 });
  const array = new Uint8Array(buffer, 8, 8);
  buffer.resize(4);
  return array;
}

/** The same, of the kind that does not even say how long it is. */
function outOfBoundsView(): DataView {
  const buffer = new ArrayBuffer(16, { maxByteLength: 16 });
  const view = new DataView(buffer, 8, 8);
  buffer.resize(4);
  return view;
}

function detached(): ArrayBuffer {
  const buffer = new ArrayBuffer(8);
  buffer.transfer();
  return buffer;
}

Deno.test("digests take 2,000 levels and refuse 100,000", () => {
  const nest = (levels: number) => {
    let value: unknown = 1;
    for (let i = 0; i < levels; i++) value = i % 2 === 0 ? [value] : { value };
    return value;
  };
  for (const digest of both) {
    assertEquals(digest(nest(2000)), digest(nest(2000)));
    const error = assertThrows(() => digest(nest(100_000)), IndigestibleError);
    assertEquals(error.message, "Cannot digest value: it is nested too deeply; pass it flattened");
  }
});

Deno.test("digestArgument() gives up on what is shared too often, digestValue() does not", () => {
  let value: unknown = "x".repeat(1 << 20);
  for (let i = 0; i < 60; i++) value = [value, value];
  const error = assertThrows(() => digestArgument(value), IndigestibleError);
  assertInstanceOf(error.cause, Error);
  assertEquals(error.path, "value");
  assertEquals(digestValue(value), digestValue(structuredClone(value)));
});

Deno.test("digests do not hide what a getter throws", () => {
  const value = {
    get a(): unknown {
      throw new RangeError("mine");
    },
  };
  for (const digest of both) assertThrows(() => digest(value), RangeError, "mine");
});
