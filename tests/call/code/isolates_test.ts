// end-to-end: where a program runs and what it may read
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import { apply, KEYS, Projects } from "./_projects.ts";

const QUIVER = new URL("../../../mod.ts", import.meta.url).href;

const FILES = {
  "tasks.ts": `
import { task } from "${QUIVER}";
import { helper } from "./helper.ts";
export const simulate = task(import.meta, function simulate(x: number): number {
  return helper(x);
});
`,
  "helper.ts": `export const helper = (x: number): number => x + 1;\n`,
};

Deno.test("a call has one key in each isolate, whatever it is imported by", async () => {
  using projects = new Projects();
  projects.add(FILES);
  const told = await Promise.all(
    ["here", "web", "process", "inline"].map((kind) => projects.tell(kind)),
  );
  const keys = new Set(told.flat().map(({ key }) => key));
  assertEquals(keys.size, 1);
  assert(!keys.has("none"), JSON.stringify(told));
});

const PROGRAM = `
import { cacheScope, createMemoryCache } from "${QUIVER}";
import { simulate } from "./tasks.ts";
import { other } from "./other.ts";
const cache = createMemoryCache();
await cacheScope({ cache, strict: true }, async () => {
  await Promise.all([simulate(1), other(1)]);
  console.log(JSON.stringify([await simulate.digest(1), await other.digest(1)]));
});
`;

Deno.test("a program that may not read its modules counts functions, and says so once", async () => {
  using projects = new Projects();
  const files = {
    ...FILES,
    "main.ts": PROGRAM,
    "other.ts": FILES["tasks.ts"].replaceAll("simulate", "other"),
  };
  const folder = projects.add(files);
  const quiver = new URL("../../../", import.meta.url).pathname;
  const all = `--allow-read=${folder},${quiver}`;
  const whole = await projects.run(`${folder}/main.ts`, [all]);
  assertEquals(whole.stderr, "");
  const told: unknown[] = [whole.stdout];
  for (
    const flags of [[], [`--allow-read=${folder}`], [`--allow-read=${quiver}`], [
      all,
      `--deny-read=${folder}/helper.ts`,
    ]]
  ) {
    const { stdout, stderr } = await projects.run(`${folder}/main.ts`, flags);
    assertMatch(stderr, /^Warning: Cannot read the code that tasks use: .*`--allow-read`.*\n$/);
    told.push(stdout);
  }
  assertNotEquals(told[0], told[1]);
  assertEquals(new Set(told.slice(1)).size, 1);
  apply(folder, { "helper.ts": "export const helper = (x) => x - 1;" });
  assertEquals((await projects.run(`${folder}/main.ts`, [])).stdout, told[1]);
  assertNotEquals((await projects.run(`${folder}/main.ts`, [all])).stdout, told[0]);
});

const READY = `
import { cacheScope, Executor, openBag, type Task, task } from "${QUIVER}";
import { helper } from "./helper.ts";
export const simulate = task(import.meta, function simulate(x: number): number {
  return helper(x);
});
export const apply = task(import.meta, async function apply(
  inner: (x: number) => Promise<number>,
  _x: number,
): Promise<string> {
  return typeof inner;
});
if (import.meta.main) {
  const path = new URL("results.bag", import.meta.url).pathname;
  await using bag = await openBag(path, { fold: "manual" });
  await using executor = new Executor({
    ...{ workerType: "process", maxWorkers: 1 },
    permissions: { read: [path], write: [path] },
  });
  await cacheScope({ cache: bag, strict: true }, async () => {
    await executor.submit(simulate, 1);
    await executor.submit(apply as Task<unknown[], unknown>, simulate, 1);
    console.log(JSON.stringify([
      await simulate.contains(1),
      await (apply as Task<unknown[], unknown>).contains(simulate, 1),
    ]));
  });
}
`;

Deno.test("workers are handed ready keys, and read no code", async () => {
  using projects = new Projects();
  const folder = projects.add({ ...FILES, "tasks.ts": READY });
  // It may read nothing but the bag: to read code it would have to warn.
  const { stdout, stderr } = await projects.run(`${folder}/tasks.ts`, ["-A"]);
  assertEquals([stdout, stderr], ["[true,true]\n", ""]);
});

const NESTED = {
  "tasks.ts": `
import { task } from "${QUIVER}";
import { helper } from "./helper.ts";
import { other } from "./other.ts";
export const inner = task(import.meta, function inner(x: number): number {
  return helper(x);
});
/** The keys of nested calls, in an isolate that makes them by itself, and whether one was a hit. */
export const outer = task(import.meta, async function outer(x: number, given = inner) {
  const call = inner(x);
  await call;
  return [call.hit, await inner.digest(x), await other.digest(x), await given.digest(x + 1)];
});
export const items = task(import.meta, async (x: number) => await inner.digest(x), {
  ...{ name: "items", code: "none" },
});
`,
  "other.ts": `
import { task } from "${QUIVER}";
import { helper } from "./helper.ts";
export const other = task(import.meta, function other(x: number): number {
  return helper(x) * 2;
});
`,
  "helper.ts": FILES["helper.ts"],
  "main.ts": `
import { cacheScope, Executor, openBag } from "${QUIVER}";
import { inner, items, outer } from "./tasks.ts";
import { other } from "./other.ts";
const [path = "", edited = ""] = Deno.args;
await using bag = await openBag(path, { fold: "manual" });
await using executor = new Executor({
  ...{ workerType: "process", maxWorkers: 1 },
  permissions: { read: [path], write: [path] },
});
// A call that is not remembered brings no code: the worker counts the function, and says so.
if (edited === "") await executor.submit(items, 1);
await cacheScope({ cache: bag }, async () => {
  const keys = [await inner.digest(1), await other.digest(1), await inner.digest(2)];
  await inner(1);
  if (edited !== "") {
    Deno.writeTextFileSync(new URL("helper.ts", import.meta.url), edited);
    // Nobody is to know the call by what the worker finds.
    await inner.evict(1);
  }
  const [hit, ...made] = await executor.submit(outer, 1);
  const [whole] = await executor.submit(outer as never, 3, inner as never).then((told) => [(told as unknown[])[3]]);
  const mapped = await Array.fromAsync(executor.map(items, [1, 2]));
  console.log(JSON.stringify({
    hit,
    same: made.map((key, at) => key === keys[at]),
    given: whole === await inner.digest(4),
    mapped: [mapped[0] === keys[0], mapped[1] === keys[2]],
    known: [await outer.contains(1), await inner.contains(1)],
  }));
});
`,
};

// issue: the same key in every isolate
Deno.test("calls that calls make on workers which may read less have the keys that they have here", async () => {
  using projects = new Projects();
  const folder = projects.add(NESTED);
  const { stdout, stderr } = await projects.run(`${folder}/main.ts`, ["-A"], [`${folder}/a.bag`]);
  assertMatch(stderr, /^Warning: Cannot read the code that tasks use: .*\n$/);
  assertEquals(JSON.parse(stdout), {
    hit: true,
    same: [true, true, true],
    given: true,
    mapped: [true, true],
    known: [true, true],
  });
});

Deno.test("a worker that may read less, and began after an edit, remembers nothing by the keys of before", async () => {
  using projects = new Projects();
  const folder = projects.add(NESTED);
  const edited = "export const helper = (x: number): number => x - 1;";
  const { stdout, stderr } = await projects.run(`${folder}/main.ts`, ["-A"], [
    `${folder}/a.bag`,
    edited,
  ]);
  assertMatch(stderr, /Cannot remember calls of "outer" on workers: ".*helper\.ts" has changed/);
  assertEquals(JSON.parse(stdout), {
    hit: false,
    same: [false, false, false],
    given: false,
    mapped: [false, false],
    known: [false, false],
  });
});

/** Ways in which a helper becomes another one while its program is being loaded. */
const EDITS = {
  "in place": "Deno.writeTextFileSync(helper, edited)",
  "by an old file": "Deno.utimeSync(fresh, 1, 2); Deno.renameSync(fresh, helper)",
  "by a link": "Deno.removeSync(helper); Deno.symlinkSync(fresh, helper)",
  "with its folder": `Deno.renameSync(\`\${root}lib\`, \`\${root}old\`);
    Deno.renameSync(\`\${root}new\`, \`\${root}lib\`)`,
  "and is gone": "Deno.removeSync(helper)",
};

Deno.test("what was loaded counts, whatever becomes of its file before the first key", async () => {
  using projects = new Projects();
  const edited = "export const helper = (x: number): number => x - 1;";
  const folders = Object.values(EDITS).map((edit) =>
    projects.add({
      "tasks.ts": `import "./edit.ts";\n${FILES["tasks.ts"].replace("./helper", "./lib/helper")}`,
      "lib/helper.ts": FILES["helper.ts"],
      "fresh.ts": edited,
      "new/helper.ts": edited,
      "edit.ts": `
const root = new URL("./", import.meta.url).pathname;
const [helper, fresh, edited] = [\`\${root}lib/helper.ts\`, \`\${root}fresh.ts\`, ${
        JSON.stringify(edited)
      }];
if (Deno.args[0] === "edit") { ${edit}; }
`,
    })
  );
  const urls = projects.urls();
  const keys = async (kind: string): Promise<string[]> => {
    const { stdout } = await projects.run(KEYS, ["-A"], [kind, ...urls]);
    const told: { key: string; warnings: string[] }[] = JSON.parse(stdout);
    assertEquals(told.flatMap(({ warnings }) => warnings), []);
    return told.map(({ key }) => key);
  };
  const before = await keys("here");
  assert(!before.includes("none"));
  assertEquals(await keys("edit"), before);
  for (const folder of folders) apply(folder, { "lib/helper.ts": edited });
  for (const [index, key] of (await keys("here")).entries()) assertNotEquals(key, before[index]);
});
