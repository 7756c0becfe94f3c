// Contract: what the source of a function tells.
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { readFunctionProfile } from "../../src/call/function_profile.ts";

/** The code digest of a function with exactly this source. */
async function digest(source: string): Promise<string> {
  const { default: fn } = await import(
    `data:text/javascript,export default ${encodeURIComponent(source)}`
  );
  return (await readFunctionProfile(fn)).code;
}

Deno.test("readFunctionProfile() reads names, literal defaults and the rest parameter", async () => {
  const { parameters, rest } = await readFunctionProfile(
    function f(a: number, b = -2, c = "x", d = Math.PI, { e } = { e: 1 }, ...more: number[]) {
      return [a, b, c, d, e, more];
    } as never,
  );
  assertEquals(parameters, [
    { name: "a" },
    { name: "b", literal: { value: -2 } },
    { name: "c", literal: { value: "x" } },
    { name: "d" },
    { name: "4" },
  ]);
  assertEquals(rest, "more");
});

Deno.test("readFunctionProfile() reads arrows, async functions, methods and generators", async () => {
  const holder = {
    method(left: number) {
      return left;
    },
    async later(right: number) {
      return await right;
    },
    *many(seed: number) {
      yield seed;
    },
    ["odd name"](x: number) {
      return x;
    },
  };
  for (
    const [fn, name] of [
      [(x: number) => x, "x"],
      [async (y: number) => await y, "y"],
      [holder.method, "left"],
      [holder.later, "right"],
      [holder.many, "seed"],
      [holder["odd name"], "x"],
    ] as const
  ) assertEquals((await readFunctionProfile(fn as never)).parameters, [{ name }]);
});

Deno.test("readFunctionProfile() does not take strings or comments for parameters", async () => {
  const { parameters } = await readFunctionProfile(
    ((a = "b, c) => {", /* d, e */ f = ["g", "h"]) => [a, f]) as never,
  );
  assertEquals(parameters.map(({ name }) => name), ["a", "f"]);
});

// fleche 7
Deno.test("readFunctionProfile() counts tokens, not layout or comments", async () => {
  const code = await digest("(a) => a + 1");
  assertEquals(await digest("(a)  =>\n  /* one more */ a + 1"), code);
  assertNotEquals(await digest("(a) => a + 2"), code);
  assertNotEquals(await digest("(b) => b + 1"), code);
  assertNotEquals(await digest("(a) => a +1+ 1"), code);
});

Deno.test("readFunctionProfile() keeps tokens apart", async () => {
  assertNotEquals(await digest("() => 'a b'"), await digest("() => 'a' + 'b'"));
  assertNotEquals(await digest("() => `a ${1} b`"), await digest("() => `a  ${1} b`"));
  assertNotEquals(await digest("() => /a/g"), await digest("() => /a/i"));
});

Deno.test("readFunctionProfile() refuses functions without source", async () => {
  const bound = ((a: number) => a).bind(null);
  await assertRejects(() => readFunctionProfile(bound as never), TypeError, "bound and native");
  await assertRejects(() => readFunctionProfile(Math.max as never), TypeError, "Cannot read");
  await assertRejects(() => readFunctionProfile(class {} as never), TypeError, "Cannot read");
});
