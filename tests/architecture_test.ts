// Contract: the rooms of the project, what each may import, and what users may import.
import { assert, assertEquals } from "@std/assert";
import deno from "../deno.json" with { type: "json" };
import { BOUNDARIES } from "../src/base/lazy_import.ts";

/** Top to bottom: a room may import from itself and from rooms below it. */
const ROOMS = [
  "cli",
  "browse",
  "mod",
  "caches",
  "pools",
  "sweeps",
  "workers",
  "testing",
  "executor",
  "task",
  "scope",
  "worker",
  "cache",
  "store",
  "bag",
  "disk",
  "call",
  "value",
  "base",
];

/** Which files may import each dependency; a worker must be able to start without the heavy ones. */
const SEAMS: { readonly [dependency: string]: readonly string[] } = {
  acorn: ["src/call/acorn.ts"],
  "src/browse/dist/page.css": ["src/browse/server/page_files.ts"],
  "src/browse/dist/page.js": ["src/browse/server/page_files.ts"],
  "src/value/codec/cbor_x.js": ["src/value/codec/cbor.ts"],
  "cli-progress": ["src/executor/map/cli_progress.ts"],
  comlink: ["src/worker/web/comlink.ts"],
  commander: ["src/cli/command.ts", "src/cli/program.ts"],
  h5wasm: ["src/bag/hdf5/h5wasm.ts"],
  "hyparquet-writer": ["src/cache/table/to_parquet.ts"],
  preact: [
    "src/browse/page/array_view.tsx",
    "src/browse/page/call_table.tsx",
    "src/browse/page/call_view.tsx",
    "src/browse/page/calls_view.tsx",
    "src/browse/page/compare_view.tsx",
    "src/browse/page/lineage_view.tsx",
    "src/browse/page/main.tsx",
    "src/browse/page/plots.tsx",
    "src/browse/page/route.tsx",
    "src/browse/page/server.tsx",
    "src/browse/page/store_view.tsx",
    "src/browse/page/timeline_view.tsx",
  ],
  uplot: ["src/browse/page/plots.tsx"],
  "node:async_hooks": ["src/base/ambient.ts"],
  "node:sqlite": ["src/store/sqlite/connection.ts"],
};

/** What users import, by the name that they import it by. */
const PUBLIC_ENTRIES = Object.values<string>(deno.exports).map((path) => path.replace("./", ""));

/** Modules that others start by URL, not by import. */
const ENTRIES = [
  ...PUBLIC_ENTRIES,
  "src/browse/page/main.tsx",
  "src/executor/guest/worker_main.ts",
  "src/executor/engine/engine.ts",
  "src/executor/map/map_run.ts",
  "src/executor/guest/worker_calls.ts",
  "src/executor/guest/decode_tasks.ts",
  "src/executor/guest/retirement.ts",
  "src/executor/guest/run_chunk.ts",
  "src/executor/pools/pool_runner.ts",
  "src/executor/pools/pool_worker.ts",
  "src/executor/guest/process_main.ts",
  "src/worker/process/process_worker.ts",
  "src/worker/process/watch_parent.ts",
  "src/bag/backup/backup_worker.ts",
  "src/bag/fold/fold_worker.ts",
  "src/call/module_sources.ts",
  "src/call/code/code_parts.ts",
  "src/store/verify/verify_worker.ts",
];

/**
 * What other rooms may use of each sub-folder: its surface. Where a folder is not listed, it is its
 * room's own.
 */
const SURFACES: { readonly [folder: string]: readonly string[] } = {
  "src/bag/backup": [
    "backup_options.ts",
    "run_backup_worker.ts",
  ],
  "src/bag/hdf5": [
    "access.ts",
  ],
  "src/bag/segment": [
    "format.ts",
    "hdf5_file.ts",
    "segment_writer.ts",
  ],
  "src/bag/verify": [
    "bag_verification.ts",
    "named_values.ts",
    "repair_log.ts",
    "report.ts",
    "verify_files.ts",
  ],
  "src/cache/table": [
    "table.ts",
    "table_content.ts",
  ],
  "src/call/code": [
    "code_parts.ts",
  ],
  "src/executor/dispatch": [
    "worker_statistics.ts",
  ],
  "src/executor/map": [
    "axes.ts",
    "map_task.ts",
    "progress_bar.ts",
    "sweep.ts",
  ],
  "src/executor/pools": [
    "pool_runner.ts",
    "pool_worker.ts",
    "wrap_executor.ts",
  ],
  "src/store/browse": [
    "bag_view.ts",
    "read_bag.ts",
  ],
  "src/store/exchange": [
    "export_bag.ts",
    "export_grid.ts",
    "import_bag.ts",
    "import_datasets.ts",
  ],
  "src/store/limited": [
    "limited_stores.ts",
    "limits.ts",
  ],
  "src/store/signed": [
    "signing_keys.ts",
  ],
  "src/store/verify": [
    "run_verify_worker.ts",
  ],
  "src/value/codec": [
    "cbor.ts",
    "decode_value.ts",
    "encode_value.ts",
    "references.ts",
    "thrown_value.ts",
  ],
  "src/value/digest": [
    "digest_value.ts",
    "refusal.ts",
  ],
  "src/value/file": [
    "file_content.ts",
    "file_digests.ts",
    "file_handle.ts",
    "place_file.ts",
    "stored_file.ts",
  ],
  "src/value/tree": [
    "open_value.ts",
    "slice_array.ts",
    "value_node.ts",
  ],
  "src/worker/process": [
    "expose_process.ts",
    "process_worker.ts",
  ],
  "src/worker/web": [
    "expose_worker.ts",
    "web_worker.ts",
  ],
  "src/worker/wire": [
    "frames.ts",
    "large_buffers.ts",
    "shared_values.ts",
    "unclonable.ts",
  ],
};

interface Dependency {
  readonly specifier: string;
  readonly code?: { readonly specifier?: string };
  readonly type?: { readonly specifier?: string };
}

interface Graph {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly Dependency[];
  }[];
}

const ROOT = new URL("../", import.meta.url).href;

async function readImports(): Promise<Map<string, Set<string>>> {
  const imports = new Map<string, Set<string>>();
  for (const entry of ENTRIES) {
    const { success, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", new URL(entry, ROOT).href],
      stderr: "null",
    }).output();
    assert(success, `deno info ${entry}`);
    const graph: Graph = JSON.parse(new TextDecoder().decode(stdout));
    for (const { specifier, dependencies = [] } of graph.modules) {
      if (!specifier.startsWith(ROOT) || specifier.includes("/node_modules/")) continue;
      const targets = imports.get(specifier.slice(ROOT.length)) ?? new Set();
      imports.set(specifier.slice(ROOT.length), targets);
      for (const { specifier: bare, code, type } of dependencies) {
        const local = [code?.specifier, type?.specifier].find((url) =>
          url?.startsWith(ROOT) && !url.includes("/node_modules/")
        );
        targets.add(local?.slice(ROOT.length) ?? bare);
      }
    }
  }
  return imports;
}

/** Whether a target is a module of this project, and not a dependency. */
function isModule(target: string): boolean {
  return /\.tsx?$/.test(target);
}

function roomOf(file: string): string {
  const [top = "", room = ""] = file.split("/");
  return top === "src" ? room.replace(/\.ts$/, "") : top.replace(/\.ts$/, "");
}

const IMPORTS = await readImports();

Deno.test("rooms import only from themselves and from rooms below", () => {
  const wrong: string[] = [];
  for (const [file, targets] of IMPORTS) {
    const rank = ROOMS.indexOf(roomOf(file));
    assert(rank >= 0, `${file} is in no known room`);
    for (const target of targets) {
      if (!isModule(target)) continue;
      if (ROOMS.indexOf(roomOf(target)) < rank) wrong.push(`${file} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
});

Deno.test("the command uses what users can import", () => {
  const wrong: string[] = [];
  for (const [file, targets] of IMPORTS) {
    if (roomOf(file) !== "cli") continue;
    for (const target of targets) {
      const isOwn = !target.endsWith(".ts") || roomOf(target) === "cli";
      if (!isOwn && !PUBLIC_ENTRIES.includes(target)) wrong.push(`${file} imports ${target}`);
    }
  }
  assertEquals(wrong, []);
});

/** Fails with the first cycle of a graph; what leads to nothing has no entry. */
function refuseCycles(graph: ReadonlyMap<string, ReadonlySet<string>>): void {
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): void => {
    const start = path.indexOf(node);
    assert(start < 0, `cycle: ${[...path.slice(start), node].join(" → ")}`);
    if (done.has(node)) return;
    for (const target of graph.get(node) ?? []) visit(target, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
}

Deno.test("modules import one another without cycles", () => {
  assert(IMPORTS.size > 40, `only ${IMPORTS.size} modules were seen`);
  refuseCycles(IMPORTS);
});

/** The sub-folder of a room that a file is in, if it is in one. */
function folderOf(file: string): string | undefined {
  const parts = file.split("/");
  return parts[0] === "src" && parts.length > 3 ? parts.slice(0, -1).join("/") : undefined;
}

Deno.test("other rooms use of a sub-folder what it has on its surface", () => {
  const found: { [folder: string]: string[] } = {};
  for (const [file, targets] of IMPORTS) {
    for (const target of targets) {
      const folder = folderOf(target);
      if (folder === undefined || roomOf(target) === roomOf(file)) continue;
      const name = target.slice(folder.length + 1);
      const names = found[folder] ??= [];
      if (!names.includes(name)) names.push(name);
    }
  }
  for (const names of Object.values(found)) names.sort();
  assertEquals(found, SURFACES);
});

Deno.test("sub-folders use one another without cycles", () => {
  const uses = new Map<string, Set<string>>();
  for (const [file, targets] of IMPORTS) {
    const folder = folderOf(file);
    if (folder === undefined) continue;
    const used = uses.get(folder) ?? new Set();
    uses.set(folder, used);
    for (const target of targets) {
      const other = folderOf(target);
      if (other !== undefined && other !== folder) used.add(other);
    }
  }
  assert(uses.size > 10, `only ${uses.size} sub-folders were seen`);
  refuseCycles(uses);
});

Deno.test("each dependency sits behind its one seam", () => {
  const used = new Map<string, Set<string>>();
  for (const [file, targets] of IMPORTS) {
    for (const target of targets) {
      if (isModule(target)) continue;
      const name = Object.keys(SEAMS).find((seam) =>
        target === seam || target.startsWith(`${seam}/`)
      );
      if (name !== undefined) used.set(name, (used.get(name) ?? new Set()).add(file));
      else assert(target.startsWith("node:"), `${file} imports "${target}", which has no seam`);
    }
  }
  const found = [...used].map(([name, files]) => [name, [...files].sort()] as const);
  assertEquals(Object.fromEntries(found), SEAMS);
});

async function listModules(folder: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL(`${folder}/`, ROOT))) {
    const path = `${folder}/${name}`;
    if (isDirectory) found.push(...await listModules(path));
    else if (name.endsWith(".ts") && !name.endsWith(".d.ts")) found.push(path);
  }
  return found;
}

Deno.test("every source file is reached from an entry", async () => {
  const unreached: string[] = [];
  for await (const room of Deno.readDir(new URL("src/", ROOT))) {
    if (!room.isDirectory) continue;
    for (const file of await listModules(`src/${room.name}`)) {
      if (!IMPORTS.has(file)) unreached.push(file);
    }
  }
  assertEquals(unreached, []);
});

/** What an entry that is also a program ends with. */
const MAIN =
  /import \{ runHere \} from "\.\/cli\/program\.ts";\n\nif \(import\.meta\.main\) await runHere\(\);\n$/;

for (const entry of PUBLIC_ENTRIES) {
  Deno.test(`${entry} holds its documentation and what it exports, and nothing else`, async () => {
    const text = await Deno.readTextFile(new URL(entry, ROOT));
    const code = text.replace(/^\/\*\*.*?@module\n \*\/\n/s, "");
    assert(code !== text, "it has no documentation");
    const exports = entry === "src/cli.ts" ? code.replace(MAIN, "") : code;
    assertEquals(exports.replaceAll(/^export (type )?\{[^}]*\} from "\.\/[^"]+\.ts";\n/gm, ""), "");
  });
}

/** What is read with an entry and run later, as it may be needed without any permission. */
const READ_EARLY: { readonly [file: string]: readonly string[] } = {
  "src/cache/cache.ts": ["src/value/codec/encode_value.ts"],
  "src/cache/get_or_compute.ts": ["src/value/codec/decode_value.ts"],
  "src/call/function_profile.ts": ["src/call/acorn.ts"],
  "src/store/layered_stores.ts": ["src/store/copy_call.ts"],
  "src/store/limited/limited_stores.ts": ["src/store/limited/limited_calls.ts"],
  "src/store/memory_stores.ts": ["src/value/codec/decode_value.ts"],
  "src/task/call_task.ts": ["src/task/remember_call.ts"],
  "src/task/definition.ts": ["src/call/call_key.ts"],
};

/**
 * The modules that import what only others name: a boundary's file, a command, a task's module and its
 * text, a pool's worker.
 */
const IMPORTERS = [
  "src/base/lazy_import.ts",
  "src/cli/commands.ts",
  "src/cli/load_task.ts",
  "src/call/loaded_source.ts",
  "src/task/definition.ts",
  "src/executor/pools/pool_runner.ts",
];

/** The code of each module without its comments, in which examples import things. */
async function readCode(): Promise<Map<string, string>> {
  const code = new Map<string, string>();
  for (const file of IMPORTS.keys()) {
    if (!file.startsWith("src/") || !file.endsWith(".ts")) continue;
    const text = await Deno.readTextFile(new URL(file, ROOT));
    code.set(file, text.replace(/\/\*\*?[\s\S]*?\*\/|^\s*\/\/.*$/gm, ""));
  }
  return code;
}

function toFile(specifier: string, from: string): string {
  return new URL(specifier, new URL(from, ROOT)).href.slice(ROOT.length);
}

Deno.test("what is loaded late lies behind a boundary, which is named with its type", async () => {
  const files = new Map<string, string>(Object.entries(BOUNDARIES));
  const used = new Set<string>();
  for (const [file, text] of await readCode()) {
    if (IMPORTERS[0] === file) continue;
    const aliases = new Map(
      Array.from(
        text.matchAll(/^type (\w+) = (typeof import.*);$/gm),
        (found) => [found[1], found[2]],
      ),
    );
    // All but the names in import statements.
    const uses = /\bimportLater(?! ?[,}])(?:<([^>]+)>\(\s*"(\w+)")?/g;
    for (const [, type = "", name = ""] of text.matchAll(uses)) {
      const [, specifier = ""] = /"(.+)"/.exec(aliases.get(type) ?? type) ?? [];
      const path = `src/${files.get(name)}`;
      assertEquals(toFile(specifier, file), path, `${file} imports "${name}" as ${type}`);
      used.add(name);
    }
  }
  assertEquals([...used].sort(), [...files.keys()].sort());
});

Deno.test("what is imported late without a boundary is in the list", async () => {
  const found: Record<string, string[]> = {};
  for (const [file, text] of await readCode()) {
    for (const [, argument = ""] of text.matchAll(/(?<!typeof |[\w#])import\((.*?)\)/g)) {
      const specifier = /^"([^"]+)"$/.exec(argument)?.[1];
      if (specifier !== undefined) (found[file] ??= []).push(toFile(specifier, file));
      else assert(IMPORTERS.includes(file), `${file} imports ${argument} by itself`);
    }
  }
  for (const files of Object.values(found)) files.sort();
  assertEquals(found, READ_EARLY);
});
