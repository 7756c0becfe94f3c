// End-to-end: what only an executor on processes can do, with real processes.
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { Executor, ExecutorShutdownError, WorkerDiedError } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/tasks.ts";

leaveNothing();

const ROOT = new URL("../../", import.meta.url);

async function openFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir();
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function run(...args: string[]): Promise<[code: number, stdout: string, stderr: string]> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", "--allow-env", "--allow-run", ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return [code, decoder.decode(stdout), decoder.decode(stderr)];
}

// executors 1, 3
Deno.test("Executor on processes loses only the call whose process dies", async () => {
  await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
  const calls = [
    executor.submit(tasks.double, 1),
    executor.submit(tasks.die, "exit"),
    executor.submit(tasks.double, 2),
  ] as const;
  const error = await assertRejects(() => calls[1], WorkerDiedError, '"die"');
  assertEquals(error.exitCode, 3);
  assertEquals([await calls[0], await calls[2]], [2, 4]);
});

// executors 2
Deno.test("Executor.terminate() ends a process that loops", async () => {
  await using folder = await openFolder();
  const executor = new Executor({ maxWorkers: 1, workerType: "process" });
  using watcher = Deno.watchFs(folder.path);
  const looping = executor.submit(tasks.loop, `${folder.path}/looping`);
  await watcher[Symbol.asyncIterator]().next();
  executor.terminate();
  await assertRejects(() => looping, ExecutorShutdownError, "was shut down");
  // Waits until it is no more.
  await executor.shutdown();
});

Deno.test("Executor gives its processes permissions, variables and flags", async () => {
  await using executor = new Executor({
    maxWorkers: 1,
    workerType: "process",
    permissions: { read: true, env: ["QUIVER_TEST"] },
    env: { QUIVER_TEST: "set" },
    flags: ["--v8-flags=--expose-gc"],
  });
  assertEquals(await executor.submit(tasks.surroundings), {
    variable: "set",
    write: "prompt",
    gc: "function",
  });
});

Deno.test("Executor refuses what only a process can be given", () => {
  for (const option of [{ permissions: "none" }, { env: {} }, { flags: [] }] as const) {
    const [name = ""] = Object.keys(option);
    assertThrows(() => new Executor(option), TypeError, `\`${name}\``);
    assertThrows(() => new Executor({ ...option, workerType: "inline" }), TypeError, "inline");
  }
});

Deno.test("Executor on processes resolves what the program's own configuration resolves", async () => {
  await using folder = await openFolder();
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const files = {
    "deno.json": JSON.stringify({
      imports: {
        ...imports,
        "@quiver/quiver": new URL("mod.ts", ROOT).href,
        "the-answer": "./answer.ts",
      },
    }),
    "answer.ts": "export const answer = 42;",
    "main.ts": `
      import { Executor, task } from "@quiver/quiver";
      import { answer } from "the-answer";
      export const give = task(import.meta, () => answer, { name: "give" });
      if (import.meta.main) {
        await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
        console.log(await executor.submit(give));
      }`,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder.path}/${name}`, text);
  }
  const [code, stdout, stderr] = await run(`${folder.path}/main.ts`);
  assertEquals([code, stdout], [0, "42\n"], stderr);
});

Deno.test("a program ends by itself when its processes have been idle for long enough", async () => {
  const [code, stdout, stderr] = await run(
    new URL("testdata/idle_process_main.ts", import.meta.url).href,
  );
  assertEquals([code, stdout, stderr], [0, "42\n", ""]);
});

Deno.test("Executor on processes says what it may not do", async () => {
  const main = new URL("testdata/idle_process_main.ts", import.meta.url);
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-read", "--allow-write", "--allow-env", main.href],
    env: { NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder().decode(stderr);
  assertStringIncludes(text, "WorkerInitError");
  assertStringIncludes(text, `--allow-run=${Deno.execPath()}`);
});
