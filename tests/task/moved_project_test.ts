// end-to-end: the calls of a project stay known when it is moved, copied, or checked out by a colleague
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
import { query, rekey } from "@quiver/quiver/caches";

const QUIVER = new URL("../../mod.ts", import.meta.url).href;
const CACHES = new URL("../../src/caches.ts", import.meta.url).href;
const ROOT = new URL("../../", import.meta.url);

const FILES = {
  "deno.json": JSON.stringify({ name: "@lab/ising", version: "1.0.0" }),
  "src/helper.ts": "export const helper = (x: number): number => x / 3;\n",
  "src/tasks.ts": `
import { task } from "${QUIVER}";
import { helper } from "./helper.ts";
export const simulate = task(import.meta, function simulate(x: number): number {
  return helper(x);
});
export const plain = task(import.meta, (x: number) => x, { name: "plain", code: "none" });
export const apply = task(import.meta, async (inner: (x: number) => Promise<number>, x: number) =>
  await inner(x), { name: "apply" });
/** The key that a worker makes, and whether its cache knows it. */
export const look = task(import.meta, async (x: number) => [
  await plain.digest(x),
  await plain.contains(x),
], { name: "look", code: "none" });
`,
  "main.ts": `
import { cacheScope, Executor, openBag } from "${QUIVER}";
import { readOnly, stack } from "${CACHES}";
import { apply, look, plain, simulate } from "./src/tasks.ts";
const [ours = "", mine = ""] = Deno.args;
await using known = await openBag(ours, { fold: "manual" });
await using own = mine === "" ? undefined : await openBag(mine, { fold: "manual" });
const cache = own === undefined ? known : stack(own, readOnly(known));
const told: Record<string, unknown> = {};
for (const workerType of mine === "" ? ["inline"] : ["inline", "web", "process"]) {
  // It may not read what tells the name of the project.
  const limits = workerType === "process" ? { permissions: { read: [ours, mine], write: [ours, mine] } } : {};
  await using executor = new Executor({ workerType: workerType as "web", maxWorkers: 1, ...limits });
  await cacheScope({ cache, strict: true }, async () => {
    const calls = Array.from({ length: 200 }, (_, x) => executor.submit(simulate, x));
    await Promise.all(calls);
    const other = executor.submit(apply as never, plain, 1);
    await other;
    const hits = [...calls, other].filter(({ hit }) => hit).length;
    // What is found out on a worker is not to be remembered.
    const there = await cacheScope({ cache, tags: { workerType } }, () => executor.submit(look, 1));
    await look.evict(1);
    told[workerType] = [hits, there[0] === await plain.digest(1), there[1]];
  });
}
console.log(JSON.stringify({ told, identity: simulate.identity }));
`,
};

function write(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = `${folder}/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(file, text);
  }
  return folder;
}

async function run(folder: string, ...args: readonly string[]): Promise<unknown> {
  const config = new URL("deno.json", ROOT).pathname;
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "-A", "--config", config, `${folder}/main.ts`, ...args],
    cwd: ROOT,
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert(code === 0 && text === "", text);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A folder that goes when it is disposed. */
class Temporary implements Disposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync());
  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}

// fleche 5
Deno.test("200 calls of a project are 200 hits from another path, on workers of all kinds", async () => {
  using place = new Temporary();
  const bags = [`${place.path}/ours.bag`, `${place.path}/mine.bag`];
  const here = write(`${place.path}/my project`, FILES);
  const identity = { module: "@lab/ising/src/tasks.ts", task: "simulate" };
  assertEquals(await run(here, bags[0] ?? ""), {
    told: { inline: [0, true, true] },
    identity,
  });
  // Elsewhere, under another name, and with a bag of one's own in front of that of the group. A folder
  // that was moved in the very second in which the program starts counts as changed since.
  const there = write(`${place.path}/of a colleague/100% ising`, FILES);
  Deno.removeSync(here, { recursive: true });
  const all = [201, true, true];
  assertEquals(await run(there, ...bags), {
    told: { inline: all, web: all, process: all },
    identity,
  });
});

let copies = 0;

/** A task of a file of its own, of which there is no other. */
function define(folder: string, options: object = {}): typeof made {
  const made = task(`file://${folder}/t.ts`, (x: number) => x + 1, {
    name: `t${copies}`,
    ...options,
    code: "none",
  });
  return made;
}

Deno.test("two tasks that keys would take for one are a TypeError at their definition", () => {
  using place = new Temporary();
  copies++;
  const [a, b, c] = ["a", "b", "c"].map((name) =>
    write(`${place.path}/${name}`, { "deno.json": `{"name": "copy${copies}"}`, "t.ts": "" })
  ) as [string, string, string];
  define(a);
  const error = assertThrows(() => define(b), TypeError);
  assertEquals(
    error.message,
    `Cannot define task "t1" of "file://${b}/t.ts": keys and records know "t1" of ` +
      `"file://${a}/t.ts" as "t1" of "copy1/t.ts", too; give one of the projects another name, or ` +
      "one of the tasks the option `id`",
  );
  // The one that was refused is not there, and the remedy helps.
  assertEquals(define(b, { id: "mine/t1" }).identity, { module: "mine", task: "t1" });
  assertThrows(() => define(c, { id: "mine/t1", name: "other" }), TypeError, '"t1" of "mine", too');
  assertThrows(() => define(c, { id: `copy${copies}/t.ts/t1` }), TypeError, "too; give one");
  // The same file by another URL is no other task, and a module with a query is another module.
  Deno.symlinkSync(a, `${place.path}/link`);
  assertEquals(define(`${place.path}/link`).identity, { module: "copy1/t.ts", task: "t1" });
  const again = task(`file://${a}/t.ts?2`, (x: number) => x, { name: "t1" });
  assertEquals(again.identity.module, "copy1/t.ts?2");
});

Deno.test("without a project that has a name, two modules are two", () => {
  using place = new Temporary();
  copies++;
  const [a, b] = ["a", "b"].map((name) => write(`${place.path}/${name}`, { "t.ts": "" }));
  const modules = [define(a ?? ""), define(b ?? "")].map(({ identity: { module } }) => module);
  assertEquals(modules, [`file://${a}/t.ts`, `file://${b}/t.ts`]);
});

Deno.test("`id` stands for module and name, and is checked", async () => {
  const first = task(import.meta, (x: number) => x, { id: "ids/first" });
  assertEquals([first.name, first.identity], ["first", { module: "ids", task: "first" }]);
  assertEquals(first.address, { module: import.meta.url, name: "first" });
  const other = task("file:///elsewhere.ts", (x: number) => x, { name: "other", id: "first" });
  assertEquals([other.name, other.identity], ["other", { module: "", task: "first" }]);
  for (const id of ["", "/a", "a/", "a//b", "https://a/b", 7 as unknown as string]) {
    const error = assertThrows(() => task(import.meta, () => 1, { name: "wrong", id }), TypeError);
    assertStringIncludes(error.message, "the option `id` is a text of one or more parts");
  }
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    await first(1);
    assertEquals(await Array.fromAsync(query(cache, first), ({ module, task }) => [module, task]), [
      ["ids", "first"],
    ]);
    assertEquals(await cache.evict(first), 1);
  });
});

Deno.test("rekey() and accept() carry over what was known by the URL of the module", async () => {
  using place = new Temporary();
  copies++;
  write(place.path, { "deno.json": `{"name": "copy${copies}"}`, "t.ts": "" });
  const url = `file://${place.path}/t.ts`;
  const added = task(url, (x: number) => x + 1, { name: "added", code: "function" });
  const cache = createMemoryCache();
  await cacheScope({ cache }, async () => {
    /** As it was before keys knew projects. */
    const backdate = async (): Promise<void> => {
      await rekey(cache, { change: () => ({ module: added.address.module }) });
      assertEquals(await added.contains(1), false);
      const explanation = await added.explain(1);
      const { identity: { module }, address } = added;
      // As far as the key is concerned, a call that has moved was evicted.
      const moved = { kind: "module", was: address.module, is: module } as const;
      assertEquals(explanation.reasons, [{ kind: "evicted" }, moved]);
      assertStringIncludes(String(explanation), `module: ${address.module} → ${module}; rekey()`);
    };
    await added(1);
    await backdate();
    assertEquals(await rekey(cache), { moved: 1, unchanged: 0, unknown: 0 });
    assertEquals(await added.load(1), 2);
    assertEquals(await rekey(cache), { moved: 0, unchanged: 1, unknown: 0 });

    await backdate();
    const dry = await added.accept({ dryRun: true });
    assertEquals([dry.accepted.length, await added.contains(1)], [1, false]);
    assertEquals((await added.accept()).accepted.length, 1);
    assertEquals(await added.load(1), 2);
    // A folder that is gone is named by whoever knows it.
    await cache.evict(added);
    await rekey(cache, { change: () => ({ module: "file:///gone/ising/t.ts" }) });
    await assertRejects(() => added.load(1));
    await rekey(cache, { change: ({ task }) => task === "added" ? added.identity : {} });
    assertEquals(await added.load(1), 2);
  });
});
