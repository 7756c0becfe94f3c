// contract: what a change of a program's text changes of the code that a task reaches
import { assertEquals, assertNotEquals } from "@std/assert";
import { codeParts } from "../../../src/call/code/code_parts.ts";
import { parseFunction } from "../../../src/call/function_profile.ts";
import { digestOf, type Files, QUIVER, readCode, type ReadOptions, toTasks } from "./_digest.ts";

interface Case extends ReadOptions {
  readonly files: Files;
  /** Texts of files that change nothing. */
  readonly same?: readonly Files[];
  /** Texts of files that change something, each. */
  readonly other?: readonly Files[];
}

const HELPER = toTasks(`import { helper } from "./helper.ts";`);

const toMethods = (text: string) => ({
  "tasks.ts":
    `import { method, task } from "${QUIVER}"; import { Ising } from "./ising.ts"; ${text}`,
});
const ENERGY =
  `export const simulate = task(import.meta, method(Ising, "energy"), { name: "simulate" });`;
const ISING = "const j = 1; const other = 2; export class Ising {" +
  "energy(b) { return this.scale(b); } scale(b) { return b * j; } }";
/** Deeper than the stack reaches, as it is nested in itself. */
const TERMS = Array.from({ length: 3000 }, (_, n) => `x * ${n}`).join(" + ");

const CASES: Readonly<Record<string, Case>> = {
  "the method of a class": {
    fn: "function (b) { return this.scale(b); }",
    method: "energy",
    files: { ...toMethods(`const unused = 1; ${ENERGY}`), "ising.ts": ISING },
    same: [
      toMethods(`const unused = 2; ${ENERGY}`),
      { "ising.ts": ISING.replace("other = 2", "other = 3") },
    ],
    other: [
      { "ising.ts": ISING.replace("j = 1", "j = 2") },
      { "ising.ts": ISING.replace("b * j", "b + j") },
    ],
  },
  "methods of one name of two classes": {
    fn: "function (b) { return b; }",
    method: "energy",
    files: {
      ...toMethods(`const unused = 1; ${ENERGY} class Potts { energy(b) { return b; } }
        task(import.meta, method(Potts, "energy"), { name: "potts" });`),
      "ising.ts": ISING,
    },
    other: [
      toMethods(`const unused = 2; ${ENERGY} class Potts { energy(b) { return b; } }
        task(import.meta, method(Potts, "energy"), { name: "potts" });`),
    ],
  },
  "a function that is given its this": {
    fn: "function (b) { return this.size * scale(b); }",
    method: "",
    files: {
      ...toMethods(`const unused = 1; const scale = (b) => 2 * b;
        export const simulate = task(import.meta, method(FN), { name: "simulate" });`),
      "ising.ts": ISING,
    },
    same: [
      toMethods(`const unused = 2; const scale = (b) => 2 * b;
        export const simulate = task(import.meta, method(FN), { name: "simulate" });`),
      { "ising.ts": ISING.replace("j = 1", "j = 2") },
    ],
    other: [
      toMethods(`const unused = 1; const scale = (b) => 3 * b;
        export const simulate = task(import.meta, method(FN), { name: "simulate" });`),
    ],
  },
  "a function made in a factory": {
    fn: "(x) => x * factor",
    files: {
      "tasks.ts": `import { task } from "${QUIVER}"; const factor = 1; const other = 5;
        const make = (factor: number) => task(import.meta, FN, { name: "simulate" });
        export const simulate = make(7);`,
    },
    other: [{
      "tasks.ts": `import { task } from "${QUIVER}"; const factor = 1; const other = 5;
        const make = (factor: number) => task(import.meta, FN, { name: "simulate" });
        export const simulate = make(8);`,
    }, {
      "tasks.ts": `import { task } from "${QUIVER}"; const factor = 1; const other = 6;
        const make = (factor: number) => task(import.meta, FN, { name: "simulate" });
        export const simulate = make(7);`,
    }],
  },
  "a function made elsewhere, beside a task with one that is written alike": {
    fn: "(x) => helper(x)",
    files: {
      "tasks.ts": `import { task } from "${QUIVER}"; import { make } from "./make.ts";
        const helper = (x: number) => x;
        export const simulate = task(import.meta, make(), { name: "simulate" });
        export const other = task(import.meta, FN, { name: "other" });`,
      "make.ts": "const helper = (x) => x + 1; export const make = () => (x) => helper(x);",
    },
    other: [{
      "make.ts": "const helper = (x) => x + 2; export const make = () => (x) => helper(x);",
    }],
  },
  "a function of two tasks": {
    fn: "(x) => helper(x)",
    files: {
      "tasks.ts": `import { task } from "${QUIVER}"; const helper = (x: number) => x;
        const unused = 1; const fn = FN;
        export const other = task(import.meta, fn, { name: "other" });
        export const simulate = task(import.meta, fn, { name: "simulate" });`,
    },
    same: [{
      "tasks.ts": `import { task } from "${QUIVER}"; const helper = (x: number) => x;
        const unused = 2; const fn = FN;
        export const other = task(import.meta, fn, { name: "other" });
        export const simulate = task(import.meta, fn, { name: "simulate" });`,
    }],
  },
  "a function made in a factory of the main block": {
    fn: "(x) => x * factor",
    files: {
      "tasks.ts": `import { task } from "${QUIVER}";
        const make = (factor: number) => task(import.meta, FN, { name: "simulate" });
        if (import.meta.main) make(7);`,
    },
    other: [{
      "tasks.ts": `import { task } from "${QUIVER}";
        const make = (factor: number) => task(import.meta, FN, { name: "simulate" });
        if (import.meta.main) make(8);`,
    }],
  },
  "a function that is imported": {
    files: {
      "tasks.ts": `import { task } from "${QUIVER}"; import { simulate as fn } from "./fn.ts";
        const helper = (x: number) => x; export const simulate = task(import.meta, fn);`,
      "fn.ts":
        `import { helper } from "./helper.ts"; export ${"function simulate(x) { return helper(x); }"}`,
      "helper.ts": "export const helper = (x: number) => x + 1;",
    },
    other: [{ "helper.ts": "export const helper = (x: number) => x + 2;" }],
  },
  "a function that another one makes": {
    fn: "(...args) => inner(...args)",
    files: {
      "tasks.ts": `import { task } from "${QUIVER}"; import { retry } from "./retry.ts";
        import { helper } from "./helper.ts";
        export const simulate = task(import.meta, retry((x: number) => helper(x)), { name: "s" });`,
      "retry.ts":
        "export const retry = (inner: (x: number) => number) => (...args) => inner(...args);",
      "helper.ts": "export const helper = (x: number) => x + 1;",
    },
    other: [{ "helper.ts": "export const helper = (x: number) => x + 2;" }],
  },
  "default exports": {
    files: {
      "tasks.ts": toTasks(`import helper from "./helper.ts";`),
      "helper.ts": "export default (x) => x;",
    },
    same: [{ "helper.ts": "export default ( x ) =>\n x" }],
    other: [{ "helper.ts": "export default (x) => -x;" }],
  },
  "a default export with a name": {
    files: {
      "tasks.ts": toTasks(`import helper from "./helper.ts";`),
      "helper.ts": "export default function f(x) { return g(x); } const g = (x) => x; const h = 1;",
    },
    same: [{ "helper.ts": "export default function f(x) { return g(x); } const g = (x) => x;" }],
    other: [{ "helper.ts": "export default function f(x) { return g(x); } const g = (x) => -x;" }],
  },
  "a default export of a name": {
    files: {
      "tasks.ts": toTasks(`import helper from "./helper.ts";`),
      "helper.ts": "const g = (x) => x; export default g; const h = 1;",
    },
    same: [{ "helper.ts": "const h = 2; const g = (x) => x; export default g;" }],
    other: [{ "helper.ts": "const g = (x) => -x; export default g;" }],
  },
  "export { a as b } from": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": `export { inner as helper, other } from "./inner.ts";`,
      "inner.ts": "export const inner = (x) => x; export const other = 1;",
    },
    same: [{ "inner.ts": "export const inner = (x) => x; export const other = 2;" }],
    other: [
      { "inner.ts": "export const inner = (x) => -x; export const other = 1;" },
      { "helper.ts": `export { other as helper } from "./inner.ts";` },
    ],
  },
  "export * as": {
    fn: "function simulate(x) { return ns.helper(x); }",
    files: {
      "tasks.ts": toTasks(`import { ns } from "./index.ts";`),
      "index.ts": `export * as ns from "./helper.ts";`,
      "helper.ts": "export const helper = (x) => x;",
    },
    other: [{ "helper.ts": "export const helper = (x) => -x;" }],
  },
  "circular modules": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        `import { b } from "./b.ts"; export const helper = (x) => b(x); export const c = 1;`,
      "b.ts": `import { c } from "./helper.ts"; export const b = (x) => x + c;`,
    },
    other: [
      {
        "helper.ts":
          `import { b } from "./b.ts"; export const helper = (x) => b(x); export const c = 2;`,
      },
      { "b.ts": `import { c } from "./helper.ts"; export const b = (x) => x - c;` },
    ],
  },
  "modules that give on one another": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": `export * from "./b.ts"; export const x = 1;`,
      "b.ts": `export * from "./helper.ts"; export const helper = (x) => x;`,
    },
    other: [{ "b.ts": `export * from "./helper.ts"; export const helper = (x) => -x;` }],
  },
  "getters and setters": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        "const o = { get v() { return 1; }, set v(x) {} }; export const helper = () => o.v;",
    },
    other: [
      {
        "helper.ts":
          "const o = { get v() { return 2; }, set v(x) {} }; export const helper = () => o.v;",
      },
    ],
  },
  "members of a prototype": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        "class Foo {} Foo.prototype.x = () => 1; export const helper = () => new Foo().x();",
    },
    other: [
      {
        "helper.ts":
          "class Foo {} Foo.prototype.x = () => 2; export const helper = () => new Foo().x();",
      },
    ],
  },
  "labels, regular expressions and templates": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        "export const helper = (x) => { a: for (;;) { break a; } return [/a/g, `a${x}b`]; };",
    },
    other: [
      "/b/g, `a${x}b`",
      "/a/, `a${x}b`",
      "/a/g, `a${x}c`",
      "/a/g, `b${x}b`",
      "/a/g, `a${x}b`, 1",
    ].map(
      (text) => ({
        "helper.ts": `export const helper = (x) => { a: for (;;) { break a; } return [${text}]; };`,
      }),
    ),
  },
  "no line break at the end": {
    files: { "tasks.ts": HELPER, "helper.ts": "export const helper = (x) => x;\n" },
    same: [
      { "helper.ts": "export const helper = (x) => x" },
      { "helper.ts": "\uFEFFexport const helper = (x) => x // end" },
      { "helper.ts": "export const helper = (x) => x;\r\n" },
    ],
  },
  "layout": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        `export function helper(x: number) { return ['a', { x, y: 1 }, f((x) => x)] }\nconst f = (a) => a`,
    },
    same: [{
      "helper.ts": `const f = (a,) => a;
        /** Documented. */
        export function helper(x: number | string): unknown[] {
          type Local = string;
          return [
            "a",
            { x, y: 1, },
            f(x => x) as unknown satisfies unknown,
          ]; // end
        }`,
    }],
    other: [
      {
        "helper.ts":
          `export function helper(x) { return ['a', { x, y: 1 }, f((x) => -x)] }\nconst f = (a) => a`,
      },
      {
        "helper.ts":
          `export function helper(x) { return ['b', { x, y: 1 }, f((x) => x)] }\nconst f = (a) => a`,
      },
      {
        "helper.ts":
          `export function helper(x) { return ['a', { x, y: "1" }, f((x) => x)] }\nconst f = (a) => a`,
      },
    ],
  },
  "JSX, which counts as a whole with what it imports": {
    files: {
      "tasks.ts": toTasks(`import { helper } from "./helper.tsx";`),
      "helper.tsx": `import { deep } from "./deep.ts"; export const helper = () => <a>{deep}</a>;`,
      "deep.ts": "export const deep = 1;",
    },
    other: [
      {
        "helper.tsx":
          `import { deep } from "./deep.ts"; export const helper = () => <b>{deep}</b>;`,
      },
      { "deep.ts": "export const deep = 2;" },
    ],
  },
  "a decorator": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        `import { deep } from "./deep.ts"; @deep class A {} export const helper = () => new A();`,
      "deep.ts": "export const deep = () => 1;",
    },
    other: [{ "deep.ts": "export const deep = () => 2;" }],
  },
  "a syntax error": {
    files: { "tasks.ts": HELPER, "helper.ts": "export const helper = (x) => x +;" },
    other: [{ "helper.ts": "export const helper = (x) => x -;" }],
  },
  "enums and namespaces": {
    fn: "function simulate(x) { return [A.X, N.y]; }",
    files: {
      "tasks.ts": toTasks(`import { A, N } from "./a.ts";`),
      "a.ts": "export enum A { X = 1 } export namespace N { export const y = 1; }",
    },
    other: [
      { "a.ts": "export enum A { X = 2 } export namespace N { export const y = 1; }" },
      { "a.ts": "export enum A { X = 1 } export namespace N { export const y = 2; }" },
    ],
  },
  "files as text, bytes and JSON": {
    fn: "function simulate(x) { return [a, b, c]; }",
    files: {
      "tasks.ts": toTasks(`import a from "./a.txt" with { type: "text" };
        import b from "./b.bin" with { type: "bytes" };
        import c from "./c.json" with { type: "json" };
        import unused from "./d.json" with { type: "json" };`),
      "a.txt": "a",
      "b.bin": "b",
      "c.json": "1",
      "d.json": "1",
    },
    same: [{ "d.json": "2" }],
    other: [{ "a.txt": "b" }, { "b.bin": "c" }, { "c.json": "2" }],
  },
  "a helper that is a sum of 3,000 terms": {
    fn: "function simulate(x) { return helper(x); }",
    files: {
      "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
      "helper.ts": `export const helper = (x) => ${TERMS};`,
    },
    same: [{ "other.ts": "export const unused = 1;" }],
    other: [{ "helper.ts": `export const helper = (x) => ${TERMS.replace("x * 7 ", "x * 8 ")};` }],
  },
  "a function that is a sum of 3,000 terms": {
    fn: `function simulate(x) { return RATE + ${TERMS}; }`,
    files: { "tasks.ts": toTasks("const RATE = 1;") },
    other: [{ "tasks.ts": toTasks("const RATE = 2;") }],
  },
  "a module that is also read as text": {
    fn: "function simulate(x) { return text; }",
    files: {
      "tasks.ts": toTasks(`import text from "./helper.ts" with { type: "text" };`),
      "helper.ts": "export const a = 1;",
    },
    other: [{ "helper.ts": "export const a = 1; // comment" }],
  },
  "as what a file is read": {
    fn: "function simulate(x) { return data; }",
    files: {
      "tasks.ts": toTasks(`import data from "./data.json" with { type: "json" };`),
      "data.json": "[1]",
    },
    other: [{ "tasks.ts": toTasks(`import data from "./data.json" with { type: "text" };`) }],
  },
  "a script of Node's": {
    fn: "function simulate(x) { return script.f(x); }",
    files: {
      "tasks.ts": toTasks(`import script from "./script.cjs";`),
      "script.cjs": `const { g } = require("./g.cjs"); exports.f = (x) => g(x);`,
      "g.cjs": "exports.g = (x) => x;",
    },
    other: [
      { "g.cjs": "exports.g = (x) => -x;" },
      { "script.cjs": `const { g } = require("./g.cjs"); exports.f = (x) => -g(x);` },
      { "g.cjs": `"use strict"; exports.g = (x) => x;` },
    ],
  },
  "createRequire": {
    fn: "function simulate(x) { return require('./script.cjs').f(x); }",
    files: {
      "tasks.ts": toTasks(`import { createRequire } from "node:module";
        const require = createRequire(import.meta.url);`),
      "script.cjs": `exports.f = (x) => x;`,
    },
    other: [{ "script.cjs": `exports.f = (x) => -x;` }],
  },
  "imports while it runs": {
    fn: "async function simulate(x) { return await Promise.all([import('./a.ts'), " +
      "import(new URL('b.ts', import.meta.url).href), import(import.meta.resolve('./c.ts'))]); }",
    files: {
      "tasks.ts": toTasks(""),
      "a.ts": "export const a = 1; export const z = 1;",
      "b.ts": `import { deep } from "./deep.ts"; export const b = deep;`,
      "c.ts": "export const c = 1;",
      "deep.ts": "export const deep = 1; export const unused = 1;",
    },
    same: [{ "deep.ts": "export const deep = 1; export const unused = 2;" }],
    other: [
      { "a.ts": "export const a = 1; export const z = 2;" },
      { "b.ts": `import { deep } from "./deep.ts"; export const b = -deep;` },
      { "c.ts": "export const c = 2;" },
      { "deep.ts": "export const deep = 2;" },
    ],
  },
  "names that only look like others": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": `const K = 1; const o = 2;
        export const helper = ({ K: k = 1 }: { K?: number }) => { o: for (;;) break o; return { K: k }.K; };`,
    },
    same: [{
      "helper.ts": `const K = 2; const o = 3;
        export const helper = ({ K: k = 1 }: { K?: number }) => { o: for (;;) break o; return { K: k }.K; };`,
    }],
  },
  "the default of a parameter": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": "const a = 1; export function helper(x = a) { var a = 2; return x + a; }",
    },
    other: [{
      "helper.ts": "const a = 3; export function helper(x = a) { var a = 2; return x + a; }",
    }],
  },
  "var in blocks and functions": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": "const a = 1; export function helper(x) { if (x) { var a = 2; } return a; }",
    },
    same: [
      { "helper.ts": "const a = 2; export function helper(x) { if (x) { var a = 2; } return a; }" },
    ],
  },
  "a name that is bound in a block only": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": "const a = 1; export function helper(x) { { let a = 2; } return a; }",
    },
    other: [{ "helper.ts": "const a = 3; export function helper(x) { { let a = 2; } return a; }" }],
  },
  "classes": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts": `const a = 1, b = 1, c = "m", d = 1; class Base { base() { return b; } }
        class Foo extends Base { static s = a; [c]() { return this.#p; } #p = d; }
        export const helper = () => new Foo();`,
    },
    other: [
      "a = 2, b = 1, c = 'm', d = 1",
      "a = 1, b = 2, c = 'm', d = 1",
      "a = 1, b = 1, c = 'n', d = 1",
      "a = 1, b = 1, c = 'm', d = 2",
    ].map((text) => ({
      "helper.ts": `const ${text}; class Base { base() { return b; } }
          class Foo extends Base { static s = a; [c]() { return this.#p; } #p = d; }
          export const helper = () => new Foo();`,
    })),
  },
  "destructured constants": {
    files: {
      "tasks.ts": HELPER,
      "helper.ts":
        `const source = { a: 1, b: 2 }; const { a, ...rest } = source; const [c = 3] = [];
        export const helper = () => [a, c];`,
    },
    other: [
      {
        "helper.ts":
          `const source = { a: 2, b: 2 }; const { a, ...rest } = source; const [c = 3] = [];
        export const helper = () => [a, c];`,
      },
      {
        "helper.ts":
          `const source = { a: 1, b: 2 }; const { a, ...rest } = source; const [c = 4] = [];
        export const helper = () => [a, c];`,
      },
    ],
  },
  "a task that is called": {
    fn: "async function simulate(x) { return await inner(x); }",
    files: {
      "tasks.ts": toTasks(`import { inner } from "./inner.ts";`),
      "inner.ts": `import { task } from "${QUIVER}"; import { deep } from "./deep.ts";
        export const inner = task(import.meta, function inner(x) { return deep(x); }, { version: 1 });`,
      "deep.ts": "export const deep = (x) => x;",
    },
    other: [{ "deep.ts": "export const deep = (x) => -x;" }, {
      "inner.ts": `import { task } from "${QUIVER}"; import { deep } from "./deep.ts";
        export const inner = task(import.meta, function inner(x) { return deep(x); }, { version: 2 });`,
    }],
  },
  "a task that is called and whose code does not count": {
    fn: "async function simulate(x) { return await inner(x); }",
    files: {
      "tasks.ts": toTasks(`import { inner } from "./inner.ts";`),
      "inner.ts": `import { task } from "${QUIVER}"; import { deep } from "./deep.ts";
        export const inner = task(import.meta, function inner(x) { return deep(x); }, { version: 1, code: "none" });`,
      "deep.ts": "export const deep = (x) => x;",
    },
    same: [{ "deep.ts": "export const deep = (x) => -x;" }, {
      "inner.ts": `import { task } from "${QUIVER}"; import { deep } from "./deep.ts";
        export const inner = task(import.meta, function inner(x) { return deep(x) + 1; }, { version: 1, code: "none" });`,
    }],
    other: [{
      "inner.ts": `import { task } from "${QUIVER}"; import { deep } from "./deep.ts";
        export const inner = task(import.meta, function inner(x) { return deep(x); }, { version: 2, code: "none" });`,
    }],
  },
  "a function that is not Quiver's task, though it is called so": {
    fn: "async function simulate(x) { return await inner(x); }",
    files: {
      "tasks.ts": toTasks(`import { inner } from "./inner.ts";`),
      "inner.ts": `const task = (_meta: unknown, fn: unknown, _options: unknown) => fn;
        export const inner = task(import.meta, function inner(x) { return x; }, { code: "none" });`,
    },
    other: [{
      "inner.ts": `const task = (_meta: unknown, fn: unknown, _options: unknown) => fn;
        export const inner = task(import.meta, function inner(x) { return -x; }, { code: "none" });`,
    }],
  },
  "all of the modules": {
    extent: "module",
    files: { "tasks.ts": HELPER, "helper.ts": "export const helper = (x) => x; const unused = 1;" },
    same: [{ "helper.ts": "export const helper = (x) => x /* comment */; const unused = 1;" }],
    other: [{ "helper.ts": "export const helper = (x) => x; const unused = 2;" }],
  },
};

for (const [name, { files, same = [], other = [], ...options }] of Object.entries(CASES)) {
  Deno.test(`codeParts() counts what is reached: ${name}`, async () => {
    const before = await digestOf(files, options);
    assertEquals(await digestOf(files, options), before, "it depends on the folder");
    for (const [index, changed] of same.entries()) {
      assertEquals(await digestOf({ ...files, ...changed }, options), before, `same ${index}`);
    }
    for (const [index, changed] of other.entries()) {
      assertNotEquals(await digestOf({ ...files, ...changed }, options), before, `other ${index}`);
    }
  });
}

Deno.test("codeParts() takes all of a module where code cannot be followed, and says so", async () => {
  for (
    const [what, code] of [
      ["eval()", "eval('K')"],
      ["new Function()", "new Function('return 1')()"],
      ["new Function()", "Function('return 1')()"],
      ["a dynamic import of no literal", "import(`./${x}.ts`)"],
      ["a createRequire() by another name than `require`", "createRequire('file:///a')('./b.cjs')"],
    ] as const
  ) {
    const fn = `function simulate(x) { return ${code}; }`;
    const before = await readCode({ "tasks.ts": toTasks("const K = 1;") }, { fn });
    const after = await readCode({ "tasks.ts": toTasks("const K = 2;") }, { fn });
    assertNotEquals(before.digest, after.digest);
    assertEquals(before.warnings.length, 1);
    assertEquals(before.warnings[0]?.startsWith(`Cannot see what ${what} in "file://`), true, what);
  }
});

Deno.test("codeParts() gives a program the digest that it has had", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts": `import data from "./data.json" with { type: "json" };
      interface Point { x: number }
      const table = new Map<string, number>([["x", 1]]);
      table.set("y", 2);
      export class Model { #p = 1; run({ x }: Point): number { return this.#p * x; } }
      export const helper = (x: number): unknown => [new Model().run({ x }), table, data, /a/g, 1n];`,
    "data.json": "[1]",
  };
  const { digest, parts } = await readCode(files);
  // A change of this has every call of every user run again: raise \`KEY_SCHEME\` with it.
  assertEquals(digest, "a67608e7b6d53355e78c1b72b76765f1ce388282482925657c36ea70973d2b42");
  assertEquals(parts, [
    "simulate() 866bd899",
    "./helper.ts#helper 9bc52740",
    "./helper.ts#Model 5f06cf9a",
    "./helper.ts#table 8d3daacc",
    "./data.json 080a9ed4",
    './helper.ts#table.set("y", 2); f26419ea',
  ]);
});

Deno.test("codeParts() tells a bounded number of parts", async () => {
  const names = Array.from({ length: 40 }, (_, index) => `f${index}`);
  const files = {
    "tasks.ts": toTasks(`import { helper } from "./helper.ts";`),
    "helper.ts": `${names.map((name) => `const ${name} = () => 1;`).join("\n")}
      export const helper = () => [${names.join()}];`,
  };
  const { parts = [] } = await readCode(files);
  assertEquals([parts.length, parts.at(-1)?.slice(0, 8)], [32, "11 more "]);
  const text = files["helper.ts"].replace("const f39 = () => 1", "const f39 = () => 2");
  const other = await readCode({ ...files, "helper.ts": text });
  assertNotEquals(other.parts?.at(-1), parts.at(-1));
});

Deno.test("codeParts() reads modules of data: and blob: URLs", async () => {
  const parsed = await parseFunction(function simulate(x: number): number {
    return Reflect.get(globalThis, "helper")(x);
  });
  const digests = await Promise.all([1, 2, 1].map(async (k, index) => {
    const toUrl = (text: string) => {
      return index === 2
        ? URL.createObjectURL(new Blob([text], { type: "application/typescript" }))
        : `data:application/typescript,${encodeURIComponent(text)}`;
    };
    const helper = toUrl(`export const helper = (x: number): number => x + ${k};`);
    const text = `import { task } from "${QUIVER}"; import { helper } from "${helper}";
      const fn = (x: number) => helper(x); export const simulate = task(import.meta, fn);`;
    const address = { module: toUrl(text), name: "simulate" };
    const question = { address, parsed, extent: "module", evaluatedAt: Date.now() } as const;
    return (await codeParts({ ...question, resolve: (specifier) => specifier })).digest;
  }));
  assertNotEquals(digests[0], digests[1]);
  assertEquals(digests[0], digests[2]);
});
