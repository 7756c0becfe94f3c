// end-to-end: an edit gives a call another key if it may give another result, and only then
import { assert, assertEquals } from "@std/assert";
import { apply, type Edit, type Files, Projects } from "./_projects.ts";

const QUIVER = new URL("../../../mod.ts", import.meta.url).href;

const TASKS = `
import { task } from "${QUIVER}";
import { helper, unusedHelper } from "./helper.ts";
import { even } from "./deep.ts";
import { type Shape, Size } from "./shapes.ts";
import * as ns from "./ns.ts";
import data from "./data.json" with { type: "json" };
import { a as first, b as second } from "./pair.ts";
import { starred } from "./index.ts";
import { rate, setRate as _setRate } from "./state.ts";
import { Model } from "./model.ts";
import { configured } from "./config.ts";
import { Level } from "./level.ts";
import "./side.ts";

const K = 3;
const table = new Map([["x", 1]]);
table.set("x", 2);

function local(x: number): number {
  return x + K;
}
function unusedLocal(): number {
  return 1;
}
const shadowed = 1;

export const simulate = task(import.meta, async function simulate(x: number): Promise<unknown> {
  // a comment
  const shape: Shape = { size: x };
  const whole = (shadowed: number) => shadowed;
  const { late } = await import("./late.ts");
  return [
    local(x), helper(x), even(4), ns.used(x), data, first - second, starred(), rate(),
    new Model().run(x), configured(), Level.High, table.get("x"), whole(1), late, shape.size,
  ];
});

export const other = task(import.meta, function other(x: number): number {
  return helper(x) + K;
});

if (import.meta.main) {
  console.log("main");
}
`;

const FILES: Files = {
  "tasks.ts": TASKS,
  "helper.ts": `
import { inner } from "./inner.ts";
interface Point { x: number }
export function helper(x: number): number { const p: Point = { x }; return inner(p.x); }
export function unusedHelper(): number { return 0; }
`,
  "inner.ts": `export const inner = (x: number): number => x * 2;\n`,
  "deep.ts": `
import { odd } from "./deeper.ts";
export function even(n: number): boolean { return n === 0 ? true : odd(n - 1); }
`,
  "deeper.ts": `
import { even } from "./deep.ts";
export function odd(n: number): boolean { return n === 0 ? false : even(n - 1); }
`,
  "shapes.ts": `export interface Shape { size: number }\nexport type Size = number;\n`,
  "ns.ts": `
const scale = 2;
export const used = (x: number) => x * scale;
export const unused = (x: number) => x;
`,
  "data.json": `{ "a": 1 }`,
  "pair.ts": `export const a = () => 1;\nexport const b = () => 2;\n`.replaceAll("() => ", ""),
  "index.ts": `export * from "./starred.ts";\n`,
  "starred.ts": `export const starred = () => "star";\n`,
  "state.ts": `
let current = 1;
export const rate = () => current;
export function setRate(to: number): void { current = to; }
`,
  "model.ts": `
export class Model {
  run(x: number): number { return x; }
  other(): number { return 1; }
}
`,
  "config.ts": `
const settings = { n: 0 };
export function configure(n: number): void { settings.n = n; }
export const configured = () => settings.n;
configure(5);
console.log;
`,
  "level.ts": `export enum Level { Low = 1, High = 2 }\n`,
  "side.ts": `globalThis.name;\nexport const anything = 1;\n`,
  "late.ts": `export const late = 1;\nexport const lateUnused = 1;\n`,
};

interface Case {
  readonly edit: Edit;
  readonly files?: Files;
}

const SAME: Readonly<Record<string, Case>> = {
  "nothing": { edit: {} },
  "comment in the task": { edit: { "tasks.ts": ["// a comment", "// another /* comment */"] } },
  "formatting": { edit: { "tasks.ts": ["return x + K;", "return (\n    x   + K\n  )"] } },
  "formatting of arguments": { edit: { "helper.ts": ["inner(p.x)", "inner(\n p.x,\n )"] } },
  "type annotation of the task": {
    edit: { "tasks.ts": ["Promise<unknown>", "Promise<unknown[]>"] },
  },
  "interface in a helper module": {
    edit: { "helper.ts": ["x: number }", "x: number; y?: string }"] },
  },
  "unused function, same module": { edit: { "tasks.ts": ["return 1;", "return 2;"] } },
  "another task, same module": { edit: { "tasks.ts": ["helper(x) + K", "helper(x) - K"] } },
  "main block": { edit: { "tasks.ts": ['"main"', '"other main"'] } },
  "new unused import": {
    edit: {
      "tasks.ts": ['import "./side.ts";', 'import "./side.ts";\nimport { z } from "./z.ts";'],
      "z.ts": "export const z = 1;",
    },
  },
  "import used only as a type": {
    edit: {
      "shapes.ts": ["size: number }", "size: number; other?: string }\nexport const c = 1;"],
    },
  },
  "unused export of a helper's module": { edit: { "helper.ts": ["return 0;", "return 1;"] } },
  "unused member of a namespace": {
    edit: { "ns.ts": ["(x: number) => x;", "(x: number) => -x;"] },
  },
  "file of a helper renamed": {
    edit: {
      "inner.ts": undefined,
      "renamed.ts": FILES["inner.ts"] ?? "",
      "helper.ts": ["./inner.ts", "./renamed.ts"],
    },
  },
  "helper moved and given on by export *": {
    edit: {
      "inner.ts": `export * from "./moved.ts";`,
      "moved.ts": FILES["inner.ts"] ?? "",
    },
  },
  "outer binding of a shadowed name": { edit: { "tasks.ts": ["shadowed = 1", "shadowed = 2"] } },
  "statement that names nothing used": { edit: { "config.ts": ["console.log;", "console.warn;"] } },
  "order of declarations": {
    edit: { "pair.ts": "export const b = 2;\nexport const a = 1;\n" },
  },
};

const OTHER: Readonly<Record<string, Case>> = {
  "body of the task": { edit: { "tasks.ts": ["even(4)", "even(5)"] } },
  "function it calls, same module": { edit: { "tasks.ts": ["return x + K;", "return x - K;"] } },
  "constant it uses, same module": { edit: { "tasks.ts": ["const K = 3", "const K = 4"] } },
  "helper in another module": { edit: { "helper.ts": ["inner(p.x)", "inner(p.x + 1)"] } },
  "helper of the helper": { edit: { "inner.ts": ["x * 2", "x * 3"] } },
  "mutually recursive helper, far end": { edit: { "deeper.ts": ["? false", "? true"] } },
  "what a namespace's member calls": { edit: { "ns.ts": ["scale = 2", "scale = 3"] } },
  "JSON import": { edit: { "data.json": `{ "a": 2 }` } },
  "top-level statement on a used binding": { edit: { "tasks.ts": ['("x", 2)', '("x", 3)'] } },
  "initial value of a used let": { edit: { "state.ts": ["current = 1", "current = 2"] } },
  "function that assigns a used let": { edit: { "state.ts": ["current = to", "current = -to"] } },
  "helper renamed everywhere": {
    edit: {
      "inner.ts": "export const renamed = (x: number): number => x * 2;",
      "helper.ts": (FILES["helper.ts"] ?? "").replaceAll("inner }", "renamed }")
        .replaceAll("inner(", "renamed("),
    },
  },
  "two imports swapped by alias": {
    edit: { "tasks.ts": ["a as first, b as second", "b as first, a as second"] },
  },
  "dynamic import of a literal": { edit: { "late.ts": ["lateUnused = 1", "lateUnused = 2"] } },
  "side-effect import": { edit: { "side.ts": ["anything = 1", "anything = 2"] } },
  "method that is never called of a used class": { edit: { "model.ts": ["return 1", "return 2"] } },
  "configure() of a used module": { edit: { "config.ts": ["configure(5)", "configure(6)"] } },
  "enum member": { edit: { "level.ts": ["High = 2", "High = 3"] } },
  "namespace passed on, unused member edited": {
    files: { "tasks.ts": TASKS.replace("ns.used(x)", "Object.keys(ns)") },
    edit: { "ns.ts": ["(x: number) => x;", "(x: number) => -x;"] },
  },
  "decorator appears in a helper module": {
    edit: { "model.ts": ["  other()", "  @((m: unknown, _: unknown) => m as never) other()"] },
  },
};

for (const kind of ["here", "web", "process"]) {
  Deno.test(`edits give other keys exactly where they matter, ${kind}`, async () => {
    using projects = new Projects();
    const cases = [
      ...Object.entries(SAME).map(([name, one]) => [name, true, one] as const),
      ...Object.entries(OTHER).map(([name, one]) => [name, false, one] as const),
    ];
    const folders = cases.map(([, , { files }]) => projects.add({ ...FILES, ...files }));
    const before = await projects.tell(kind);
    for (const [index, [, , { edit }]] of cases.entries()) apply(folders[index] ?? "", edit);
    const after = await projects.tell(kind);
    const wrong = cases.flatMap(([name, same], index) => {
      const [a, b] = [before[index], after[index]];
      assert(a !== undefined && b !== undefined);
      assertEquals([a.warnings, b.warnings], [[], []], name);
      assert(a.key !== "none" && b.key !== "none", name);
      return (a.key === b.key) === same ? [] : [`${name}: ${same ? "other" : "same"} key`];
    });
    assertEquals(wrong, []);
  });
}
