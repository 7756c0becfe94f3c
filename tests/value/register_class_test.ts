// Contract: what instances of registered classes are in digests, in stores and on their way.
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { digestSymbol, InstanceError, registerClass } from "@quiver/quiver/caches";
import fc from "fast-check";
import { IndigestibleError, UnclonableError } from "../../src/base/errors.ts";
import { capture } from "../../src/value/capture.ts";
import { fromCarried, toCarried } from "../../src/value/carry_value.ts";
import { makeInstances, StoredInstance } from "../../src/value/class_registry.ts";
import { decodeFound, settleBytes } from "../../src/value/codec/decode_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { fromThrown, toThrown } from "../../src/value/codec/thrown_value.ts";
import { digestArgument, digestValue } from "../../src/value/digest/digest_value.ts";
import { holdsSpecial } from "../../src/value/holds_special.ts";
import type { EncodedValue } from "../../src/value/value.ts";
import { Crate, Sealed, toTemporal, withInstances } from "./arbitrary_value.ts";
import { sameValue } from "./same_value.ts";

const OPTIONS = { root: "value", fails: (path: string) => `Cannot send ${path}` };

/** What a store makes of a value, which knows no classes. */
function store(encoded: EncodedValue) {
  const payloads = new Map([...encoded.parts, encoded].map((part) => [part.digest, part]));
  const found = decodeFound(encoded.digest, (digest) => {
    const part = payloads.get(digest);
    return part && { kind: part.kind, bytes: part.bytes.slice() };
  });
  assert(found.hit);
  return found;
}

function restore(encoded: EncodedValue): unknown {
  const { value, instances = [] } = store(encoded);
  return makeInstances(value, instances);
}

function carry(value: unknown): unknown {
  return fromCarried(structuredClone(toCarried(value, OPTIONS)));
}

Deno.test("instances anywhere in a value come back from a store, with what is shared and circles", () => {
  fc.assert(fc.property(withInstances, (value) => {
    const encoded = encodeValue(value);
    assert(sameValue(restore(encoded), value));
    // Who knows no classes copies it without a difference.
    const again = encodeValue(store(encoded).value);
    assertEquals([again.digest, again.bytes], [encoded.digest, encoded.bytes]);
    assertEquals(digestArgument(store(encoded).value), digestArgument(value));
  }));
});

Deno.test("instances anywhere in a value arrive at a worker, and are copied when a call is made", () => {
  const large = (buffer: object) => buffer;
  fc.assert(fc.property(withInstances, (value) => {
    assert(sameValue(carry(value), value));
    const [copy] = capture([value], { large, bare: true }).values;
    assert(sameValue(copy, value));
    assertEquals(digestValue(copy), digestValue(value));
  }));
});

Deno.test("all that Temporal has is a value, down to the last detail", () => {
  for (const value of [...toTemporal(1), ...toTemporal(1e12 + 2)]) {
    assert(holdsSpecial([value]));
    for (const copy of [restore(encodeValue([value])), carry([value])]) {
      assert(sameValue(copy, [value]), String(value));
    }
    assertStrictEquals(capture([value], { large: (buffer) => buffer }).values[0], value);
  }
  const all = new Set([...toTemporal(1), ...toTemporal(2)].map((value) => digestValue(value)));
  assertEquals(all.size, 16);
});

Deno.test("an instance counts by the name and version of its class, and by its data", () => {
  class One {
    constructor(readonly n: number) {}
  }
  class Other extends One {}
  registerClass(One, { name: "one", toData: ({ n }) => n, fromData: (n) => new One(n) });
  registerClass(Other, { name: "other", toData: ({ n }) => n, fromData: (n) => new Other(n) });
  const stands = (version: string | number) => new StoredInstance({ name: "one", version }, 1);
  const values = [new One(1), new One(2), new Other(1), stands(2), stands("1"), 1, { n: 1 }];
  for (const digest of [digestValue, digestArgument]) {
    assertEquals(new Set(values.map((value) => digest(value))).size, values.length);
    assertEquals(digest(new One(1)), digest(stands(1)));
  }
});

Deno.test("with [digestSymbol]() an instance counts by that in keys, and is stored by its data", () => {
  class Grid {
    constructor(readonly size: number, readonly note: string) {}
    [digestSymbol]() {
      return this.size;
    }
  }
  registerClass(Grid, {
    name: "grid with a digest",
    toData: ({ size, note }) => ({ size, note }),
    fromData: ({ size, note }) => new Grid(size, note),
  });
  const [one, other] = [new Grid(1, "a"), new Grid(1, "b")];
  assertEquals(digestArgument([one]), digestArgument([other]));
  assertNotEquals(digestValue([one]), digestValue([other]));
  assertEquals(restore(encodeValue([one])), [one]);
  const [copy] = capture([one], { large: (buffer) => buffer }).values;
  assertEquals(copy, one);
  assert(copy !== one);
});

Deno.test("instances of arrays, buffers and Maps are what their class says", () => {
  class Row extends Float64Array {}
  class List extends Array<number> {}
  class Table extends Map<string, number> {
    unit = "m";
  }
  registerClass(Row, {
    toData: (row) => Float64Array.from(row),
    fromData: (data) => new Row(data),
  });
  registerClass(List, { toData: (list) => [...list], fromData: (data) => List.from(data) as List });
  registerClass(Table, {
    toData: (table) => ({ unit: table.unit, entries: [...table] }),
    fromData: ({ unit, entries }) => Object.assign(new Table(entries), { unit }),
  });
  const table = Object.assign(new Table([["a", 1]]), { unit: "km" });
  const value = { row: new Row([1, 2]), list: List.from([3, 4]), table, large: new Row(1000) };
  assert(holdsSpecial([value.row]) && holdsSpecial([value.list]) && holdsSpecial([[table]]));
  const encoded = encodeValue(value);
  assertEquals(encoded.parts.map(({ bytes }) => bytes.length), [8000]);
  for (const copy of [restore(encoded), carry(value), settleBytes(value)]) {
    assert(typeof copy === "object" && copy !== null);
    assertEquals(copy, value);
    assertEquals(Object.values(copy).map((one) => one.constructor), [Row, List, Table, Row]);
  }
});

Deno.test("a class of the platform that has no form of its own may be given one", () => {
  registerClass(Headers, {
    toData: (headers) => [...headers],
    fromData: (list) => new Headers(list),
  });
  const headers = new Headers([["accept", "text/html"], ["set-cookie", "a"], ["set-cookie", "b"]]);
  for (const copy of [restore(encodeValue({ headers })), carry({ headers })]) {
    assertEquals(copy, { headers });
    assertEquals([...(copy as { headers: Headers }).headers], [...headers]);
  }
});

Deno.test("long chains of instances need no stack", () => {
  let chain: unknown;
  for (let i = 0; i < 4000; i++) chain = Object.assign(new Crate(), { content: chain });
  const depth = (value: unknown) => {
    let count = 0;
    for (let at = value; at instanceof Crate; at = at.content) count++;
    return count;
  };
  const [copy] = capture([chain], { large: (buffer) => buffer }).values;
  assertEquals([copy, restore(encodeValue(chain)), carry(chain)].map(depth), [4000, 4000, 4000]);
});

Deno.test("registerClass() refuses what would make instances of the wrong class", () => {
  const functions = { toData: () => 1, fromData: () => new Named() };
  class Named {}
  registerClass(Named, { ...functions, name: "named" });
  // The module may be evaluated again with the same class.
  registerClass(Named, { ...functions, name: "named" });
  const cases: [register: () => void, message: string][] = [
    [
      () => registerClass(class {}, { ...functions, name: "named" }),
      'Cannot register "named": another class has that name; give it another one with the option',
    ],
    [
      () => registerClass(Named, { ...functions, name: "renamed" }),
      'Cannot register "renamed": it is registered as "named" (version 1) already',
    ],
    [
      () => registerClass(Named, { ...functions, name: "named", version: 2 }),
      'Cannot register "named": it is registered as "named" (version 1) already',
    ],
    [() => registerClass(class {}, { ...functions, name: "" }), "it has no name; give it one"],
    [() => registerClass(RangeError, { ...functions } as never), "`registerError()` makes known"],
    [() => registerClass(Map, { ...functions } as never), "its instances are values by themselves"],
    [() => registerClass(URL, { ...functions } as never), "its instances are values by themselves"],
    [() => registerClass(Promise, { ...functions } as never), "are values by themselves"],
    [() => registerClass({} as never, { ...functions, name: "x" }), "it is no class"],
    [() => registerClass((() => {}) as never, { ...functions, name: "x" }), "it is no class"],
    [() => registerClass(class A {}, { toData: () => 1 } as never), "`toData` and `fromData` are"],
    [() => registerClass(class A {}, undefined as never), "the options are undefined"],
    [() => registerClass(class A {}, { ...functions, name: "Array" }), "another class has that"],
    [
      () => registerClass(class A {}, { ...functions, version: NaN } as never),
      'Cannot register "A": the option `version` is a text or a finite number',
    ],
    [() => registerClass(class A {}, { ...functions, reads: 1 } as never), "`reads` is an array"],
    [() => registerClass(class A {}, { ...functions, fromdata: 1 } as never), '"fromdata"'],
  ];
  for (const [register, message] of cases) {
    const error = assertThrows(register, TypeError);
    assert(error.message.includes(message), error.message);
  }
});

Deno.test("a toData that gives nothing to go by is told by path and class", () => {
  const fails = (name: string, toData: (value: object) => unknown) => {
    class Failing {}
    registerClass(Failing, { name, toData, fromData: () => new Failing() });
    return new Failing();
  };
  const within = fails("holds a symbol", () => ({ a: [Symbol("x")] }));
  const cases: [value: object, path: string, reason: string][] = [
    [
      fails("throws", () => {
        throw new RangeError("no luck");
      }),
      "",
      'cannot take an instance of "throws" apart: its `toData` threw RangeError: no luck',
    ],
    [fails("itself", (value) => value), "", "its `toData` gives the instance itself"],
    [fails("nothing", () => undefined), "", "its `toData` gives nothing; return data"],
    [within, ".toData().a[0]", "a symbol"],
    [fails("waits", () => Promise.resolve(1)), ".toData()", "romise"],
    [fails("calls", () => () => 1), ".toData()", "a function"],
  ];
  for (const [value, inside, reason] of cases) {
    const path = `value.deep[0]${inside}`;
    for (const fail of [digestValue, digestArgument, encodeValue]) {
      const error = assertThrows(() => fail({ deep: [value] }), IndigestibleError);
      assertEquals(error.path, path);
      assert(error.message.includes(reason), error.message);
    }
    const error = assertThrows(() => toCarried({ deep: [value] }, OPTIONS), UnclonableError);
    assertEquals(error.path, path);
    assert(error.message.includes(reason), error.message);
  }
  const { cause } = assertThrows(() => digestValue(cases[0]?.[0]), IndigestibleError);
  assertInstanceOf(cause, RangeError);
  // An error that was thrown is not hidden by what it has.
  const thrown = toThrown(fromThrown(Object.assign(new TypeError("why"), { of: cases[0]?.[0] })));
  assertInstanceOf(thrown, TypeError);
  assertEquals(thrown.message, "why");
});

Deno.test("what does not come back as what it is is not stored", () => {
  class Forgetful {
    a = 1;
    b = 2;
  }
  registerClass(Forgetful, {
    name: "forgetful",
    toData: ({ a, b }) => ({ a, b }),
    fromData: ({ a }) => Object.assign(new Forgetful(), { a }),
  });
  class Imposter {}
  registerClass(Imposter, { toData: () => null, fromData: () => ({}) });
  class Fragile {}
  registerClass(Fragile, {
    toData: () => null,
    fromData: () => {
      throw new RangeError("not today");
    },
  });
  assertEquals(restore(encodeValue([new Forgetful()])), [new Forgetful()]);
  const cases: [value: object, reason: string][] = [
    [Object.assign(new Forgetful(), { b: 3 }), "does not give the same data by `toData`"],
    [new Imposter(), "its `fromData` gave an instance of Object, and not of that class"],
    [new Fragile(), "its `fromData` threw RangeError: not today"],
  ];
  for (const [value, reason] of cases) {
    const error = assertThrows(() => encodeValue({ deep: [[], value] }), IndigestibleError);
    assertEquals(error.path, "value.deep[1]");
    assert(error.message.includes(reason), error.message);
  }
});

Deno.test("an instance in a circle is one, unless it has what is no property", () => {
  const ring = new Crate();
  ring.content = { ring, twice: [ring] };
  const copy = carry(ring);
  assert(sameValue(copy, ring));
  const holder: unknown[] = [];
  holder.push(new Sealed(holder));
  assert(sameValue(restore(encodeValue(holder)), holder));
  class Knot {
    #content: unknown[] = [];
    static tied(): Knot {
      const knot = new Knot();
      knot.#content.push(knot);
      return knot;
    }
    static get options() {
      return {
        name: "knot",
        toData: (knot: Knot) => ({ content: knot.#content }),
        fromData: ({ content }: { content: unknown[] }) => {
          const knot = new Knot();
          knot.#content = content;
          return knot;
        },
      };
    }
  }
  registerClass(Knot, Knot.options);
  const reason = "leads back to itself: not all that it has are properties; leave out of `toData`";
  for (
    const attempt of [
      () => encodeValue([Knot.tied()]),
      () => carry([Knot.tied()]),
      () => capture([Knot.tied()], { large: (buffer) => buffer }),
    ]
  ) {
    const error = assertThrows(attempt);
    assert(error instanceof Error && error.message.includes(reason), String(error));
  }
});

Deno.test("only instances of the very class are meant", () => {
  class Derived extends Crate {}
  const error = assertThrows(() => encodeValue([new Derived()]), IndigestibleError);
  assert(error.message.includes('only the class "crate", which it extends, is registered'));
  const swapped = Object.setPrototypeOf({ content: 1 }, Crate.prototype);
  assertEquals(restore(encodeValue(swapped)), Object.assign(new Crate(), { content: 1 }));
  assertThrows(() => digestValue(Object.setPrototypeOf({}, Sealed.prototype)), IndigestibleError);
  assertThrows(() => digestValue(Object.setPrototypeOf(new Crate(), {})), IndigestibleError);
  assertThrows(() => digestValue(new Proxy(new Crate(), {})), IndigestibleError, "a proxy");
});

Deno.test("a class may be made anew with another form: what it reads is made, the rest is told", () => {
  class Point {
    constructor(readonly at: readonly number[]) {}
  }
  registerClass(Point, {
    name: "point of version 3",
    version: 3,
    reads: [2],
    toData: ({ at }) => at,
    fromData: (data, version) => new Point(version === 2 ? Object.values(data) : data),
  });
  const stored = (version: string | number, data: unknown, name = "point of version 3") =>
    restore(encodeValue([new StoredInstance({ name, version }, data)]));
  assertEquals(stored(3, [1, 2]), [new Point([1, 2])]);
  assertEquals(stored(2, { x: 1, y: 2 }), [new Point([1, 2])]);
  const other = assertThrows(() => stored("2", {}), InstanceError);
  assertEquals([other.className, other.version, other.reason], [
    "point of version 3",
    "2",
    "version",
  ]);
  assert(other.message.includes('of its version "2": here it is registered as version 3'));
  const unknown = assertThrows(() => stored(7, {}, "nobody"), InstanceError);
  assertEquals([unknown.className, unknown.version, unknown.reason], ["nobody", 7, "unknown"]);
  assert(
    unknown.message.includes('"nobody" (version 7): no class of that name is registered here'),
  );
  assert(unknown.message.includes("import the module that calls `registerClass()`"));
});
