// contract: what is said of modules beside them counts as they run by it
import { assertEquals, assertNotEquals } from "@std/assert";
import { digestOf, type Files, toTasks } from "./_digest.ts";

const JSX = {
  "tasks.ts": toTasks(`import { helper } from "./a.tsx";`),
  "a.tsx": "export const helper = () => <a />;",
  "jsx/jsx-runtime.ts": "export const jsx = (name) => name;",
};

function config(compilerOptions: object): Files {
  return { "deno.json": JSON.stringify({ compilerOptions }) };
}

const RUNTIME = config({ jsx: "react-jsx", jsxImportSource: "my" });

const OTHER: readonly (readonly [what: string, files: Files, after: Files])[] = [
  ["the function that JSX calls", { ...JSX, ...config({ jsx: "react" }) }, {
    ...config({ jsx: "react", jsxFactory: "h" }),
  }],
  ["the module whose functions JSX calls", { ...JSX, ...RUNTIME }, {
    "jsx/jsx-runtime.ts": "export const jsx = (name) => name + 1;",
  }],
  ["the module that JSX names by itself", {
    ...JSX,
    "a.tsx": "/** @jsxImportSource ./jsx */ export const helper = () => <a />;",
    "jsx/jsx-runtime": "export const jsx = 1;",
  }, { "jsx/jsx-runtime": "export const jsx = 2;" }],
  ["what decorators are", {
    "tasks.ts": toTasks(`import { A } from "./a.ts"; const helper = () => new A();`),
    "a.ts": "const d = (c) => c; @d export class A {}",
    ...config({}),
  }, config({ experimentalDecorators: true })],
  ["what decorators are by a configuration of TypeScript", {
    "tasks.ts": toTasks(`import { A } from "./a.ts"; const helper = () => new A();`),
    "a.ts": "const d = (c) => c; @d export class A {}",
    "package.json": "{}",
    "tsconfig.json": `{ "extends": "./base.json", /* its own */ "compilerOptions": {} }`,
    "base.json": "{}",
  }, { "base.json": `{ "compilerOptions": { "experimentalDecorators": true } }` }],
];

for (const [what, files, after] of OTHER) {
  Deno.test(`codeParts() counts ${what}`, async () => {
    const resolve = (specifier: string, folder: string) =>
      specifier === "my/jsx-runtime" ? `${folder}jsx/jsx-runtime.ts` : specifier;
    const options = { resolve };
    assertNotEquals(
      await digestOf(files, options),
      await digestOf({ ...files, ...after }, options),
    );
  });
}

Deno.test("codeParts() counts no options that change nothing", async () => {
  const strict = config({ strict: true, jsx: "react" });
  const files = { ...JSX, ...config({ jsx: "react" }) };
  assertEquals(await digestOf(files), await digestOf({ ...files, ...strict }));
  const tasks = { "tasks.ts": toTasks("const helper = (x) => x;"), ...config({}) };
  assertEquals(await digestOf(tasks), await digestOf({ ...tasks, ...config({ jsx: "react" }) }));
});

Deno.test("codeParts() reads what scopes have in place of a file", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "./inside/mod.ts";`),
    "deno.json": `{ "scopes": { "./inside/": { "./one/a.ts": "./two/a.ts" } } }`,
    "inside/mod.ts": `export { helper } from "../one/a.ts";`,
    "one/a.ts": "export const helper = 1;",
    "two/a.ts": "export const helper = 2;",
  };
  const before = await digestOf(files);
  const edited = { ...files, "two/a.ts": "export const helper = 3;" };
  assertNotEquals(await digestOf(edited), before);
  const other = { ...files, "one/a.ts": "export const helper = 3;" };
  assertEquals(await digestOf(other), before);
});
