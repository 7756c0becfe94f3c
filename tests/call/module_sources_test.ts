// Contract: whether the files that a module is made of are those that were witnessed.
import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import {
  findChangedFile,
  findChangedSource,
  type SourceWitness,
  SourceWitnesses,
} from "../../src/call/module_sources.ts";
import type { Looked, Question } from "./testdata/source_worker.ts";
import type {} from "./testdata/source_worker.ts";

/** The files of a program. */
class Sources extends TemporaryDirectory {
  /** What the names of the files follow in their URLs. */
  readonly base: string = new URL(`file://${this.path}/`).href;
  /** What resolves specifiers. */
  resolve: ((specifier: string) => string) | undefined;

  /** Writes the files. */
  constructor(files: { readonly [name: string]: string }) {
    super();
    for (const [name, text] of Object.entries(files)) this.write(name, text);
  }

  /** Writes a file. */
  write(name: string, text: string): void {
    const path = `${this.path}/${name}`;
    Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(path, text);
  }

  /** The names of files. */
  names(urls: readonly string[]): string[] {
    assert(urls.every((url) => url.startsWith(this.base)), `not in ${this.base}: ${urls}`);
    return urls.map((url) => url.slice(this.base.length)).sort();
  }

  /** Loads a module in this isolate, as a program does. */
  async load(module = "task.ts"): Promise<void> {
    await import(this.base + module);
  }

  /** Witnesses a module. */
  witness(module = "task.ts"): Promise<SourceWitness> {
    const { resolve } = this;
    return new SourceWitnesses().get(this.base + module, resolve && { resolve });
  }

  /** The names of the files that a module is made of. */
  async reach(module = "task.ts"): Promise<string[]> {
    const { files, late, changed, unread } = await this.witness(module);
    assertEquals({ changed, unread }, { changed: [], unread: [] });
    const found = [...files, ...late].filter(({ digest }) => digest !== undefined);
    return this.names(found.map(({ url }) => url));
  }

  /** The names of the files that a worker finds changed which begins now. */
  async findChanged(witness: SourceWitness, steps: Partial<Question> = {}): Promise<string[]> {
    const [found = []] = await lookInWorker([{ witness, ...steps }]);
    return this.names(found);
  }
}

/** What a worker finds changed that begins now. */
async function lookInWorker(questions: readonly Question[]): Promise<Looked[]> {
  const entry = new URL("./testdata/source_worker.ts", import.meta.url);
  const worker = new Worker(entry, { type: "module" });
  try {
    const told = new Promise<Looked[]>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<Looked[]>) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message));
    });
    worker.postMessage(questions);
    return await told;
  } finally {
    worker.terminate();
  }
}

const PROGRAM = {
  "task.ts": `import { half } from "./lib/half.ts";\nexport const run = (n: number) => half(n);`,
  "lib/half.ts": `import { two } from "./two.ts";\nexport const half = (n: number) => n / two;`,
  "lib/two.ts":
    `import data from "./two.json" with { type: "json" };\nexport const { two } = data;`,
  "lib/two.json": `{ "two": 2 }`,
};

const NAMES = Object.keys(PROGRAM) as (keyof typeof PROGRAM)[];

/** Ways in which a file becomes another one; the times of the last write are those of long ago. */
const WAYS: { readonly [way: string]: (path: string, text: string) => void } = {
  "is written to": (path, text) => Deno.writeTextFileSync(path, text),
  "is replaced by an old file": (path, text) => {
    Deno.writeTextFileSync(`${path}.new`, text);
    Deno.utimeSync(`${path}.new`, 1, 2);
    Deno.renameSync(`${path}.new`, path);
  },
  "is written to, and gets its old time back": (path, text) => {
    const { mtime } = Deno.statSync(path);
    Deno.writeTextFileSync(path, text);
    Deno.utimeSync(path, mtime ?? 0, mtime ?? 0);
  },
  "becomes a link": (path, text) => {
    Deno.writeTextFileSync(`${path}.new`, text);
    Deno.removeSync(path);
    Deno.symlinkSync(`${path}.new`, path);
  },
  "is in a folder that is replaced": (path, text) => {
    const folder = path.slice(0, path.lastIndexOf("/"));
    Deno.mkdirSync(`${folder}.new`);
    for (const { name } of Deno.readDirSync(folder)) {
      if (Deno.statSync(`${folder}/${name}`).isFile) {
        Deno.copyFileSync(`${folder}/${name}`, `${folder}.new/${name}`);
      }
    }
    Deno.writeTextFileSync(`${folder}.new/${path.slice(folder.length + 1)}`, text);
    Deno.renameSync(folder, `${folder}.old`);
    Deno.renameSync(`${folder}.new`, folder);
  },
  "goes": (path) => Deno.removeSync(path),
};

for (const [way, change] of Object.entries(WAYS)) {
  Deno.test(`findChangedSource() sees that a file ${way} before a worker begins`, async () => {
    using stack = new DisposableStack();
    const questions: Question[] = [];
    const expected: Looked[] = [];
    for (const name of NAMES) {
      if (name === "task.ts" && way.includes("folder")) continue;
      const sources = stack.use(new Sources(PROGRAM));
      await sources.load();
      questions.push({ witness: await sources.witness() });
      expected.push([sources.base + name]);
      change(`${sources.path}/${name}`, PROGRAM[name].replace(/.$/, " "));
    }
    assertEquals(await lookInWorker(questions), expected);
  });

  Deno.test(`SourceWitnesses.get() tells what was loaded, though a file ${way}`, async () => {
    for (const name of NAMES) {
      if (name === "task.ts" && way.includes("folder")) continue;
      using sources = new Sources(PROGRAM);
      const expected = await new SourceWitnesses().get(`${sources.base}task.ts`);
      using loaded = new Sources(PROGRAM);
      await loaded.load();
      change(`${loaded.path}/${name}`, PROGRAM[name].replace(/.$/, " "));
      const { files, changed } = await loaded.witness();
      const digests = new Map(files.map(({ url, digest }) => [loaded.names([url])[0], digest]));
      // Of JSON Deno does not give the text again.
      assertEquals(loaded.names(changed), name === "lib/two.json" && way !== "goes" ? [name] : []);
      for (const { url, digest } of expected.files) {
        const [own = ""] = sources.names([url]);
        if (own !== "lib/two.json") assertEquals(digests.get(own), digest, own);
      }
    }
  });
}

Deno.test("findChangedSource() takes what was put back before the import for the same", async () => {
  using sources = new Sources(PROGRAM);
  await sources.load();
  const witness = await sources.witness();
  for (const name of NAMES) {
    sources.write(name, "");
    sources.write(name, PROGRAM[name]);
    Deno.utimeSync(`${sources.path}/${name}`, 1, 2);
  }
  assertEquals(await sources.findChanged(witness, { load: `${sources.base}task.ts` }), []);
});

Deno.test("findChangedSource() tells what a worker has loaded, whatever was put back", async () => {
  using sources = new Sources(PROGRAM);
  const witness = await sources.witness();
  const { path, base } = sources;
  sources.write("lib/half.ts", "export const half = (n: number) => n;");
  const put = [`${path}/lib/half.ts`, PROGRAM["lib/half.ts"]] as const;
  const steps = { load: `${base}task.ts`, put };
  assertEquals(await sources.findChanged(witness, steps), ["lib/half.ts"]);
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
  Deno.removeSync(`${sources.path}/now`);
  Deno.symlinkSync("two", `${sources.path}/now`);
  assertEquals(await sources.findChanged(witness), ["now/code.ts"]);
});

Deno.test("findChangedSource() names a file that was not there when it was witnessed", async () => {
  using sources = new Sources({ "task.ts": `import "./added.ts";` });
  const witness = await sources.witness();
  assertEquals(await sources.findChanged(witness), []);
  sources.write("added.ts", "");
  assertEquals(await sources.findChanged(witness), ["added.ts"]);
});

/** A module that imports another one while it runs. */
const LATE = { "task.ts": `export const later = () => import("./a.ts");`, "a.ts": "export {};" };

for (const [way, change] of Object.entries(WAYS).filter(([way]) => !way.includes("folder"))) {
  Deno.test(`findChangedFile() sees that a file ${way} that may be imported later`, async () => {
    using sources = new Sources(LATE);
    const { late } = structuredClone(await sources.witness());
    assertEquals(sources.names(late.map(({ url }) => url)), ["a.ts"]);
    assertStrictEquals(findChangedFile(late, Date.now() + 2000), undefined);
    change(`${sources.path}/a.ts`, "export { };");
    assertEquals(findChangedFile(late, Date.now() + 2000), `${sources.base}a.ts`);
  });
}

Deno.test("findChangedFile() names what was put back after the import began", async () => {
  using sources = new Sources(LATE);
  const { late } = await sources.witness();
  sources.write("a.ts", LATE["a.ts"]);
  assertStrictEquals(findChangedFile(late, Date.now() + 2000), undefined);
  assertEquals(findChangedFile(late, 0), `${sources.base}a.ts`);
});

Deno.test("findChangedFile() does not read a file that shows no sign of a write", async () => {
  using sources = new Sources({
    "task.ts": `export const f = () => import("${import.meta.url}");`,
  });
  const { late } = await sources.witness();
  const settled = late.filter((file) => file.stamp !== undefined);
  assert(settled.length > 0, "all files of this test were written just now");
  const files = settled.map((file) => ({ ...file, digest: "of something else" }));
  assertStrictEquals(findChangedFile(files, 0), undefined);
});

Deno.test("SourceWitnesses.get() doubts what was read before it was loaded, and edited", async () => {
  using sources = new Sources({ ...LATE, "now.ts": `import "./a.ts";` });
  await sources.witness();
  sources.write("a.ts", "export const a = 1;");
  // What the module has loaded now is not what was read before.
  await sources.load("now.ts");
  const { changed } = await sources.witness("now.ts");
  assertEquals(sources.names(changed), ["a.ts"]);
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
    const witness = await new SourceWitnesses().get(module);
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
  const witnesses = new SourceWitnesses();
  const first = witnesses.get(`${sources.base}task.ts`);
  await first;
  sources.write("lib/two.json", `{ "two": 3 }`);
  assertStrictEquals(witnesses.get(`${sources.base}task.ts`), first);
  const other = await witnesses.get(`${sources.base}other.ts`);
  assertEquals(await sources.findChanged(other), ["lib/two.json"]);
});

Deno.test("SourceWitnesses.get() tells which files may be imported while a call runs", async () => {
  using sources = new Sources({
    "task.ts": `import "./a.ts"; await import("./b.ts");`,
    "a.ts": "",
    "b.ts": `import "./c.ts"; import "./a.ts"; import "./task.ts";`,
    "c.ts": "",
  });
  const { files, late } = await sources.witness();
  assertEquals(sources.names(files.map(({ url }) => url)), ["a.ts", "task.ts"]);
  assertEquals(sources.names(late.map(({ url }) => url)), ["b.ts", "c.ts"]);
});

Deno.test("SourceWitnesses.get() reads no devices", async () => {
  using sources = new Sources({
    "task.ts": `import "/dev/zero"; import "/dev"; import "./a.ts/b";`,
  });
  // Without all permissions Deno does not let devices be read at all.
  const { files, changed } = await sources.witness();
  const read = files.filter(({ digest }) => digest !== undefined).map(({ url }) => url);
  assertEquals([sources.names(read), changed], [["task.ts"], []]);
  assertEquals(await sources.findChanged(await sources.witness()), []);
});

const TASK = new URL("./function_profile_test.ts", import.meta.url);
const IMPORTED = new URL("../std_assert.ts", import.meta.url);
const DIFFERENT = { digest: "of something else" };

Deno.test({
  name: "SourceWitnesses.get() leaves out what may not be read, and names it",
  permissions: { read: [TASK] },
  fn: async () => {
    const { files, unread } = await new SourceWitnesses().get(TASK.href);
    assertEquals(files.map(({ url }) => url), [TASK.href]);
    assert(unread.includes(IMPORTED.href));
  },
});

Deno.test({
  name: "findChangedSource() looks only at what it may read",
  permissions: { read: [TASK] },
  fn: async () => {
    const other = { url: IMPORTED.href, ...DIFFERENT };
    const files = [other, { url: TASK.href, ...DIFFERENT }];
    const witness = { files, late: [], changed: [], unread: [] };
    assertEquals(await findChangedSource(witness), TASK.href);
    assertStrictEquals(await findChangedSource({ ...witness, files: [other] }), undefined);
    assertEquals(findChangedFile(files, 0), TASK.href);
    assertStrictEquals(findChangedFile([other], 0), undefined);
  },
});

Deno.test({
  name: "SourceWitnesses.get() needs no permission",
  permissions: "none",
  fn: async () => {
    const witness = await new SourceWitnesses().get(TASK.href);
    assertEquals(witness, { files: [], late: [], changed: [], unread: [TASK.href] });
    assertStrictEquals(await findChangedSource(witness), undefined);
  },
});
