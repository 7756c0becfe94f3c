// contract: what is loaded with a task's module has effects, however it is loaded and written
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { cpuUsage } from "node:process";
import { parseModule } from "../../../src/call/acorn.ts";
import { codeParts } from "../../../src/call/code/code_parts.ts";
import { parseFunction } from "../../../src/call/function_profile.ts";
import { TemporaryDirectory } from "../../bag/_temporary_directory.ts";
import { digestOf, type Files, QUIVER, toTasks } from "./_digest.ts";

const STATE = "const s = { n: 0 }; export const set = (n) => { s.n = n; }; " +
  "export const helper = () => s.n; export const config = { k: 1 }; export const K = 1;";
const SETUP = `import { set } from "./state.ts"; set(2);`;

/** Programs in which another `2` than in the first file gives another result. */
const OTHER: readonly (readonly [what: string, file: string, files: Files])[] = [
  ["a module with JSX that calls it", "setup.tsx", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; import { a } from "./setup.tsx"; a;`),
    "setup.tsx": `${SETUP} export const a = <a/>;`,
  }],
  ["a module with JSX that changes an object", "setup.tsx", {
    "tasks.ts": toTasks(
      `import { config } from "./state.ts"; import { a } from "./setup.tsx"; const helper = () => config;`,
    ),
    "setup.tsx": `import { config } from "./state.ts"; config.k = 2; export const a = <a/>;`,
  }],
  ["what a module with JSX imports", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; import { a } from "./a.tsx"; a;`),
    "a.tsx": `import { b } from "./setup.ts"; export const a = <a>{b}</a>;`,
    "setup.ts": `${SETUP} export const b = 1;`,
  }],
  ["a module with decorators", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; import { A } from "./setup.ts"; A;`),
    "setup.ts": `${SETUP} const d = (c) => c; @d export class A {}`,
  }],
  ["a module that is imported while another one is loaded", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; await import("./setup.ts");`),
    "setup.ts": SETUP,
  }],
  ["a function that imports it while another one is loaded", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts";
      async function boot() { return await import("./setup.ts"); } await boot();`),
    "setup.ts": SETUP,
  }],
  ["what is called of an import while a module is loaded", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; import { a } from "./setup.ts"; a;`),
    "setup.ts": `const { set } = await import("./state.ts"); set(2); export const a = 1;`,
  }],
  ["what a script of Node's requires", "setup.cjs", {
    "tasks.ts": toTasks(`import script from "./state.cjs"; import other from "./setup.cjs"; other;
      const helper = () => script.state;`),
    "state.cjs": "exports.state = { n: 1 };",
    "setup.cjs": `const { state } = require("./state.cjs"); state.n = 2;`,
  }],
  ["what is taken of a module that gives it on", "setup.ts", {
    "tasks.ts": toTasks(`import { helper } from "./state.ts"; import { a } from "./setup.ts"; a;`),
    "index.ts": `export * from "./state.ts";`,
    "setup.ts":
      `import * as all from "./index.ts"; const { set } = all; set(2); export const a = 1;`,
  }],
  ["white space in a text that is imported while it runs", "a.csv", {
    "tasks.ts": toTasks(
      `const helper = async () => await import("./a.csv", { with: { type: "text" } });`,
    ),
    "a.csv": "1,2",
  }],
];

for (const [what, file, files] of OTHER) {
  Deno.test(`codeParts() counts what is loaded: ${what}`, async () => {
    const all: Files = { "state.ts": STATE, ...files };
    const text = all[file] ?? "";
    const to = text.startsWith("1,") ? "1, 2" : text.replace("2", "3");
    assertNotEquals(await digestOf(all), await digestOf({ ...all, [file]: to }));
  });
}

Deno.test("codeParts() does not count a module that is not understood and changes nothing", async () => {
  const files = {
    "state.ts": STATE,
    "tasks.ts": toTasks(`import { K } from "./state.ts"; import { a } from "./a.tsx"; a;
      const helper = () => K;`),
    "a.tsx": `import { K } from "./state.ts"; export const a = <a>{K}</a>;`,
  };
  const after = { ...files, "a.tsx": files["a.tsx"].replace("<a>", "<a b>") };
  assertEquals(await digestOf(files), await digestOf(after));
});

Deno.test("codeParts() does not load what is imported by functions that nobody calls", async () => {
  const files = {
    "state.ts": STATE,
    "setup.ts": SETUP,
    "tasks.ts": toTasks(
      `import { helper } from "./state.ts"; const lazy = () => import("./setup.ts");`,
    ),
  };
  const after = { ...files, "setup.ts": SETUP.replace("2", "3") };
  assertEquals(await digestOf(files), await digestOf(after));
});

/** What some work takes of a processor, in milliseconds. */
async function timeOf(work: () => unknown): Promise<number> {
  const before = cpuUsage();
  await work();
  const { user, system } = cpuUsage(before);
  return (user + system) / 1000;
}

/** Reads the code of all tasks of a module that has many. */
async function readTasks(folder: string, count: number): Promise<void> {
  const functions = Array.from({ length: count }, (_, i) => `(x) => h${i}(x)`);
  const tasks = functions.map((fn, i) =>
    `const c${i} = ${i}; const h${i} = (x) => x + c${i} + shared.k;
    export const t${i} = task(import.meta, ${fn}, { name: "t${i}" });`
  );
  const path = `${folder}/tasks${count}.ts`;
  const text = `import { task } from "${QUIVER}"; const shared = { k: 1 };\n${tasks.join("\n")}`;
  Deno.writeTextFileSync(path, text);
  const code = encodeURIComponent(`export default [${functions.join()}]`);
  const { default: all }: { default: (() => unknown)[] } = await import(
    `data:application/javascript,${code}`
  );
  const module = new URL(`file://${path}`).href;
  const digests = new Set<string>();
  for (const [i, fn] of all.entries()) {
    const { digest } = await codeParts({
      ...{ address: { module, name: `t${i}` }, parsed: await parseFunction(fn), extent: "reach" },
      ...{ evaluatedAt: Date.now() + 1000, resolve: (url: string) => url },
    });
    digests.add(digest);
  }
  assertEquals(digests.size, count);
}

Deno.test("codeParts() takes no longer for a task because its module has many", async () => {
  using folder = new TemporaryDirectory();
  await readTasks(folder.path, 50);
  const few = await timeOf(() => readTasks(folder.path, 200));
  const many = await timeOf(() => readTasks(folder.path, 800));
  // Four times as many; to look at all of the module for each, it would be sixteen times.
  assert(many < 9 * few, `${many} ms for 800, ${few} ms for 200`);
});

Deno.test("parseModule() takes no longer for a name because a module has many", async () => {
  const toText = (count: number) =>
    Array.from({ length: count }, (_, i) => `function f${i}(){}`).join("");
  const [few, many] = [toText(5000), toText(40_000)];
  parseModule(few, false);
  const first = await timeOf(() => parseModule(few, false));
  const second = await timeOf(() => parseModule(many, false));
  // Eight times as many; to go over all names for each, it would be 64 times.
  assert(second < 20 * first, `${second} ms for 40000, ${first} ms for 5000`);
});
