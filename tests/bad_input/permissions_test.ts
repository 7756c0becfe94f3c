// End-to-end: programs that lack a permission, for a bag, an executor, or the module of a task.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { sweep, SWEEP_CALLS, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { runProgram } from "./_run_program.ts";

const QUIVER = new URL("../../", import.meta.url).pathname;
const TASKS = new URL("./testdata/", import.meta.url).pathname;

for (
  const [flags, missing] of [
    [[], "read"],
    [["--allow-write"], "read"],
    [["--allow-read=<elsewhere>", "--allow-write=<elsewhere>"], "read"],
    [["--allow-read"], "write"],
    [["--allow-read", "--allow-write=<elsewhere>"], "write"],
  ] as const
) {
  Deno.test(`openBag() with "${flags.join(" ")}" asks for --allow-${missing}`, async () => {
    await using directory = new TemporaryDirectory();
    const here = `${directory.path}/results.bag`;
    const given = flags.map((flag) => flag.replace("<elsewhere>", `${directory.path}/elsewhere`));
    const { thrown: [error = ""], stderr } = await sweep(here, {}, { flags: given });
    const [name, message = ""] = error.split(": ");
    assertEquals([name, stderr], ["NotCapable", ""]);
    assertMatch(message, new RegExp(`^Requires ${missing} access to "${here}.*--allow-${missing}`));
    assertEquals(Array.from(Deno.readDirSync(directory.path)), []);
  });
}

Deno.test("openBag() needs no more than the README says", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  const flags = [`--allow-read=${path},${QUIVER}`, `--allow-write=${path}`];
  assertEquals(await sweep(path, { workerType: "web" }, { flags }), toGoodReport(SWEEP_CALLS));
  const read = { bag: { mode: "read" } } as const;
  assertEquals(await sweep(path, read, { flags: [`--allow-read=${path}`] }), toGoodReport(0));
});

Deno.test("openBag() with mode: read needs no more when a table is missing", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  await sweep(path);
  await Deno.remove(`${path}/segments/000001.index`);
  const flags = [`--allow-read=${path}`];
  const { wrong, thrown } = await sweep(path, { bag: { mode: "read" } }, { flags });
  assertEquals([wrong, thrown], [0, []]);
});

Deno.test("a bag that may not be folded says so by the flag, and keeps every result", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  const flags = [`--allow-read=${path}`, `--allow-write=${path}`];
  const { misses, thrown } = await sweep(path, {}, { flags });
  assertEquals(misses, SWEEP_CALLS);
  assertStringIncludes(thrown.join("\n"), "run again with the --allow-read flag");
  assertEquals(await sweep(path), toGoodReport(0));
});

for (
  const [granted, where] of [
    [undefined, "worker_main.ts"],
    [TASKS, "worker_main.ts"],
    [`${QUIVER}src,${QUIVER}node_modules`, "testdata/tasks.ts"],
  ] as const
) {
  const state = granted === undefined ? "nothing" : where === "worker_main.ts" ? "tasks" : "Quiver";
  Deno.test(`Executor.submit() that may read ${state} only names what else it needs`, async () => {
    const flags = granted === undefined ? [] : [`--allow-read=${granted}`];
    const { stdout, code } = await runProgram("submit.ts", { flags });
    assertEquals(code, 0);
    const [error, ...causes] = stdout.trimEnd().split("\n");
    assert(error?.startsWith("WorkerInitError: Cannot "), error);
    assertStringIncludes([error, ...causes].join("\n"), where);
    assertStringIncludes([error, ...causes].join("\n"), "run again with the --allow-read flag");
  });
}
