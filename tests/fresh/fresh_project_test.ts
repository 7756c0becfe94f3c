// End-to-end: the first program in an empty folder, with Quiver from a path and from a registry.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import deno from "../../deno.json" with { type: "json" };
import { leaveNothing } from "../leave_nothing.ts";
import { type FreshProject, openFreshProject } from "./_fresh_project.ts";
import { openRegistry } from "./_registry.ts";

leaveNothing();

const ROOT = new URL("../../", import.meta.url);

/** What `deno add` writes. */
const FROM_JSR = { "@quiver/quiver": "jsr:@quiver/quiver@^0.1.0" };

/** What a program needs that has a bag, web workers and process workers. */
const FLAGS = ["--allow-read", "--allow-write", "--allow-run", "--allow-env"];

/** What `testdata/main.ts` prints, whether its calls are remembered or not. */
const OUTPUT = "main 4 499.5\nweb 9 true\nprocess 16 true\nentries 25 true true 5\n";

/** All that a program with a bag takes from npm: no addon, and nothing that depends on something. */
const PACKAGES = ["acorn", "comlink", "h5wasm"];

/** What a program names whose Quiver is a folder: Deno finds the other entries by its configuration. */
const FROM_PATH = { "@quiver/quiver": `${ROOT.pathname}mod.ts` };

/** What a program names whose Quiver has a URL. */
function entriesAt(folder: string): { readonly [name: string]: string } {
  return Object.fromEntries(
    Object.entries<string>(deno.exports).map(([entry, path]) => [
      entry.replace(".", "@quiver/quiver"),
      path.replace("./", folder),
    ]),
  );
}

/** Runs the program, and runs it again when its calls are remembered. */
async function assertStarts(project: FreshProject, flags: readonly string[] = []): Promise<void> {
  const ended = { code: 0, stdout: OUTPUT, stderr: "" };
  assertEquals(await project.deno("run", ...FLAGS, ...flags, "main.ts"), ended);
  assertEquals(await project.packages(), PACKAGES);
  // A bag is folded as it is closed, by a worker of its own and with the HDF5 library.
  assert((await Deno.stat(`${project.path}/results.bag/values.h5`)).isFile);
  assertEquals(await project.deno("run", ...FLAGS, ...flags, "main.ts"), ended);
}

async function assertChecks(project: FreshProject, flags: readonly string[] = []): Promise<void> {
  const ended = { code: 0, stdout: "", stderr: "" };
  assertEquals(await project.deno("check", ...flags, "main.ts"), ended);
}

Deno.test("a fresh project with Quiver from a path starts", async () => {
  await using project = await openFreshProject({ imports: FROM_PATH });
  await assertStarts(project);
  await assertChecks(project);
  const files = ["deno.json", "deno.lock", "main.ts", "results.bag", "tasks.ts"];
  assertEquals(project.files(), files);
});

Deno.test("a fresh project with a node_modules folder builds nothing", async () => {
  const configuration = { nodeModulesDir: "auto" };
  await using project = await openFreshProject({
    imports: FROM_PATH,
    configuration,
  });
  await assertStarts(project);
  assert(project.files().includes("node_modules"));
});

Deno.test("deno install in a fresh project brings nothing that only tests or benches use", async () => {
  await using project = await openFreshProject({ imports: FROM_PATH });
  const { code, stderr } = await project.deno("install");
  assertEquals(code, 0, stderr);
  const text = await Deno.readTextFile(`${project.path}/deno.lock`);
  const names = Object.keys(JSON.parse(text).specifiers).map((name) =>
    name.match(/npm:([^@]+)/)?.[1]
  );
  const wanted = [
    "acorn",
    "cli-progress",
    "comlink",
    "commander",
    "deno-std",
    "h5wasm",
    "hyparquet-writer",
  ];
  assertEquals(names, wanted);
});

Deno.test("a fresh project with Quiver from JSR starts", async () => {
  await using registry = await openRegistry();
  const env = { JSR_URL: registry.url };
  await using project = await openFreshProject({ imports: FROM_JSR, env });
  await assertStarts(project);
  await assertChecks(project);
});

Deno.test("a fresh project with Quiver from the URL of its files starts", async () => {
  await using registry = await openRegistry();
  await using project = await openFreshProject({ imports: entriesAt(registry.files) });
  const flags = [`--allow-import=${new URL(registry.url).host}`];
  await assertStarts(project, flags);
  await assertChecks(project, flags);
});

Deno.test("deno cache fetches what Quiver from JSR imports late", async () => {
  const registry = await openRegistry();
  const env = { JSR_URL: registry.url };
  await using project = await openFreshProject({ imports: FROM_JSR, env });
  try {
    const { code, stderr } = await project.deno("cache", "main.ts");
    assertEquals([code, stderr], [0, ""]);
    assert((await project.packages()).includes("hyparquet-writer"));
  } finally {
    await registry[Symbol.asyncDispose]();
  }
  const ended = await project.deno("run", "--cached-only", ...FLAGS, "main.ts");
  assertEquals(ended, { code: 0, stdout: OUTPUT, stderr: "" });
});

Deno.test("deno bundle refuses to take Quiver in, and a program that leaves it out works", async () => {
  await using project = await openFreshProject({ imports: FROM_PATH });
  const refused = await project.deno("bundle", "--output=bundle.js", "main.ts");
  assertEquals([refused.code, refused.stdout], [1, ""]);
  const remedy = "--external=@quiver/quiver";
  assertStringIncludes(
    refused.stderr,
    `"Cannot bundle Quiver: leave it out, deno bundle ${remedy}"`,
  );
  assert(!project.files().includes("bundle.js"));
  const { code, stderr } = await project.deno("bundle", remedy, "--output=bundle.js", "main.ts");
  assertEquals(code, 0, stderr);
  const ended = await project.deno("run", ...FLAGS, "bundle.js");
  assertEquals(ended, { code: 0, stdout: OUTPUT, stderr: "" });
});
