// Contract: what a worker loads before its first call, which is what its start costs.
import { assert, assertEquals } from "@std/assert";

/**
 * How many modules `mod.ts` may import statically. Each takes every starting worker, which loads
 * `mod.ts` with the module of its first task, about 0.15 ms; so do not raise this lightly. What only
 * some programs use belongs behind a `LateModule` or behind `importLater()`
 * (`src/base/lazy_import.ts`): those say which, and `limited_stores.ts` and `lazy_engine.ts` are examples.
 */
const MOST_MODULES = 38;

/**
 * How many modules Deno may read with `mod.ts`, those behind a literal `import()` included, which
 * each starting worker has to find, read and resolve, used or not: half of all, in 1 to 2 ms.
 */
const MOST_READ_MODULES = 64;

/** How many modules a worker may load before it tells its parent that it listens. */
const MOST_ENTRY_MODULES = 12;

const ROOT = new URL("../", import.meta.url).href;

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

/**
 * The modules that are loaded with an entry, whatever it does; those of Quiver by their files.
 *
 * @param entry The module to start with.
 * @param dynamic Whether those count that Deno only reads, as they stand in a literal `import()`.
 */
async function readModules(entry: string, dynamic = false): Promise<string[]> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(entry, ROOT).href],
    stderr: "null",
  }).output();
  assert(success, `deno info ${entry}`);
  const { modules }: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const dependencies = new Map(modules.map((module) => [module.specifier, module.dependencies]));
  const found = new Set<string>();
  const visit = (url: string): void => {
    if (found.has(url)) return;
    found.add(url);
    for (const { isDynamic, code } of dependencies.get(url) ?? []) {
      if (code?.specifier !== undefined && (dynamic || !isDynamic)) visit(code.specifier);
    }
  };
  visit(new URL(entry, ROOT).href);
  return Array.from(found, (url) => url.startsWith(ROOT) ? url.slice(ROOT.length) : url).sort();
}

for (
  const [entry, most, builtIn] of [
    ["mod.ts", MOST_MODULES, ["node:async_hooks"]],
    ["src/executor/guest/worker_main.ts", MOST_ENTRY_MODULES, []],
  ] as const
) {
  Deno.test(`${entry} loads ${most} modules at most`, async () => {
    const modules = (await readModules(entry)).filter((url) => !url.includes(":"));
    assert(modules.length > 1, "the graph was not read");
    assert(modules.length <= most, `${entry} loads ${modules.length}:\n${modules.join("\n")}`);
  });

  Deno.test(`${entry} loads nothing from npm, and of Node only ${builtIn.length}`, async () => {
    const foreign = (await readModules(entry)).filter((url) => url.includes(":"));
    assertEquals(foreign, [...builtIn]);
  });
}

Deno.test(`Deno reads ${MOST_READ_MODULES} modules with mod.ts at most`, async () => {
  const modules = (await readModules("mod.ts", true)).filter((url) => !url.includes(":"));
  assert(modules.includes("src/task/remember_call.ts"), "the graph was not read");
  assert(modules.length <= MOST_READ_MODULES, `it reads ${modules.length}:\n${modules.join("\n")}`);
});

for (const entry of ["src/executor/guest/worker_main.ts", "src/executor/guest/process_main.ts"]) {
  Deno.test(`${entry} reads no module before it listens that it does not load`, async () => {
    const loaded = await readModules(entry);
    assert(loaded.includes("src/worker/served_calls.ts"), "the graph was not read");
    assertEquals(await readModules(entry, true), loaded);
  });
}
