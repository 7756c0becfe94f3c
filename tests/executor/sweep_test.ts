// contract: sweeps as values: which items they have, and what they refuse
import { assert, assertEquals, assertThrows } from "@std/assert";
import { type Axis, grid, random, range, type Sweep, zip } from "@quiver/quiver/sweeps";
import * as fc from "fast-check";

function* countUp(): Generator<number> {
  for (let n = 0;; n++) yield n;
}

Deno.test("grid() combines all values of its axes, the last one varying fastest", () => {
  const sweep = grid({ rate: [1, 2], seed: new Set(["a", "b", "c"]) });
  // The types of the fields are those of the values.
  const first: { rate: number; seed: string } | undefined = sweep.at(0);
  assertEquals(first, { rate: 1, seed: "a" });
  const all = [1, 2].flatMap((rate) => ["a", "b", "c"].map((seed) => ({ rate, seed })));
  for (let round = 0; round < 2; round++) assertEquals([...sweep], all);
  assertEquals([sweep.length, sweep.at(4), sweep.at(-1), sweep.at(6)], [
    6,
    all[4],
    all[5],
    undefined,
  ]);
  assertEquals([...sweep.axes.seed], ["a", "b", "c"]);
  assertEquals(Object.keys(grid({ ["__proto__"]: [1] }).at(0) ?? {}), ["__proto__"]);
  // A generator is gone over once, and what is changed later is not seen.
  const rates = [1];
  const once = grid({ rate: rates, n: countUp().take(2) });
  rates.push(2);
  for (let round = 0; round < 2; round++) assertEquals([...once].length, 2);
  assertEquals(grid({ a: range(1e6), b: range(1e6) }).at(-1), { a: 999_999, b: 999_999 });
});

Deno.test("grid() gives each item by its index as it gives them in turn", () => {
  fc.assert(fc.property(fc.array(fc.nat(4), { minLength: 1, maxLength: 4 }), (lengths) => {
    const axes = Object.fromEntries(lengths.map((length, i) => [`a${i}`, range(length + 1)]));
    const sweep = grid(axes);
    const items = [...sweep];
    assertEquals(items.length, lengths.reduce((product, length) => product * (length + 1), 1));
    assertEquals(new Set(items.map((item) => JSON.stringify(item))).size, items.length);
    assertEquals(items.map((_, i) => sweep.at(i)), items);
  }));
});

Deno.test("zip() takes axes together, and grid() combines sweeps", () => {
  const sizes = zip({ width: [1, 2], height: range(10, 30, 10) });
  assertEquals([...sizes], [{ width: 1, height: 10 }, { width: 2, height: 20 }]);
  const sweep = grid(sizes, { seed: range(2) }, random({ x: ["only"] }, { count: 1, seed: 1 }));
  const item: { width: number; height: number; seed: number; x: string } | undefined = sweep.at(3);
  assertEquals(item, { width: 2, height: 20, seed: 1, x: "only" });
  assertEquals(sweep.length, 4);
});

Deno.test("range() gives the numbers that are written, and never its end", () => {
  const cases: readonly (readonly [Axis<number>, readonly number[]])[] = [
    [range(0), []],
    [range(3), [0, 1, 2]],
    [range(2, 5), [2, 3, 4]],
    [range(0, 1, 0.1), [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]],
    [range(0, 0.3, 0.1), [0, 0.1, 0.2]],
    [range(1.1, 0.8, -0.1), [1.1, 1, 0.9]],
    [range(0, 1, 0.4), [0, 0.4, 0.8]],
    [range(-4.9, -4.6, 0.3), [-4.9]],
    [range(1e15, 1e15 + 1.25, 1), [1e15, 1e15 + 1]],
    [range(0, 1, 1 / 3), [0, 1 / 3, 2 / 3]],
    [range(1e-9, 4e-9, 1e-9), [1e-9, 2e-9, 3e-9]],
    [range(1, -1, -1), [1, 0]],
  ];
  for (const [made, expected] of cases) assertEquals([...made], expected);
  assertEquals(range(0, 1.1, 0.1).length, 11);
  fc.assert(
    fc.property(
      fc.integer({ min: -50, max: 50 }),
      fc.nat(300),
      fc.nat(3),
      (from, count, digits) => {
        const step = Number(`3e-${digits}`);
        const begin = Number(`${from}e-${digits}`);
        const values = [...range(begin, Number(`${from + 3 * count}e-${digits}`), step)];
        const expected = Array.from(
          { length: count },
          (_, i) => Number(`${from + 3 * i}e-${digits}`),
        );
        assertEquals(values, expected.map((value) => value + 0));
      },
    ),
  );
});

Deno.test("random() fills axes that are wider than the largest number", () => {
  const axes = {
    x: { from: -1e308, to: 1e308 },
    rate: { from: 1e-300, to: 1e300, scale: "log" },
  } as const;
  const items = [...random(axes, { count: 1000, seed: 1 })];
  for (const name of ["x", "rate"] as const) {
    const values = items.map((item) => item[name]);
    assertEquals(new Set(values).size, 1000);
    const { from, to } = axes[name];
    assert(values.every((value) => value >= from && value < to), name);
  }
  assert(Math.abs(items.filter(({ x }) => x < 0).length - 500) < 80);
  assert(Math.abs(items.filter(({ rate }) => rate < 1).length - 500) < 80);
});

Deno.test("random() gives the same items for a seed, whatever else there is", () => {
  const axes = {
    x: { from: -1, to: 1 },
    n: { from: 0, to: 10, integer: true },
    rate: { from: 1e-6, to: 1, scale: "log" },
    method: ["a", "b", "c"],
  } as const;
  const sweep = random(axes, { count: 3000, seed: 1 });
  const items = [...sweep];
  assertEquals([...random(axes, { count: 3000, seed: 1 })], items);
  assertEquals(items.map((_, i) => sweep.at(i)), items);
  // These numbers are promised: who has a cache of them finds them again.
  assertEquals(sweep.at(0), FIRST);
  const fewer = [...random({ x: axes.x }, { count: 10, seed: 1 })];
  assertEquals(fewer.map(({ x }) => x), items.slice(0, 10).map(({ x }) => x));
  assert([...random(axes, { count: 10, seed: 2 })].every(({ x }, i) => x !== items[i]?.x));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b) / values.length;
  const xs = items.map(({ x }) => x);
  assert(xs.every((x) => x >= -1 && x < 1) && Math.abs(mean(xs)) < 0.05, `${mean(xs)}`);
  const logs = items.map(({ rate }) => Math.log10(rate));
  assert(logs.every((log) => log >= -6 && log < 0) && Math.abs(mean(logs) + 3) < 0.15);
  for (let n = 0; n < 10; n++) {
    const share = items.filter((item) => item.n === n).length / items.length;
    assert(share > 0.07 && share < 0.13, `${n}: ${share}`);
  }
  // Values of one item say nothing of one another, nor of the next one's.
  const products = [
    xs.map((x, i) => x * (items[i]?.n ?? 0)),
    xs.map((x, i) => x * (xs[i + 1] ?? 0)),
  ];
  for (const [i, limit] of [0.4, 0.05].entries()) assert(Math.abs(mean(products[i] ?? [])) < limit);
});

const FIRST = { x: 0.13798102874476825, n: 0, rate: 0.0000017463352134389503, method: "a" };

Deno.test("a sweep refuses wrong axes by their names", () => {
  const cases: readonly (readonly [() => unknown, typeof RangeError | typeof TypeError, string])[] =
    [
      [() => grid({ rate: [] }), RangeError, '"rate": it is empty'],
      [() => grid({ rate: range(0) }), RangeError, '"rate": it is empty'],
      [() => grid({ seed: countUp() }), RangeError, '"seed": it has more than 1000000 values'],
      [() => zip({ a: [1], seed: countUp() }), RangeError, '"seed": it has more than'],
      [() => random({ seed: countUp() }, { count: 1, seed: 1 }), RangeError, '"seed": it has more'],
      [
        () => grid({ rate: 3 } as never),
        TypeError,
        '"rate": 3 is not iterable; put it into an array',
      ],
      [() => grid({ name: "abc" }), TypeError, '"name": it is the text "abc"'],
      [() => grid({ rate: null } as never), TypeError, '"rate": null is not iterable'],
      [() => grid({ rate: (async function* () {})() } as never), TypeError, "fromAsync"],
      [() => grid({}), TypeError, "there is no axis"],
      [() => grid(), TypeError, "there is no axis"],
      [() => grid([1, 2] as never), TypeError, "the axes are an object"],
      [() => grid(7 as never), TypeError, "the axes are an object"],
      [() => grid({ a: [1] }, { a: [2] }), RangeError, '"a": it is there twice'],
      [() => grid({ a: range(1e9), b: range(1e9) }), RangeError, "items"],
      [
        () => zip({ rate: [1, 2, 3], seed: [1] }),
        RangeError,
        '"rate" has 3 values, and "seed" 1 value',
      ],
      [() => zip({}), TypeError, "there is no axis"],
      [() => range(-3), RangeError, "from 0 to -3"],
      [() => range(5, 2), RangeError, "give a negative step"],
      [() => range(2, 5, -1), RangeError, "give a positive step"],
      [() => range(0, 1, NaN), RangeError, "its step is NaN"],
      [() => range(0, 1, 0), RangeError, "its step is 0"],
      [() => range(NaN), RangeError, "its end is NaN"],
      [() => range(Infinity), RangeError, "its end is Infinity"],
      [() => range(0, 1, 1e-300), RangeError, "more than can be counted"],
      [() => range("3" as never), TypeError, "its end is a number, not string"],
      [
        () => random({ x: { from: 1, to: 1 } }, { count: 1, seed: 1 }),
        RangeError,
        "not less than 1",
      ],
      [
        () => random({ x: { from: NaN, to: 1 } }, { count: 1, seed: 1 }),
        RangeError,
        '"x" as `from`',
      ],
      [() => random({ x: { from: 1 } } as never, { count: 1, seed: 1 }), TypeError, "{ from, to }"],
      [() => random({ x: { frm: 1 } } as never, { count: 1, seed: 1 }), TypeError, '"frm"'],
      [
        () => random({ x: { from: 0, to: 1, scale: "log" } }, { count: 1, seed: 1 }),
        RangeError,
        "more than 0",
      ],
      [
        () => random({ x: { from: 0.5, to: 3, integer: true } }, { count: 1, seed: 1 }),
        RangeError,
        "must be integers",
      ],
      [() => random({ x: [] }, { count: 1, seed: 1 }), RangeError, '"x": it is empty'],
      [() => random({ x: [1] }, { count: 0, seed: 1 }), RangeError, "`count`"],
      [() => random({ x: [1] }, { count: 1, seed: 0.5 }), RangeError, "`seed`"],
      [() => random({ x: [1] }, { count: 1 } as never), TypeError, "`seed` is missing"],
      [() => random({}, { count: 1, seed: 1 }), TypeError, "there is no axis"],
    ];
  for (const [make, Refusal, message] of cases) assertThrows(make, Refusal, message);
});

Deno.test("console.log() of a sweep makes no item", () => {
  const sweep: Sweep<{ a: number; b: number }> = grid({ a: range(1e9), b: [1] });
  assertEquals(Deno.inspect(sweep), "Sweep(1000000000) { a: 1000000000, b: 1 }");
  assertEquals(Deno.inspect(range(1e9)), "Range(1000000000) from 0 in steps of 1");
});
