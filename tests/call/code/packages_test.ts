// contract: packages count by their versions, which lock files and installed packages tell
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { digestOf, type Files, readCode, toTasks } from "./_digest.ts";

const LOCK = {
  version: "5",
  specifiers: {
    "npm:acorn@^8.19.0": "8.19.0",
    "npm:other@1": "1.0.0",
    "jsr:@std/path@1": "1.0.1",
    "jsr:@std/internal@^1.0.5": "1.0.6",
    "npm:tilde@~0.10.3": "0.10.3",
  },
  jsr: {
    "@std/path@1.0.1": { dependencies: ["jsr:@std/internal@^1.0.5"] },
    "@std/internal@1.0.6": {},
  },
  npm: {
    "acorn@8.19.0": { integrity: "a", dependencies: ["needed", "both@2.0.0"] },
    "needed@1.0.0": { integrity: "b" },
    "both@1.0.0": {},
    "both@2.0.0": {},
    "other@1.0.0": {},
    "tilde@0.10.3": {},
  },
  remote: { "https://example.com/a.ts": "1" },
};

/** A program that imports something, with a lock file; `change` edits its text. */
function program(specifier: string, change: (lock: string) => string = (lock) => lock): Files {
  return {
    "deno.json": "{}",
    "deno.lock": change(JSON.stringify(LOCK)),
    "tasks.ts": toTasks(
      `import { helper } from "${specifier}"; import * as unused from "npm:unknown";`,
    ),
  };
}

function edit(from: string, to: string): (lock: string) => string {
  return (lock) => {
    assert(lock.includes(from), from);
    return lock.replaceAll(from, to);
  };
}

const ACORN = "npm:acorn@^8.19.0";

Deno.test("codeParts() counts the version of a package in the lock file", async () => {
  const before = await readCode(program(ACORN));
  assertEquals(before.parts?.at(-1)?.startsWith("npm:acorn 8.19.0"), true);
  for (
    const [from, to] of [
      [':"8.19.0"', ':"8.19.1"'],
      // What it needs counts, too.
      ["needed@1.0.0", "needed@1.0.1"],
      ["both@2.0.0", "both@2.0.1"],
    ] as const
  ) {
    assertNotEquals(await digestOf(program(ACORN, edit(from, to))), before.digest, to);
  }
  for (
    const [from, to] of [
      ["other@1.0.0", "other@1.0.1"],
      ["both@1.0.0", "both@1.0.1"],
      ['"integrity":"a"', '"integrity":"c"'],
    ] as const
  ) {
    assertEquals(await digestOf(program(ACORN, edit(from, to))), before.digest, to);
  }
});

Deno.test("codeParts() does not count the range that a version was found by", async () => {
  const before = await digestOf(program(ACORN));
  const other = edit("npm:acorn@^8.19.0", "npm:acorn@^8.1.0");
  assertEquals(await digestOf(program("npm:acorn@^8.1.0", other)), before);
  assertEquals(await digestOf(program("npm:acorn@8.19.0")), before);
  // Deno writes some ranges in another way.
  assertEquals(await digestOf(program("npm:acorn")), before);
  await readCode(program("npm:tilde@^0.10.3"));
});

Deno.test("codeParts() counts the version of a package of JSR, and of what it needs", async () => {
  const before = await digestOf(program("jsr:@std/path@1"));
  const own = edit('1.0.1"', '1.0.2"');
  assertNotEquals(await digestOf(program("jsr:@std/path@1", own)), before);
  const needed = edit("1.0.6", "1.0.7");
  assertNotEquals(await digestOf(program("jsr:@std/path@1", needed)), before);
  assertNotEquals(await digestOf(program("jsr:@std/path@1/posix")), before);
});

Deno.test("codeParts() refuses a package whose version nothing tells", async () => {
  for (
    const files of [
      program("npm:nowhere@^1"),
      { "tasks.ts": toTasks(`import { helper } from "${ACORN}-no-lock";`) },
    ]
  ) {
    const error = await assertRejects(
      () => readCode(files),
      TypeError,
      "Cannot tell which version",
    );
    assert(error.message.includes("deno.lock"), error.message);
  }
  await assertRejects(
    () => readCode(program(ACORN, () => "{ torn")),
    TypeError,
    "Cannot read the lock file",
  );
});

Deno.test("codeParts() refuses a package without a version in what is not understood, too", async () => {
  const tasks = toTasks(`import { helper } from "./helper.tsx";`);
  const files = {
    "tasks.ts": tasks,
    "helper.tsx": `import { x } from "npm:nowhere@^1"; export const helper = () => <a>{x}</a>;`,
  };
  await assertRejects(() => readCode(files), TypeError, "Cannot tell which version");
  // What only looks like an import is none.
  const text = `// from "./gone.ts", from "bare"\nexport const helper = () => <a>from "bare"</a>;`;
  await readCode({ "tasks.ts": tasks, "helper.tsx": text });
});

Deno.test("codeParts() needs no lock file for an exact version, nor for what is installed", async () => {
  const exact = { "tasks.ts": toTasks(`import { helper } from "npm:acorn@8.0.0";`) };
  assertEquals((await readCode(exact)).parts?.at(-1), "npm:acorn 8.0.0");
  const installed = {
    "tasks.ts": toTasks(`import { helper } from "npm:acorn@^8";`),
    "node_modules/acorn/package.json": '{ "name": "acorn", "version": "8.1.0" }',
  };
  assertEquals((await readCode(installed)).parts?.at(-1), "npm:acorn 8.1.0");
});

Deno.test("codeParts() counts what is in node_modules by name, version and file", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "pkg";`),
    "node_modules/pkg/package.json": '{ "name": "pkg", "version": "1.0.0" }',
    "node_modules/pkg/dist/index.js": "export const helper = 1;",
  };
  const resolve = (specifier: string, folder: string) =>
    specifier === "pkg" ? `${folder}node_modules/pkg/dist/index.js` : specifier;
  const before = await digestOf(files, { resolve });
  const text = { ...files, "node_modules/pkg/dist/index.js": "export const helper = 2;" };
  assertEquals(await digestOf(text, { resolve }), before);
  const json = '{ "name": "pkg", "version": "1.0.1" }';
  const version = { ...files, "node_modules/pkg/package.json": json };
  assertNotEquals(await digestOf(version, { resolve }), before);
});

Deno.test("codeParts() counts a package that Deno keeps for all programs by name and version", async () => {
  // As `import.meta.resolve()` gives it where there is no `node_modules`.
  const resolve = (version: string) => () =>
    `file:///home/me/.cache/deno/npm/registry.example/acorn/${version}/dist/acorn.mjs`;
  const { parts } = await readCode(program("acorn"), { resolve: resolve("8.19.0") });
  const version = parts?.at(-1);
  // With what it needs, as the lock file has it.
  assert(version?.startsWith("npm:acorn/dist/acorn.mjs 8.19.0+"), String(parts));
  // The lock file may be none of the program's: what was loaded counts.
  const other = await readCode(program("acorn"), { resolve: resolve("8.20.0") });
  assertEquals(other.parts?.at(-1), "npm:acorn/dist/acorn.mjs 8.20.0");
  const scoped = await readCode(program("x"), {
    resolve: () => "file:///cache/npm/localhost_4873/@a/b/1.2.3-rc.1/x.js",
  });
  assertEquals(scoped.parts?.at(-1), "npm:@a/b/x.js 1.2.3-rc.1");
});

Deno.test("codeParts() counts the version that was loaded, whatever the lock file says", async () => {
  const files = program(ACORN);
  const loaded = (version: string) => (specifier: string) => {
    assert(specifier.startsWith("npm:"), specifier);
    return `file:///p/node_modules/.deno/acorn@${version}/node_modules/acorn/dist/acorn.mjs`;
  };
  // Whoever has a map of their own is not resolved by Deno.
  const mapped = {
    ...files,
    "deno.json": JSON.stringify({ scopes: { "./": { mapped: ACORN } } }),
    "tasks.ts": toTasks(`import { helper } from "mapped";`),
  };
  const { parts } = await readCode(mapped, { resolve: loaded("8.19.0") });
  assert(parts?.[1]?.startsWith("npm:acorn 8.19.0+"), String(parts));
  const other = await readCode(mapped, { resolve: loaded("8.19.1") });
  assertEquals(other.parts?.[1], "npm:acorn 8.19.1");
  // By `links` the package is a folder of the user's.
  const linked = { ...mapped, "linked.ts": "export const helper = () => 1;" };
  const resolve = (specifier: string, folder: string) =>
    specifier.startsWith("npm:") ? `${folder}linked.ts` : specifier;
  const local = (await readCode(linked, { resolve })).parts ?? [];
  assert(local.some((part) => part.startsWith("./linked.ts#helper ")), String(local));
});

Deno.test("codeParts() counts what an import map leads to", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "${"lib"}/a.ts";`), // No import of this very file.
    "one/a.ts": "export const helper = 1;",
    "two/a.ts": "export const helper = 2;",
    "three/a.ts": "export const helper = 1; export const other = 2;",
  };
  const digests = await Promise.all(["one", "two", "three"].map((to) =>
    digestOf(files, {
      resolve: (specifier, folder) =>
        specifier.startsWith("lib/") ? `${folder}${to}/${specifier.slice(4)}` : specifier,
    })
  ));
  assertNotEquals(digests[0], digests[1]);
  assertEquals(digests[0], digests[2]);
});

Deno.test("codeParts() reads the import map of another member of the workspace", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "./member/mod.ts";`),
    "deno.json": `{ "workspace": ["./member"] }`,
    "member/deno.json": `{ /* its own */ "imports": { "own/": "./one/", }, }`,
    "member/mod.ts": `export { helper } from "own/a.ts";`,
    "member/one/a.ts": "export const helper = 1;",
    "member/two/a.ts": "export const helper = 2;",
  };
  const before = await digestOf(files);
  const map = `{ "imports": { "own/": "./two/" } }`;
  assertNotEquals(await digestOf({ ...files, "member/deno.json": map }), before);
  const moved = { ...files, "member/one/a.ts": "export const helper = 3;" };
  assertNotEquals(await digestOf(moved), before);
});

Deno.test("codeParts() reads the import maps of scopes, and of a file of their own", async () => {
  const files = {
    "tasks.ts": toTasks(`import { helper } from "./inside/mod.ts";`),
    "deno.json": `{ "importMap": "./maps/map.json" }`,
    "maps/map.json": `{ "imports": { "named/": "../one/" },
      "scopes": { "../inside/": { "named/": "../two/" }, "../inside/deep/": { "named/": "../one/" } } }`,
    "inside/mod.ts": `export { helper } from "named/a.ts";`,
    "one/a.ts": "export const helper = 1;",
    "two/a.ts": "export const helper = 2;",
  };
  // As the task's own module would have it, which is outside of the scope.
  const resolve = (specifier: string, folder: string) =>
    specifier === "named/a.ts" ? `${folder}one/a.ts` : specifier;
  const before = await digestOf(files, { resolve });
  const edited = { ...files, "two/a.ts": "export const helper = 3;" };
  assertNotEquals(await digestOf(edited, { resolve }), before);
  const other = { ...files, "one/a.ts": "export const helper = 3;" };
  assertEquals(await digestOf(other, { resolve }), before);
});

Deno.test("codeParts() counts code from URLs by the URL and the lock file", async () => {
  const known = await readCode(program("https://example.com/a.ts"));
  assertEquals(known.warnings, []);
  const other = await readCode(program("https://example.com/a.ts", edit(':"1"}', ':"2"}')));
  assertNotEquals(other.digest, known.digest);
  const { warnings } = await readCode(program("https://example.com/b.ts"));
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes("no lock file has its digest"), warnings[0]);
});

Deno.test("codeParts() refuses a specifier that nothing knows, if it is used", async () => {
  const used = { "tasks.ts": toTasks(`import { helper } from "bare";`) };
  await assertRejects(() => readCode(used), TypeError, 'Cannot tell what "bare" in "file:');
  const unused = { "tasks.ts": toTasks(`import { type T } from "bare"; const helper = 1;`) };
  await readCode(unused);
});

Deno.test("codeParts() refuses a module that is gone, if it is used", async () => {
  const used = { "tasks.ts": toTasks(`import { helper } from "./gone.ts";`) };
  await assertRejects(() => readCode(used), TypeError, "is gone; start the program again");
  const unused = { "tasks.ts": toTasks(`import { T } from "./gone.ts"; const helper = 1 as T;`) };
  await readCode(unused);
});
