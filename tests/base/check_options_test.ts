// Contract: what is said of options that are misspelled, of the wrong type, or out of range.
import { assertEquals, assertThrows } from "@std/assert";
import {
  ANYTHING,
  BOOLEAN,
  checkOptions,
  COUNT,
  COUNT_OR_INFINITY,
  COUNT_OR_NONE,
  NOT_NEGATIVE,
  numeric,
  oneOf,
  TIMEOUT,
  withDefaults,
} from "../../src/base/check_options.ts";

const RULES = {
  count: COUNT,
  most: COUNT_OR_INFINITY,
  retries: COUNT_OR_NONE,
  idle: NOT_NEGATIVE,
  timeout: TIMEOUT,
  even: numeric("must be even", (value) => value % 2 === 0),
  mode: oneOf(["read", "write"]),
  strict: BOOLEAN,
  hook: ANYTHING,
};

Deno.test("checkOptions() passes what the rules allow, and what is left out", () => {
  const good = { most: Infinity, retries: 0, idle: 0.5, timeout: Infinity, even: 4, mode: "read" };
  checkOptions("test", { ...good, count: 3, strict: false, hook: Symbol("any") }, RULES);
  checkOptions("test", {}, RULES);
  checkOptions("test", { count: undefined, mode: undefined }, RULES);
});

Deno.test("checkOptions() names a misspelled option, and those that there are", () => {
  assertThrows(
    () => checkOptions("test", { cuont: 1 }, { count: COUNT, mode: ANYTHING }),
    TypeError,
    'Cannot test: "cuont" is not an option; the options are count, mode',
  );
  assertThrows(
    () => checkOptions("test", { toString: 1 }, { count: COUNT }, "no field"),
    TypeError,
    'Cannot test: "toString" is no field; the fields are count',
  );
});

Deno.test("checkOptions() says what a number must be, and what it is", () => {
  const wrong: [object, string][] = [
    [{ count: 0 }, "as `count` must be a positive integer: 0"],
    [{ most: 1.5 }, "as `most` must be a positive integer or Infinity: 1.5"],
    [{ retries: -1 }, "as `retries` must be an integer that is not negative: -1"],
    [{ idle: NaN }, "as `idle` must not be negative: NaN"],
    [{ timeout: 2 ** 31 }, "milliseconds from 0 to 2147483647: 2147483648"],
    [{ even: 3 }, "as `even` must be even: 3"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => checkOptions("test", options, RULES), RangeError, message);
  }
  const none: [object, string][] = [
    [{ count: "7" }, 'as `count` must be a positive integer: "7"'],
    [{ even: null }, "as `even` must be even: null"],
    [{ even: [] }, "as `even` must be even: an array"],
  ];
  for (const [options, message] of none) {
    assertThrows(() => checkOptions("test", options, RULES), TypeError, message);
  }
});

Deno.test("checkOptions() says what else an option is, and that of what is inherited", () => {
  const wrong: [object, string][] = [
    [{ mode: "w" }, 'Cannot test: `mode` is one of read, write, not "w"'],
    [{ mode: () => 1 }, "not a function"],
    [{ strict: "yes" }, "as `strict` must be true or false: it is string"],
    [Object.create({ strict: 1 }), "as `strict` must be true or false: it is number"],
  ];
  for (const [options, message] of wrong) {
    assertThrows(() => checkOptions("test", options, RULES), TypeError, message);
  }
});

Deno.test("checkOptions() refuses options that are no object", () => {
  for (const options of [null, 1, "name"]) {
    const check = () => checkOptions("test", options as never, RULES);
    assertThrows(check, TypeError, `the options are ${JSON.stringify(options)}, not an object`);
  }
});

Deno.test("withDefaults() takes what is undefined for left out", () => {
  assertEquals(withDefaults({ a: 1, b: 2 }, { a: undefined as never, b: 3 }), { a: 1, b: 3 });
});

Deno.test("checkOptions() refuses something else in the place of options", () => {
  class Shop {}
  const rules = { amount: COUNT };
  for (const other of [new Shop(), new Map(), [], new Date()]) {
    assertThrows(
      () => checkOptions("buy", other, rules),
      TypeError,
      `Cannot buy: the options are an object of class ${other.constructor.name}`,
    );
  }
  // Options may be of a class of the user's, and may inherit.
  class Order extends Shop {
    amount = 3;
  }
  checkOptions("buy", new Order(), rules);
  checkOptions("buy", Object.create({ amount: 3 }), rules);
  checkOptions("buy", Object.create(null), rules);
});
