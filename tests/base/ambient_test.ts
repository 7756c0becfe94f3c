// Contract: what is no Deno, or too old a one, is told so in one sentence.
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { stripTypeScriptTypes } from "node:module";
import { refuseOtherRuntimes } from "../../src/base/ambient.ts";
import { Tool } from "../tools.ts";

const ROOT = new URL("../../", import.meta.url);

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier?: string };
    }[];
  }[];
}

for (const version of ["2.9.6", "2.9.10", "2.10.0", "3.0.0-rc.1"]) {
  Deno.test(`refuseOtherRuntimes() takes Deno ${version}`, () => {
    refuseOtherRuntimes({
      Deno: { version: { deno: version } },
      process: { versions: { node: "24" } },
    });
  });
}

for (
  const [name, globals] of [
    ["Deno 2.9.5", { Deno: { version: { deno: "2.9.5" } } }],
    ["Deno 2.8.12", { Deno: { version: { deno: "2.8.12" } } }],
    ["Deno 1.46.3", { Deno: { version: { deno: "1.46.3" } } }],
    ["Node.js 20.20.2", { process: { versions: { node: "20.20.2" } } }],
    ["Bun 1.3.0", { process: { versions: { node: "24.3.0", bun: "1.3.0" } } }],
    ["a runtime without a name", { navigator: {} }],
  ] as const
) {
  Deno.test(`refuseOtherRuntimes() refuses ${name}`, () => {
    const { message } = assertThrows(() => refuseOtherRuntimes(globals), Error);
    const remedy = name.startsWith("Deno") ? "run `deno upgrade`" : "see https://deno.com";
    assertEquals(
      message,
      `Cannot import Quiver: this is ${name}, and it needs Deno 2.9.6 or later; ${remedy}`,
    );
  });
}

const NODE = Tool.find("node");

Deno.test({
  ...NODE.forTest("src/base/ambient.ts as JavaScript refuses Node at its import"),
  fn: async () => {
    const folder = await Deno.makeTempDir();
    for (const name of ["ambient", "lazy_import", "warning"]) {
      const text = await Deno.readTextFile(new URL(`src/base/${name}.ts`, ROOT));
      const code = stripTypeScriptTypes(text).replaceAll('.ts"', '.mjs"');
      await Deno.writeTextFile(`${folder}/${name}.mjs`, code);
    }
    const { code, output } = NODE.run(`${folder}/ambient.mjs`);
    await Deno.remove(folder, { recursive: true });
    assertEquals(code, 1);
    const version = NODE.run("--version").output.trim().slice(1);
    assertStringIncludes(
      output,
      `Error: Cannot import Quiver: this is Node.js ${version}, and it needs Deno 2.9.6 or later`,
    );
  },
});

for (
  const entry of [
    "mod.ts",
    "src/caches.ts",
    "src/pools.ts",
    "src/workers.ts",
    "src/executor/pools/pool_worker.ts",
  ]
) {
  Deno.test(`${entry} runs src/base/ambient.ts before all that needs a runtime`, async () => {
    const order = await readOrder(entry);
    const before = order.slice(0, order.indexOf("src/base/ambient.ts"));
    // They have nothing in them but classes, functions, and a table of names.
    const harmless = ["src/base/errors.ts", "src/base/lazy_import.ts", "src/base/warning.ts"];
    const own = before.filter((file) => file.startsWith("src/"));
    assertEquals(own.filter((file) => !harmless.includes(file)), []);
  });
}

/** The modules of an entry in the order in which they are run. */
async function readOrder(entry: string): Promise<string[]> {
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", new URL(entry, ROOT).href],
    stderr: "null",
  }).output();
  const { modules }: Graph = JSON.parse(new TextDecoder().decode(stdout));
  const dependencies = new Map(modules.map((module) => [module.specifier, module.dependencies]));
  const found = new Set<string>();
  const order: string[] = [];
  const visit = (url: string): void => {
    if (found.has(url)) return;
    found.add(url);
    for (const { isDynamic, code } of dependencies.get(url) ?? []) {
      if (code?.specifier !== undefined && !isDynamic) visit(code.specifier);
    }
    order.push(url.replace(ROOT.href, ""));
  };
  visit(new URL(entry, ROOT).href);
  return order;
}
