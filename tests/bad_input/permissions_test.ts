// End-to-end: programs that lack a permission, for a bag, an executor, or the module of a task.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
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
    assertEquals(stderr, "");
    assertMatch(
      error,
      new RegExp(`^NotCapable: Requires ${missing} access to .*--allow-${missing}`),
    );
    assertEquals(Array.from(Deno.readDirSync(directory.path)), []);
  });
}

Deno.test("openBag() needs no more than the README says", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  const flags = [`--allow-read=${path},${QUIVER}`, `--allow-write=${path}`];
  assertEquals(await sweep(path, { workerType: "web" }, { flags }), toGoodReport(SWEEP_CALLS));
  const read = { bag: { mode: "read" } } as const;
  const readFlags = [`--allow-read=${path},${QUIVER}`];
  assertEquals(await sweep(path, read, { flags: readFlags }), toGoodReport(0));
});

Deno.test("openBag() with mode: read needs no more when a table is missing", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  await sweep(path);
  await Deno.remove(`${path}/segments/000001.index`);
  const flags = [`--allow-read=${path},${QUIVER}`];
  const { wrong, thrown } = await sweep(path, { bag: { mode: "read" } }, { flags });
  assertEquals([wrong, thrown], [0, []]);
});

Deno.test("openBag() that may not read Quiver's files names the flag, and loses nothing", async () => {
  await using directory = new TemporaryDirectory();
  const { path } = directory;
  const flags = [`--allow-read=${path}`, `--allow-write=${path}`];
  const { misses, thrown } = await sweep(path, {}, { flags });
  assertStringIncludes(thrown.join("\n"), "run again with the --allow-read flag");
  assertEquals(await sweep(path), toGoodReport(SWEEP_CALLS - misses));
  assertEquals(await sweep(path), toGoodReport(0));
});

Deno.test("a task and a memory cache need no permission", async () => {
  const { code, stdout, stderr } = await runProgram("memory.ts", { flags: [] });
  // What keeps failures may not be loaded, and the call ends with its own error all the same.
  assertEquals([code, stdout], [0, "42 true\nRangeError: its own\n"]);
  const [reading, failure, ...rest] = stderr.trim().split("\n");
  // Said once: results stay known when a helper changes.
  assertMatch(reading ?? "", /^Warning: Cannot read the code that tasks use: .*`--allow-read`/);
  assertMatch(failure ?? "", /^Warning: Cannot keep the failure of "fail": .*--allow-read flag$/);
  assertEquals(rest, []);
});

for (
  const [may, granted, file] of [
    ["nothing", [], "/src/"],
    ["tasks only", [`--allow-read=${TASKS}`], "/src/"],
    ["Quiver only", [`--allow-read=${QUIVER}src,${QUIVER}node_modules`], "testdata/tasks.ts"],
  ] as const
) {
  Deno.test(`Executor.submit() that may read ${may} names file and flag`, async () => {
    const { stdout, code } = await runProgram("submit.ts", { flags: granted });
    assertEquals(code, 0);
    assertMatch(stdout, /^(NotCapable: |WorkerInitError: Cannot )/);
    assertStringIncludes(stdout, file);
    assertStringIncludes(stdout, "run again with the --allow-read flag");
  });
}
