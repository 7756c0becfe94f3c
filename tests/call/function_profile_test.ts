// Contract: what the source of a function tells.
import { assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import * as fc from "fast-check";
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

/** Functions of all kinds that are legal in a module, and what their first parameter is named. */
const MODULE = `
class Base { read(x) { return x; } }
const held = [];
class Kinds extends Base {
  #seen = 1;
  static #secret(a) { return new Kinds().#seen + a; }
  static secret = Kinds.#secret;
  static async *#many(a, b = 3) { yield* [a, b]; }
  static many = Kinds.#many;
  static { held.push((a) => [a, new.target]); }
  private(a) { return #seen in a; }
  over(a) { held.push((a) => super.read(a)); return super.read(a); }
  static(a) { return a; }
  async(a) { return a; }
  get(a) { return a; }
  set value(a) { this.#seen = a; }
  ["comp" + "uted"](a) { return a; }
  "a text"(a) { return a; }
  7(a) { return a; }
  *[Symbol.iterator](a) { yield a; }
}
const kinds = new Kinds();
kinds.over(1);
export default [
  ...held, Kinds.secret, Kinds.many, kinds.private, kinds.over, kinds.static, kinds.async, kinds.get,
  Object.getOwnPropertyDescriptor(Kinds.prototype, "value").set,
  kinds.computed, kinds["a text"], kinds[7], kinds[Symbol.iterator],
  (a) => import.meta.url + a,
  async (a) => await import(a, { with: { type: "json" } }),
  function (a) { return new.target ?? a; },
  (a) => { class Inner { #x = a; static { a; } accessor = 1; get; static; async = this.#x; } return Inner; },
  (a) => a.match(/[\\p{L}--[a-z]]/v) ?? a.match(/(?i:x)(?<y>a)|(?<y>b)/),
  (a) => /\\p{Script=Garay}/u.test(a),
  (a) => { using b = a; },
  async (a) => { await using b = a; for await (using c of a); },
  (a) => { while (a --> 0); return "<!-- a -->"; },
  (a) => String.raw\`\\u{\${a}\`,
  async function* (a) { for await (const b of a) yield* b; },
  (a) => { label: for (;;) { if (a) break label; continue label; } },
  (a) => a?.b?.[0]?.(1n) ?? 0b1_0,
];
`;

Deno.test("readFunctionProfile() reads whatever is legal in a function of a module", async () => {
  const { default: fns } = await import(`data:text/javascript,${encodeURIComponent(MODULE)}`);
  const codes = new Set<string>();
  for (const fn of fns) {
    const { parameters, code } = await readFunctionProfile(fn);
    assertEquals(parameters[0], { name: "a" }, String(fn));
    codes.add(code);
  }
  assertEquals(codes.size, fns.length);
});

Deno.test("readFunctionProfile() reads what is legal in scripts only", async () => {
  const sources = [
    "function (a) { with (a) { return b } }",
    "function (a, a) { return 010 }",
    "(a) => { await: for (var yield; ; ) var let }",
    "(a) => { a <!-- it's\n}",
    "(a <!-- , b\n) => a",
  ];
  for (const source of sources) {
    // deno-lint-ignore no-eval
    const fn = (0, eval)(`(${source})`);
    assertEquals((await readFunctionProfile(fn)).parameters[0], { name: "a" }, source);
  }
});

Deno.test("readFunctionProfile() reads the source, whatever the function says of itself", async () => {
  const honest = (a: number) => a + 1;
  const lying = Object.assign((a: number) => a + 2, { toString: () => String(honest) });
  assertNotEquals(
    (await readFunctionProfile(lying as never)).code,
    (await readFunctionProfile(honest as never)).code,
  );
});

Deno.test("readFunctionProfile() counts line breaks where they have a meaning", async () => {
  const pairs = [
    ["return\na", "return a"],
    ["return /*\n*/ a", "return /* */ a"],
    ["a\n++b", "a++\nb"],
    ["a\n--\nb", "a--\nb"],
    ["if (a) return\n[a][0]()", "if (a) return[a][0]()"],
    ["x: for (;;) { continue\nx }", "x: for (;;) { continue x }"],
    ["x: for (;;) { break\nx }", "x: for (;;) { break x }"],
    ["return class { async\nx() {} }", "return class { async x() {} }"],
    ["var async; async\nfunction f() {}", "var async; async function f() {}"],
    ["var using, b; { using\nb = a }", "var using, b; { using b = a }"],
  ];
  for (const [one = "", other = ""] of pairs) {
    const digests = await Promise.all([one, other].map((body) => digest(`(a, b) => { ${body} }`)));
    assertNotEquals(digests[0], digests[1], one);
  }
  const yields = ["yield\na", "yield a"].map((body) => digest(`function* (a) { ${body} }`));
  assertNotEquals(...(await Promise.all(yields) as [string, string]));
});

Deno.test("readFunctionProfile() takes a line break for the semicolon that it stands for", async () => {
  const statements = fc.constantFrom(
    "let x = a",
    "b = a + b",
    "a++",
    "if (a) b(); else a()",
    "for (;;) break",
    "do { a() } while (b)",
    "throw a",
    "return [a, { b }]",
    "const f = async (a) => await a",
    "label: for (const c of a) continue label",
  );
  const ends = fc.constantFrom(";", ";\n", "\n", " ;  ", " // \n", "\r\n", "/*\n*/", "\u2028");
  const line = fc.tuple(statements, ends, ends);
  await fc.assert(
    fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 6 }), async (lines) => {
      // Names are new in each block, so that any statements may follow one another.
      const write = (end: 1 | 2) => {
        const statements = lines.map((line) => {
          // A semicolon behind it is a choice, and stays as it is chosen.
          return line[0].startsWith("do") ? `${line[0]}\n` : `${line[0]}${line[end]}`;
        });
        return digest(`(a, b) => { ${statements.map((one) => `{ ${one} 0 }`).join(" ")} }`);
      };
      assertEquals(await write(1), await write(2));
    }),
    { numRuns: 100 },
  );
});

Deno.test("readFunctionProfile() does not count how the lines of a text end", async () => {
  assertEquals(await digest("() => `a\r\nb`"), await digest("() => `a\nb`"));
  assertNotEquals(await digest("() => `a\n\nb`"), await digest("() => `a\nb`"));
});

Deno.test("readFunctionProfile() says what it cannot read, and guesses nothing", async () => {
  const refused = (fn: unknown) =>
    assertRejects(() => readFunctionProfile(fn as never), TypeError, "in a function of your own");
  await refused(
    class {
      #secret(a: number) {
        return a;
      }
      read = this.#secret;
    },
  );
  await refused(new Proxy((a: number) => a, {}));
  await refused(Function);
});
