// Contract: whether the files that a module is made of are those that were witnessed.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import {
  findChangedSource,
  type SourceWitness,
  SourceWitnesses,
} from "../../src/call/module_sources.ts";

/** The files of a program that is loaded as soon as they are written. */
class Sources extends TemporaryDirectory {
  /** What the names of the files follow in their URLs. */
  readonly base: string = new URL(`file://${this.path}/`).href;
  /** When the program was loaded. */
  readonly loadedAt: number;
  /** What resolves specifiers. */
  resolve: ((specifier: string) => string) | undefined;

  /** Writes the files. */
  constructor(files: { readonly [name: string]: string }) {
    super();
    for (const [name, text] of Object.entries(files)) this.write(name, text);
    this.loadedAt = Date.now();
  }

  /** Writes a file. */
  write(name: string, text: string): void {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
  }

  /** Writes a file after the program was loaded, by the clock of the file system, too. */
  edit(name: string, text: string): void {
    this.write(name, text);
    while (Date.now() <= this.loadedAt);
    const now = new Date(this.loadedAt + 1);
    Deno.utimeSync(`${this.path}/${name}`, now, now);
  }

  /** The names of files. */
  names(urls: readonly string[]): string[] {
    assert(urls.every((url) => url.startsWith(this.base)), `not in ${this.base}: ${urls}`);
    return urls.map((url) => url.slice(this.base.length)).sort();
  }

  /** Witnesses a module. */
  witness(module = "task.ts"): Promise<SourceWitness> {
    const { resolve } = this;
    const options = { evaluatedAt: this.loadedAt, ...(resolve !== undefined && { resolve }) };
    return createWitnesses().get(this.base + module, options);
  }

  /** The names of the files that a module is made of. */
  async reach(module = "task.ts"): Promise<string[]> {
    const { files, changed, unread } = await this.witness(module);
    assertEquals({ changed, unread }, { changed: [], unread: [] });
    const found = files.filter(({ digest }) => digest !== undefined);
    return this.names(found.map(({ url }) => url));
  }

  /** The names of the file that a worker finds changed which begins to import after this. */
  findChanged(witness: SourceWitness): string[] {
    const url = findChangedSource(witness, Date.now() + 1);
    return this.names(url === undefined ? [] : [url]);
  }
}

/** Of a program that began with none of the modules. */
function createWitnesses(): SourceWitnesses {
  return new SourceWitnesses({ module: "", startedAt: 0 });
}

const PROGRAM = {
  "task.ts": `import { half } from "./lib/half.ts";\nexport const run = (n: number) => half(n);`,
  "lib/half.ts": `import { two } from "./two.ts";\nexport const half = (n: number) => n / two;`,
  "lib/two.ts":
    `import data from "./two.json" with { type: "json" };\nexport const { two } = data;`,
  "lib/two.json": `{ "two": 2 }`,
};

for (const [name, text] of Object.entries(PROGRAM)) {
  Deno.test(`findChangedSource() names ${name} when it was edited since`, async () => {
    using sources = new Sources(PROGRAM);
    const witness = await sources.witness();
    assertEquals(sources.findChanged(witness), []);
    // As long as before, and in the same millisecond perhaps.
    sources.write(name, text.replace(/.$/, " "));
    assertEquals(sources.findChanged(witness), [name]);
  });

  Deno.test(`findChangedSource() names ${name} when it is gone`, async () => {
    using sources = new Sources(PROGRAM);
    const witness = await sources.witness();
    Deno.removeSync(`${sources.path}/${name}`);
    assertEquals(sources.findChanged(witness), [name]);
  });

  Deno.test(`SourceWitnesses.get() tells that ${name} was edited after it was loaded`, async () => {
    using sources = new Sources(PROGRAM);
    sources.edit(name, text);
    const witness = await sources.witness();
    assertEquals(sources.names(witness.changed), [name]);
    assertEquals(sources.findChanged(witness), [name]);
  });
}

Deno.test("findChangedSource() takes files that were only touched for the same", async () => {
  using sources = new Sources(PROGRAM);
  const witness = await sources.witness();
  for (const name of Object.keys(PROGRAM)) Deno.utimeSync(`${sources.path}/${name}`, 1, 2);
  assertEquals(sources.findChanged(witness), []);
});

Deno.test("findChangedSource() takes what was put back before the import for the same", async () => {
  using sources = new Sources(PROGRAM);
  const witness = await sources.witness();
  sources.write("lib/two.json", `{ "two": 3 }`);
  assertEquals(sources.findChanged(witness), ["lib/two.json"]);
  sources.write("lib/two.json", PROGRAM["lib/two.json"]);
  assertEquals(sources.findChanged(witness), []);
});

Deno.test("findChangedSource() names what was put back after the import began", async () => {
  using sources = new Sources(PROGRAM);
  const witness = await sources.witness();
  sources.edit("lib/two.json", PROGRAM["lib/two.json"]);
  assertEquals(sources.findChanged(witness), []);
  const changed = findChangedSource(witness, sources.loadedAt + 1);
  assertEquals(changed, `${sources.base}lib/two.json`);
});

Deno.test("findChangedSource() is not misled by size and time of the last write", async () => {
  using sources = new Sources(PROGRAM);
  const witness = await sources.witness();
  const path = `${sources.path}/lib/two.json`;
  const { mtime } = Deno.statSync(path);
  sources.write("lib/two.json", `{ "two": 3 }`);
  Deno.utimeSync(path, mtime ?? 0, mtime ?? 0);
  assertEquals(sources.findChanged(witness), ["lib/two.json"]);
});

Deno.test("findChangedSource() names a file that another one took the place of", async () => {
  using sources = new Sources({ ...PROGRAM, "other.json": `{ "two": 3 }` });
  const witness = await sources.witness();
  Deno.renameSync(`${sources.path}/other.json`, `${sources.path}/lib/two.json`);
  assertEquals(sources.findChanged(witness), ["lib/two.json"]);
});

Deno.test("findChangedSource() sees that a link was turned elsewhere", async () => {
  using sources = new Sources({
    "task.ts": `export * from "./now/code.ts";`,
    "one/code.ts": "export const n = 1;",
    "two/code.ts": "export const n = 2;",
  });
  Deno.symlinkSync("one", `${sources.path}/now`);
  const witness = await sources.witness();
  assertEquals(sources.names(witness.files.map(({ url }) => url)), ["now/code.ts", "task.ts"]);
  assertEquals(sources.findChanged(witness), []);
  Deno.removeSync(`${sources.path}/now`);
  Deno.symlinkSync("two", `${sources.path}/now`);
  assertEquals(sources.findChanged(witness), ["now/code.ts"]);
});

Deno.test("findChangedSource() names a file that was not there when it was witnessed", async () => {
  using sources = new Sources({ "task.ts": `import "./added.ts";` });
  const witness = await sources.witness();
  assertEquals(sources.findChanged(witness), []);
  sources.write("added.ts", "");
  assertEquals(sources.findChanged(witness), ["added.ts"]);
});

Deno.test("findChangedSource() does not read a file that shows no sign of a write", async () => {
  const witness = await createWitnesses().get(import.meta.url, { evaluatedAt: Date.now() });
  const settled = witness.files.filter(({ stamp }) => stamp !== undefined);
  assert(settled.length > 0, "all files of this test were written just now");
  const files = settled.map((file) => ({ ...file, digest: "of something else" }));
  assertStrictEquals(findChangedSource({ ...witness, files }, Date.now()), undefined);
});

Deno.test("SourceWitnesses.get() gives what can be sent to a worker", async () => {
  using sources = new Sources(PROGRAM);
  const witness = structuredClone(await sources.witness());
  assertEquals(sources.findChanged(witness), []);
  sources.write("lib/two.json", `{ "two": 3 }`);
  assertEquals(sources.findChanged(witness), ["lib/two.json"]);
});

Deno.test("SourceWitnesses.get() follows every form of import", async () => {
  const names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map((name) => `${name}.ts`);
  using sources = new Sources({
    "task.ts": [
      `import "./a.ts";`,
      `import b, { type B, b as c } from './b.ts';`,
      `export * as d from "./c.ts";`,
      `export { e } from "./d.ts"; import * as f from "./e.ts";`,
      `export const later = () => import("./f.ts");`,
      "export const last = async (): Promise<B> => await import(/* late */ `./g.ts`, {});",
      `import { createRequire } from "node:module"; const require = createRequire(import.meta.url);`,
      `require("./h"); require("./i.ts");`,
    ].join("\n"),
    "h.js": "",
    ...Object.fromEntries(names.filter((name) => name !== "h.ts").map((name) => [name, ""])),
  });
  assertEquals(
    await sources.reach(),
    ["task.ts", "h.js", ...names].filter((name) => name !== "h.ts").sort(),
  );
});

Deno.test("SourceWitnesses.get() follows import() of a URL that is made on the spot", async () => {
  using sources = new Sources({
    "task.ts": [
      `export const a = () => import(new URL("./a.ts", import.meta.url).href);`,
      `export const c = () => import( new  URL('c.ts', import.meta.url) as unknown as string );`,
      `export const d = () => import(import.meta.resolve("./d.ts"));`,
    ].join("\n"),
    ...Object.fromEntries(["a.ts", "c.ts", "d.ts"].map((name) => [name, ""])),
  });
  assertEquals(await sources.reach(), ["a.ts", "c.ts", "d.ts", "task.ts"]);
});

Deno.test("SourceWitnesses.get() does not follow what only looks like an import", async () => {
  using sources = new Sources({
    "task.ts": [
      `  // import "./a.ts";`,
      `/** import { a } from "./a.ts"; */`,
      `/**`,
      ` * import { a } from "./a.ts";`,
      ` */`,
      `import type { A } from "./a.ts"; export type { A } from "./a.ts";`,
      `const data = new URL("./a.ts", import.meta.url), name = import.meta.resolve("./a.ts");`,
      `const list = Array.from("./a.ts"), from = "./a.ts";`,
    ].join("\n"),
    "a.ts": "",
  });
  assertEquals(await sources.reach(), ["task.ts"]);
});

Deno.test("SourceWitnesses.get() takes no code for a comment", async () => {
  const names = ["a", "b", "c", "d", "e"].map((name) => `${name}.ts`);
  using sources = new Sources({
    "task.ts": [
      `/* a */ import "./a.ts"; const glob = "**/*.ts";`,
      `const url = "//"; import "./b.ts";`,
      `class C {`,
      `  *many() { yield import("./c.ts"); }`,
      `} /*`,
      ` * comment */ export * from "./d.ts";`,
      `const text = \`\${await import("./e.ts")}\`;`,
    ].join("\n"),
    ...Object.fromEntries(names.map((name) => [name, ""])),
  });
  assertEquals(await sources.reach(), [...names, "task.ts"]);
});

Deno.test("SourceWitnesses.get() ends at what is no local file of the program", async () => {
  using sources = new Sources({
    "task.ts": [
      `import "npm:acorn"; import "node:fs"; import "jsr:@std/assert"; import "https://a.b/c.ts";`,
      `import "data:text/javascript,"; import "./node_modules/package/main.js"; import "unknown";`,
      `import { task } from "${new URL("../../mod.ts", import.meta.url)}";`,
    ].join("\n"),
    "node_modules/package/main.js": "",
  });
  assertEquals(await sources.reach(), ["task.ts"]);
  for (const module of ["data:text/javascript,", "https://a.b/c.ts", "file://a/b.ts", "no"]) {
    const witness = await createWitnesses().get(module, { evaluatedAt: 0 });
    assertEquals(witness, { files: [], late: [], changed: [], unread: [] });
  }
});

Deno.test("SourceWitnesses.get() follows the specifiers of an import map", async () => {
  using sources = new Sources({
    "task.ts": `import "bare"; import "./from.ts";`,
    "bare.ts": `import "#deeper/x.ts";`,
    "to.ts": "",
    "deeper/x.ts": "",
  });
  const { base } = sources;
  sources.resolve = (specifier) => {
    if (specifier === "bare") return `${base}bare.ts`;
    if (specifier === `${base}from.ts`) return `${base}to.ts`;
    return specifier.replace("#deeper/", `${base}deeper/`);
  };
  assertEquals(
    await sources.reach(),
    ["bare.ts", "deeper/x.ts", "task.ts", "to.ts"],
  );
});

Deno.test("SourceWitnesses.get() resolves by itself as this program does", async () => {
  using sources = new Sources({ "task.ts": `import "@std/assert";` });
  const { files } = await sources.witness();
  const expected = new URL("../std_assert.ts", import.meta.url).href;
  assert(files.some(({ url }) => url === expected), "the import map was not applied");
});

Deno.test("SourceWitnesses.get() ends with modules that import one another", async () => {
  using sources = new Sources({
    "task.ts": `import "./a.ts"; import "./task.ts";`,
    "a.ts": `import "./b.ts";`,
    "b.ts": `import "./a.ts"; export * from "./task.ts";`,
  });
  assertEquals(await sources.reach(), ["a.ts", "b.ts", "task.ts"]);
});

for (
  const [name, text] of [
    ["task.tsx", `import { a } from "./a.ts";\nexport const b = <p title="x">{a}</p>;`],
    ["task.jsx", `import { a } from './a.ts';\nexport const b = <p title="x">{a}</p>;`],
    ["enum.ts", `import { a } from "./a.ts";\nenum E { a = 1 }\nconsole.log(E, a);`],
    ["class.ts", `export { a } from "./a.ts";\nexport class C { constructor(private b: 1) {} }`],
    ["decorator.ts", `import a from /* d */ "./a.ts";\n@a export class C {}`],
    ["defer.js", `import defer * as a from "./a.ts";`],
    ["broken.ts", `import "./a.ts"; ) {`],
    ["broken_late.ts", "const a = await import( // late\n `./a.ts`); ) {"],
    ["common.cjs", `with ({}) { require("./a.ts") }`],
    ["hash_bang.ts", `#!/usr/bin/env deno\nimport "./a.ts";`],
    ["typed.mts", `import { a } from "./a.ts";\nexport const b: number = <number> a;`],
  ] as const
) {
  Deno.test(`SourceWitnesses.get() finds the imports of ${name}`, async () => {
    using sources = new Sources({ [name]: text, "a.ts": "" });
    assertEquals(await sources.reach(name), ["a.ts", name]);
  });
}

Deno.test("SourceWitnesses.get() goes on after specifiers that make no sense", async () => {
  using sources = new Sources({
    "task.ts":
      `import "//["; import "./%00"; import "file:"; import ""; import "./"; import "./a.ts";`,
    "a.ts": "",
  });
  const { files } = await sources.witness();
  assert(files.some(({ url, digest }) => url === `${sources.base}a.ts` && digest !== undefined));
});

Deno.test("SourceWitnesses.get() takes two URLs of one file for two modules", async () => {
  using sources = new Sources({ "task.ts": `import "./a.ts?1"; import "./a.ts?2";`, "a.ts": "" });
  assertEquals(await sources.reach(), ["a.ts?1", "a.ts?2", "task.ts"]);
});

Deno.test("SourceWitnesses.get() reads once, as what runs here stays the same", async () => {
  using sources = new Sources({ ...PROGRAM, "other.ts": `import "./lib/two.ts";` });
  const witnesses = createWitnesses();
  const options = { evaluatedAt: sources.loadedAt };
  const first = witnesses.get(`${sources.base}task.ts`, options);
  await first;
  sources.write("lib/two.json", `{ "two": 3 }`);
  assertStrictEquals(witnesses.get(`${sources.base}task.ts`, options), first);
  const other = await witnesses.get(`${sources.base}other.ts`, options);
  assertEquals(sources.findChanged(other), ["lib/two.json"]);
});

Deno.test("SourceWitnesses.get() knows that a file was loaded with an earlier module", async () => {
  using sources = new Sources({ ...PROGRAM, "other.ts": `import "./lib/two.ts";` });
  sources.edit("lib/two.json", PROGRAM["lib/two.json"]);
  const witnesses = createWitnesses();
  await witnesses.get(`${sources.base}task.ts`, { evaluatedAt: sources.loadedAt });
  const evaluatedAt = Date.now();
  const { changed } = await witnesses.get(`${sources.base}other.ts`, { evaluatedAt });
  assertEquals(sources.names(changed), ["lib/two.json"]);
});

for (
  const [main, changed] of [
    [`import "./lib/two.ts";`, ["lib/two.json"]],
    [`const later = () => import("./lib/two.ts");`, []],
  ] as const
) {
  Deno.test(`SourceWitnesses.get() knows what a program has loaded that begins: ${main}`, async () => {
    using sources = new Sources({ ...PROGRAM, "main.ts": main });
    sources.edit("lib/two.json", PROGRAM["lib/two.json"]);
    const program = { module: `${sources.base}main.ts`, startedAt: sources.loadedAt };
    const options = { evaluatedAt: Date.now() };
    const witness = await new SourceWitnesses(program).get(`${sources.base}task.ts`, options);
    assertEquals(sources.names(witness.changed), [...changed]);
  });
}

Deno.test("SourceWitnesses.get() believes no time of a write that is still to come", async () => {
  using sources = new Sources(PROGRAM);
  const later = new Date(sources.loadedAt + 3_600_000);
  Deno.utimeSync(`${sources.path}/task.ts`, later, later);
  const witness = await sources.witness();
  assertEquals(witness.changed, []);
  assertEquals(sources.findChanged(witness), []);
  sources.write("task.ts", "");
  assertEquals(sources.findChanged(witness), ["task.ts"]);
});

Deno.test("SourceWitnesses.get() tells which files may be imported while a call runs", async () => {
  using sources = new Sources({
    "task.ts": `import "./a.ts"; await import("./b.ts");`,
    "a.ts": "",
    "b.ts": `import "./c.ts"; import "./a.ts"; import "./task.ts";`,
    "c.ts": "",
  });
  const witness = structuredClone(await sources.witness());
  assertEquals(sources.names(witness.late.map(({ url }) => url)), ["b.ts", "c.ts"]);
  sources.write("c.ts", "export {};");
  assertEquals(sources.findChanged({ ...witness, files: witness.late }), ["c.ts"]);
});

Deno.test("SourceWitnesses.get() reads no devices", async () => {
  using sources = new Sources({
    "task.ts": `import "/dev/zero"; import "/dev"; import "./a.ts/b";`,
  });
  // Without all permissions Deno does not let devices be read at all.
  const { files, changed } = await sources.witness();
  const read = files.filter(({ digest }) => digest !== undefined).map(({ url }) => url);
  assertEquals([sources.names(read), changed], [["task.ts"], []]);
  assertEquals(sources.findChanged(await sources.witness()), []);
});

const TASK = new URL("./function_profile_test.ts", import.meta.url);
const IMPORTED = new URL("../std_assert.ts", import.meta.url);
const DIFFERENT = { digest: "of something else" };

Deno.test({
  name: "SourceWitnesses.get() leaves out what may not be read, and names it",
  permissions: { read: [TASK] },
  fn: async () => {
    const { files, unread } = await createWitnesses().get(TASK.href, { evaluatedAt: 0 });
    assertEquals(files.map(({ url }) => url), [TASK.href]);
    assert(unread.includes(IMPORTED.href));
  },
});

Deno.test({
  name: "findChangedSource() looks only at what it may read",
  permissions: { read: [TASK] },
  fn: () => {
    const other = { url: IMPORTED.href, ...DIFFERENT };
    const files = [other, { url: TASK.href, ...DIFFERENT }];
    const witness = { files, late: [], changed: [], unread: [] };
    assertEquals(findChangedSource(witness, Date.now()), TASK.href);
    assertStrictEquals(findChangedSource({ ...witness, files: [other] }, Date.now()), undefined);
  },
});

Deno.test({
  name: "SourceWitnesses.get() needs no permission",
  permissions: "none",
  fn: async () => {
    const witness = await new SourceWitnesses().get(TASK.href, { evaluatedAt: 0 });
    assertEquals(witness, { files: [], late: [], changed: [], unread: [TASK.href] });
    assertStrictEquals(findChangedSource(witness, Date.now()), undefined);
  },
});
