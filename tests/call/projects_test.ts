// Contract: what keys and records know a module by
import { assertEquals, assertThrows } from "@std/assert";
import { findProjects, parseJsonc, toPortableModule } from "../../src/call/projects.ts";

/** A folder with files; nothing is looked at twice in it, as each has a name of its own. */
class Folder implements Disposable {
  readonly #path = Deno.realPathSync(Deno.makeTempDirSync());

  constructor(files: Readonly<Record<string, string>>) {
    for (const [path, text] of Object.entries(files)) {
      const file = `${this.#path}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(file, text);
    }
  }

  /** What a module of it is known by; `~` stands for the URL of the folder. */
  of(path: string): string {
    const root = new URL(`file://${this.#path}/`).href;
    return toPortableModule(root + path).replace(root, "~/");
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }
}

const named = (name: unknown): string => JSON.stringify({ name, version: "1.2.3" });

Deno.test("toPortableModule() names the nearest project that has a name", () => {
  using folder = new Folder({
    "deno/deno.json": named("@lab/ising"),
    "jsonc/deno.jsonc":
      `// A name\n{ /* "name": "x", */ "imports": {"//": "/*",}, "name": "a,}", }`,
    "jsr/jsr.json": named("@lab/jsr"),
    "npm/package.json": named("lab"),
    "both/deno.json": "{}",
    "both/package.json": named("both"),
    "first/deno.json": named("deno"),
    "first/package.json": named("npm"),
    "root/deno.json": `{"name": "@lab/root", "workspace": ["member", "other"]}`,
    "root/member/deno.json": `{"imports": {}}`,
    "root/other/deno.json": named("@lab/other"),
    "root/node_modules/@x/y/package.json": named("@x/y"),
    "root/node_modules/@x/y/dist/package.json": `{"type": "commonjs"}`,
    "nameless/deno.json": `{"tasks": {}}`,
    "broken/deno.json": `{"name": `,
    "odd/deno.json": named(7),
    "empty/deno.json": named(""),
    "mark/deno.json": "\uFEFF" + named("marked"),
    "a b/100%/deno.json": named("spaces"),
    "folder/deno.json/x": "",
    "plain.ts": "",
  });
  const known = {
    "deno/main.ts": "@lab/ising/main.ts",
    "deno/src/deep/a.ts": "@lab/ising/src/deep/a.ts",
    "jsonc/a.ts": "a,}/a.ts",
    "jsr/a.ts": "@lab/jsr/a.ts",
    "npm/a.js": "lab/a.js",
    "both/a.ts": "both/a.ts",
    "first/a.ts": "deno/a.ts",
    "root/member/a.ts": "@lab/root/member/a.ts",
    "root/other/a.ts": "@lab/other/a.ts",
    "root/node_modules/@x/y/dist/a.js": "@x/y/dist/a.js",
    "nameless/a.ts": "~/nameless/a.ts",
    "broken/a.ts": "~/broken/a.ts",
    "odd/a.ts": "~/odd/a.ts",
    "empty/a.ts": "~/empty/a.ts",
    "mark/a.ts": "marked/a.ts",
    "a%20b/100%25/my%20tasks.ts": "spaces/my%20tasks.ts",
    "folder/a.ts": "~/folder/a.ts",
    "plain.ts": "~/plain.ts",
    // What a query or a fragment says may be part of what a module does.
    "deno/main.ts?n=2#x": "@lab/ising/main.ts?n=2#x",
  };
  const found = Object.fromEntries(Object.keys(known).map((path) => [path, folder.of(path)]));
  assertEquals(found, known);
});

Deno.test("toPortableModule() leaves URLs that are the same everywhere as they are", () => {
  for (
    const url of [
      "https://example.org/a/1.0.0/b.ts",
      "https://jsr.io/@lab",
      "data:text/javascript,export{}",
      "blob:null/1b0b1c9a-6c1e-4b0e-8f43-6d7b5f8f6f0e",
      "repl:f",
      "quiver:importDatasets",
      "no URL",
      "",
    ]
  ) assertEquals(toPortableModule(url), url);
  // A package of JSR is what its checkout is, whatever the version.
  assertEquals(
    toPortableModule("https://jsr.io/@lab/ising/1.2.3/src/a.ts"),
    "@lab/ising/src/a.ts",
  );
});

Deno.test("a folder is looked at once, and what was found travels", () => {
  using folder = new Folder({ "deno.json": named("once"), "deep/er/a.ts": "" });
  assertEquals(folder.of("deep/er/a.ts"), "once/deep/er/a.ts");
  const found = Array.from(findProjects().values(), (project) => project?.name);
  assertEquals(found.filter((name) => name === "once").length, 3);
});

Deno.test("parseJsonc() reads what configurations have, and nothing else", () => {
  assertEquals(parseJsonc(`{"a": "\\"//", /* , } */ "b": [1, 2,], // x\n}`), {
    a: '"//',
    b: [1, 2],
  });
  for (const text of ["", "{", "{'a': 1}"]) {
    assertThrows(() => parseJsonc(text), SyntaxError);
  }
});
