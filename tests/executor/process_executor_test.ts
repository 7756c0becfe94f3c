// End-to-end: what only an executor on processes can do, with real processes.
import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  ExecutorShutdownError,
  WorkerDiedError,
} from "@quiver/quiver";
import { openWorkerContext, runInWorker } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import { onProcess } from "./testdata/process_nesting.ts";
import { readPermitted } from "./testdata/permitted/tasks.ts";
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

for (const kind of ["web", "process"] as const) {
  Deno.test(`a program's own web worker has workers of the kind ${kind}, which end with it`, async () => {
    await using folder = await openFolder();
    const program = new URL("testdata/web_program.ts", import.meta.url);
    const worker = new Worker(program, { type: "module" });
    using watcher = Deno.watchFs(folder.path);
    const answer = new Promise((resolve) => {
      worker.onmessage = ({ data }) => resolve(data);
    });
    worker.postMessage({ kind, folder: folder.path });
    assertEquals(await answer, {
      submitted: 42,
      mapped: [2, 4, 6],
      ran: 8,
      died: true,
      array: 2000,
    });
    // A busy web worker cannot be ended by anybody.
    if (kind === "process") await watcher[Symbol.asyncIterator]().next();
    worker.terminate();
  });
}

for (const workerType of ["web", "process"] as const) {
  Deno.test(`a task on a worker of the kind ${workerType} has workers that are processes`, async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    await using context = openWorkerContext({ workerType });
    assertEquals(await executor.submit(onProcess, 3), [6, 6, 6]);
    assertEquals(await runInWorker(onProcess, [4], { context }), [8, 8, 8]);
  });
}

const PERMISSIONS: readonly Deno.PermissionOptions[] = [
  "none",
  { read: [] },
  { read: false },
  { read: [new URL("testdata/", import.meta.url)] },
  { read: [new URL("testdata/", import.meta.url).pathname] },
  { read: ["/nowhere/it is#100%"] },
];

for (const permissions of PERMISSIONS) {
  Deno.test(`a process with the permissions ${JSON.stringify(permissions)} loads Quiver and the tasks`, async () => {
    await using executor = new Executor({ workerType: "process", maxWorkers: 1, permissions });
    const secret = new URL("../../deno.json", import.meta.url).pathname;
    assertEquals(await executor.submit(readPermitted, secret), ["helped", "late", "NotCapable"]);
    await cacheScope({ cache: createMemoryCache() }, async () => {
      assertEquals(await executor.submit(readPermitted, secret), ["helped", "late", "NotCapable"]);
    });
    assertEquals(await Array.fromAsync(executor.map(tasks.double, [1, 2, 3])), [2, 4, 6]);
    // This module was not there when the process started.
    const { late } = await import("./testdata/permitted/late_tasks.ts");
    assertEquals(await executor.submit(late, 1), 2);
    await assertRejects(() => executor.submit(tasks.fail, "type"), TypeError, "of the wrong type");
  });
}

Deno.test("Executor on processes refuses by name a path that has a comma", async () => {
  await using folder = await openFolder();
  for (const read of [["/data/a,b"], [""], [`${folder.path}/x, y`]]) {
    await using executor = new Executor({
      workerType: "process",
      maxWorkers: 1,
      permissions: { read },
    });
    await assertRejects(
      () => executor.submit(tasks.double, 1),
      TypeError,
      `${JSON.stringify(read[0])} cannot be an item of \`--allow-read\``,
    );
  }
});

Deno.test("a program in a folder with an odd name has processes, with all permissions or some", async () => {
  await using folder = await openFolder();
  const home = `${folder.path}/a, b #c 100%20 ?d`;
  await Deno.mkdir(`${home}/data,1`, { recursive: true });
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const files = {
    "deno.json": JSON.stringify({
      imports: { ...imports, "@quiver/quiver": new URL("mod.ts", ROOT).href, "it": "./it.ts" },
    }),
    "it.ts": "export const it = 42;",
    "data,1/text": "read",
    "main.ts": `
      import { Executor, task } from "@quiver/quiver";
      import { it } from "it";
      export const give = task(import.meta, (path: string) => {
        const { state } = Deno.permissions.querySync({ name: "read", path: "/etc/hostname" });
        return [it, Deno.readTextFileSync(path), state];
      }, { name: "give" });
      if (import.meta.main) {
        await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
        console.log(JSON.stringify(await executor.submit(give, "data,1/text")));
      }`,
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${home}/${name}`, text);
  }
  const some = [
    `--allow-run=${Deno.execPath()}`,
    "--allow-env",
    `--allow-read=.,${ROOT.pathname},${Deno.env.get("TMPDIR") ?? "/tmp"}`,
    `--allow-write=${Deno.env.get("TMPDIR") ?? "/tmp"}`,
  ];
  for (const [flags, etc] of [[["--allow-all"], "granted"], [some, "prompt"]] as const) {
    const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...flags, "main.ts"],
      cwd: home,
      env: { NO_COLOR: "1" },
    }).output();
    const decoder = new TextDecoder();
    const text = `${JSON.stringify([42, "read", etc])}\n`;
    assertEquals(decoder.decode(stdout), text, decoder.decode(stderr));
  }
});
