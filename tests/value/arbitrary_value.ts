import * as fc from "fast-check";
import { registerClass } from "@quiver/quiver/caches";

/** Texts: lone surrogates, byte order marks, NUL, long ones. */
export const text: fc.Arbitrary<string> = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "\ud800", "\ufffd", "\udc00\ud800", "\ufeff", "\ufeff".repeat(80), "a\0b"),
  fc.constantFrom("x".repeat(47), "x".repeat(48), "x".repeat(49), "é".repeat(300), "😀".repeat(70)),
);

/** Keys of objects: odd ones often. */
export const key: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.string({ maxLength: 4 }) },
  fc.constantFrom("a", "b", "10", "2", "__proto__", "constructor", "length", "\ud800", "toString"),
);

/** Primitives of every kind. */
export const primitive: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom(undefined, null, true, false, 0, -0, NaN, Infinity, -Infinity, 1n, -1n, 0n),
  fc.constantFrom(2 ** 31, 2 ** 32, -(2 ** 31) - 1, -(2 ** 32) - 1, 2 ** 53, 1e21, 5e-324),
  fc.double(),
  fc.integer(),
  fc.maxSafeInteger(),
  fc.bigInt(),
  text,
);

const CLASSES = [
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float16Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
];

/** Typed arrays, buffers and views, some of them large enough to be stored on their own. */
export const array: fc.Arbitrary<object> = fc.tuple(
  fc.uint8Array({ maxLength: 6 }),
  fc.constantFrom(8, 8, 8, 8, 4096, 5000),
  fc.nat({ max: CLASSES.length + 2 }),
).map(([seed, length, index]) => {
  const bytes = new Uint8Array(Math.floor(length / 8) * 8);
  bytes.set(seed);
  const Class = CLASSES[index];
  if (Class !== undefined) return new Class(bytes.buffer);
  if (index === CLASSES.length) return new DataView(bytes.buffer);
  return index === CLASSES.length + 1 ? bytes.buffer : toShared(bytes);
});

function toShared(bytes: Uint8Array): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes.length);
  new Uint8Array(shared).set(bytes);
  return shared;
}

/** Objects with nothing inside. */
export const leaf: fc.Arbitrary<object> = fc.oneof(
  array,
  fc.date({ noInvalidDate: false }),
  fc.constantFrom("g", "iu", "v", "").map((flags) => new RegExp("a.b", flags)),
  fc.oneof(fc.double(), fc.boolean(), fc.string(), fc.bigInt()).map((value) => Object(value)),
  fc.webUrl({ withQueryParameters: true, withFragments: true }).map((text) => new URL(text)),
  fc.array(fc.tuple(text, text), { maxLength: 3 }).map((pairs) => new URLSearchParams(pairs)),
  fc.tuple(fc.integer({ min: 0, max: 4e12 }), fc.nat({ max: 7 })).map(([at, index]) =>
    toTemporal(at)[index] ?? {}
  ),
);

/** One of each class, in calendars and zones whose standard texts leave something out. */
export function toTemporal(at: number): object[] {
  const instant = Temporal.Instant.fromEpochMilliseconds(at).add({ nanoseconds: at % 1_000_003 });
  const zoned = instant.toZonedDateTimeISO("Africa/Monrovia").subtract({ hours: 900_000 });
  const date = zoned.toPlainDate().withCalendar(at % 2 === 0 ? "hebrew" : "iso8601");
  return [
    instant,
    zoned,
    date,
    zoned.toPlainDateTime(),
    zoned.toPlainTime(),
    date.toPlainMonthDay(),
    new Temporal.PlainYearMonth(2020, 5, "iso8601", 1 + at % 31),
    Temporal.Duration.from({ days: at % 900, milliseconds: at, nanoseconds: at % 2_000 }),
  ];
}

type Fill = (item: (i: number) => unknown) => void;

/** An object, and how to fill it from the other objects and primitives at hand. */
type Shell = { readonly object: object; readonly fill: Fill };

const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError];

const shell: fc.Arbitrary<Shell> = fc.oneof(
  leaf.map((object): Shell => ({ object, fill: () => {} })),
  fc.tuple(fc.boolean(), fc.uniqueArray(key, { maxLength: 4 }), fc.nat()).map(
    ([plain, keys, seed]): Shell => {
      const object: object = plain ? {} : Object.create(null);
      return { object, fill: (item) => keys.forEach((k, i) => put(object, k, item(seed + i))) };
    },
  ),
  fc.tuple(fc.array(fc.boolean(), { maxLength: 5 }), fc.nat(), fc.boolean()).map(
    ([present, seed, named]): Shell => {
      const object: unknown[] = [];
      return {
        object,
        fill: (item) => {
          present.forEach((p, i) => p && (object[i] = item(seed + i)));
          object.length = present.length;
          if (named) put(object, "named", item(seed));
        },
      };
    },
  ),
  fc.tuple(fc.nat({ max: 4 }), fc.nat()).map(([size, seed]): Shell => {
    const object = new Map<unknown, unknown>();
    return {
      object,
      fill: (item) => {
        for (let i = 0; i < size; i++) object.set(item(seed + i), item(seed + 2 * i + 1));
      },
    };
  }),
  fc.tuple(fc.nat({ max: 4 }), fc.nat()).map(([size, seed]): Shell => {
    const object = new Set<unknown>();
    return {
      object,
      fill: (item) => {
        for (let i = 0; i < size; i++) object.add(item(seed + i));
      },
    };
  }),
  fc.tuple(fc.constantFrom(...ERRORS), text, fc.nat(), fc.boolean()).map(
    ([Class, message, seed, caused]): Shell => {
      const object = new Class(message);
      return {
        object,
        fill: (item) => {
          if (caused) Object.defineProperty(object, "cause", { value: item(seed) });
          put(object, "code", item(seed + 1));
        },
      };
    },
  ),
);

/** Of classes that are registered. */
export class Crate {
  content: unknown;
}
registerClass(Crate, {
  name: "crate",
  toData: ({ content }) => ({ content }),
  fromData: (data) => Object.assign(new Crate(), data),
});

/** One that nothing of is seen from the outside. */
export class Sealed {
  readonly #content: unknown;
  constructor(content: unknown) {
    this.#content = content;
  }
  get content(): unknown {
    return this.#content;
  }
}
registerClass(Sealed, {
  name: "sealed",
  version: "b",
  toData: ({ content }) => [content],
  fromData: ([content]) => new Sealed(content),
});

const crate: fc.Arbitrary<Shell> = fc.nat().map((seed): Shell => {
  const object = new Crate();
  return { object, fill: (item) => object.content = item(seed) };
});

const sealed: fc.Arbitrary<Shell> = primitive.map((content): Shell => {
  return { object: new Sealed(content), fill: () => {} };
});

function put(object: object, name: string, value: unknown): void {
  const descriptor = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(object, name, descriptor);
}

/** Any value that structured clone carries, shared references and cycles included. */
export const graph: fc.Arbitrary<unknown> = build((_from, count) => ({ first: 0, count }));

/** The same with instances of registered classes anywhere in it. */
export const withInstances: fc.Arbitrary<unknown> = build(
  (_from, count) => ({ first: 0, count }),
  fc.oneof(shell, crate, crate, sealed),
);

/** The same without cycles: objects only hold those that come after them. */
export const acyclic: fc.Arbitrary<unknown> = build((from, count) => ({
  first: from + 1,
  count: count - from - 1,
}));

function build(
  reach: (from: number, count: number) => { first: number; count: number },
  shells: fc.Arbitrary<Shell> = shell,
): fc.Arbitrary<unknown> {
  return fc.tuple(
    fc.array(shells, { maxLength: 7 }),
    fc.array(primitive, { minLength: 1, maxLength: 5 }),
  ).map(([shells, primitives]) => {
    shells.forEach(({ fill }, from) => {
      const { first, count } = reach(from, shells.length);
      fill((i) => {
        const at = i % (count + primitives.length);
        return at < count ? shells[first + at]?.object : primitives[at - count];
      });
    });
    return shells.length === 0 ? primitives[0] : shells[0]?.object;
  });
}
