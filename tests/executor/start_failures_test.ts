// End-to-end: an executor whose workers cannot all start, with real workers, and systems that refuse them.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Executor, WorkerInitError } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { Tool } from "../tools.ts";
import { pause } from "./testdata/start_tasks.ts";

leaveNothing();

const PRLIMIT = Tool.find("prlimit");

for (const kind of ["web", "process"]) {
  Deno.test({
    ...PRLIMIT.forTest(
      `${kind}: an executor that may open few files runs all calls on fewer workers`,
    ),
    async fn() {
      const main = new URL("testdata/few_files_main.ts", import.meta.url).pathname;
      const args = [
        "--nofile=64",
        Deno.execPath(),
        "run",
        "--allow-all",
        "--no-check",
        main,
        kind,
      ];
      const { stdout, stderr } = await PRLIMIT.command(args, { env: { NO_COLOR: "1" } }).output();
      const decoder = new TextDecoder();
      const [text, errors] = [decoder.decode(stdout), decoder.decode(stderr)];
      assert(text !== "", errors);
      const { calls, failures, workers, warnings } = JSON.parse(text);
      assertEquals([calls, failures], [300, []]);
      assert(workers > 1 && workers < 40, `there are ${workers} workers`);
      assertEquals(warnings.length, 1);
      assertStringIncludes(warnings[0], "Too many open files");
      assertEquals(errors, "");
    },
  });
}

Deno.test({
  ...PRLIMIT.forTest(
    "an executor runs calls once there are files again, though its first call had none",
  ),
  async fn() {
    const main = new URL("testdata/no_file_main.ts", import.meta.url).pathname;
    await Promise.all(["web", "process", "inline"].map(async (kind) => {
      const run = [Deno.execPath(), "run", "--allow-all", "--no-check", main, kind];
      const { stdout } = await PRLIMIT.command(["--nofile=64", ...run]).output();
      const [refused, value] = JSON.parse(new TextDecoder().decode(stdout));
      assertStringIncludes(refused, "Too many open files");
      assertEquals(value, 2);
    }));
  },
});

/** Has Deno be somewhere else while the object lives. */
function moveDeno(path: string): Disposable {
  const execPath = Deno.execPath;
  Deno.execPath = () => path;
  return { [Symbol.dispose]: () => void (Deno.execPath = execPath) };
}

Deno.test("Executor on processes keeps calls while a worker lives whose executable is gone", async () => {
  const warnings: string[] = [];
  await using executor = new Executor({
    maxWorkers: 4,
    workerType: "process",
    onWarning: ({ message }) => warnings.push(message),
  });
  await executor.submit(pause, 0);
  {
    using _ = moveDeno("/nowhere/deno");
    const calls = Array.from({ length: 20 }, (_, n) => executor.submit(pause, n));
    assertEquals(await Promise.all(calls), calls.map((_, n) => n));
    assertEquals(executor.statistics().workers, 1);
  }
  assertEquals(warnings.length, 1);
});

Deno.test("Executor on processes says that its executable is gone, and starts when it is back", async () => {
  await using executor = new Executor({
    maxWorkers: 2,
    workerType: "process",
    onWarning: () => {},
  });
  {
    using _ = moveDeno("/nowhere/deno");
    const calls = [1, 2, 3].map((n) => executor.submit(pause, n));
    for (const call of calls) {
      const error = await assertRejects(() => call, WorkerInitError, "No such file or directory");
      assertStringIncludes(error.message, 'Cannot start worker "quiver-worker-');
    }
  }
  assertEquals(await executor.submit(pause, 4), 4);
});

Deno.test("Executor on processes takes the Deno that was put in the place of its own", async () => {
  await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
  // So Linux says that a file was replaced.
  using _ = moveDeno(`${Deno.execPath()} (deleted)`);
  assertEquals(await executor.submit(pause, 1), 1);
});

Deno.test("Executor on processes is refused in a compiled program", async () => {
  const { build } = Deno;
  Object.assign(Deno, { build: { ...build, standalone: true } });
  try {
    await using executor = new Executor({ workerType: "process" });
    await assertRejects(
      () => executor.submit(pause, 1),
      WorkerInitError,
      'a program that `deno compile` has made cannot have workers of the kind "process"',
    );
  } finally {
    Object.assign(Deno, { build });
  }
});
