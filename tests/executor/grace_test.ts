// end-to-end: what is given up gets a moment to end by itself, and is ended with all that it started
import { assert, assertEquals } from "@std/assert";
import { DeadlineError, Executor, type Future } from "@quiver/quiver";
import { leaveNothing } from "../leave_nothing.ts";
import { openSharedFolder } from "./_shared_folder.ts";
import * as tasks from "./testdata/grace_tasks.ts";

leaveNothing();

/** What the call says of how far it is, first of all. */
async function firstWord(future: Future<unknown>): Promise<string> {
  for await (const { message } of future.progress) if (message !== undefined) return message;
  throw new Error("it said nothing");
}

/** Whether a process is there, and not only its remains. */
async function isAlive(pid: number): Promise<boolean> {
  const program = new URL("./testdata/is_alive.ts", import.meta.url).href;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-check", "--allow-all", program, `${pid}`],
  }).output();
  return new TextDecoder().decode(stdout).trim() === "true";
}

async function untilDead(pid: number): Promise<void> {
  while (await isAlive(pid));
}

for (const workerType of ["web", "process", "inline"] as const) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);
  const open = () => new Executor({ maxWorkers: 1, workerType });

  for (const way of ["deadline", "signal", "abort"] as const) {
    test(`a call that is given up cleans up after itself (${way})`, async () => {
      await using folder = await openSharedFolder();
      await using executor = open();
      const me = await executor.submit(tasks.whoAmI);
      const controller = new AbortController();
      const view = executor.with(
        way === "deadline" ? { deadline: 50 } : { signal: controller.signal },
      );
      const call = view.submit(tasks.useFolder, `${folder.path}/own`);
      if (way !== "deadline") await firstWord(call);
      if (way === "signal") controller.abort("enough");
      if (way === "abort") call.abort("enough");
      const reason = await call.catch((reason) => reason);
      assert(way === "deadline" ? reason instanceof DeadlineError : reason === "enough");
      // The worker is kept, and free when the folder is gone.
      assertEquals(await executor.submit(tasks.whoAmI), me);
      assertEquals([folder.has("own"), executor.statistics().lost], [false, 0]);
    });
  }
}

for (
  const [name, block] of [["waits", tasks.waitForCommand], [
    "loops",
    tasks.blockWithCommand,
  ]] as const
) {
  Deno.test({
    name: `process: a call that ${name} on is killed with what it has started`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
      const me = await executor.submit(tasks.whoAmI);
      const call = executor.submit(block);
      const pid = Number(await firstWord(call));
      assert(await isAlive(pid));
      call.abort("enough");
      assertEquals(await call.catch((reason) => reason), "enough");
      const next = await executor.submit(tasks.whoAmI);
      assert(next !== me);
      await untilDead(pid);
    },
  });
}

Deno.test({
  name: "process: a command that its call's signal ends has ended, and the worker is kept",
  ignore: Deno.build.os !== "linux",
  async fn() {
    await using executor = new Executor({ maxWorkers: 1, workerType: "process" });
    const me = await executor.submit(tasks.whoAmI);
    const call = executor.submit(tasks.endCommand);
    const pid = Number(await firstWord(call));
    call.abort("enough");
    assertEquals(await call.catch((reason) => reason), "enough");
    assertEquals(await executor.submit(tasks.whoAmI), me);
    await untilDead(pid);
  },
});

Deno.test({
  name: "process: Executor.terminate() ends what calls have started",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const executor = new Executor({ maxWorkers: 1, workerType: "process" });
    const call = executor.submit(tasks.waitForCommand);
    const pid = Number(await firstWord(call));
    executor.terminate();
    await call.catch(() => {});
    await executor.shutdown();
    await untilDead(pid);
  },
});

/** What a program may that runs certain commands only. */
const LIMITED = ["--allow-read", "--allow-write", "--allow-env", `--allow-run=${Deno.execPath()}`];

for (const [what, permissions] of [["any", ["--allow-all"]], ["certain", LIMITED]] as const) {
  Deno.test({
    name:
      `process: what calls have started ends with a killed program that may run ${what} commands`,
    ignore: Deno.build.os !== "linux",
    async fn() {
      const url = new URL("testdata/grace_main.ts", import.meta.url);
      const args = ["run", "--no-check", ...permissions, url.href];
      const program = new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
      const lines = program.stdout.pipeThrough(new TextDecoderStream());
      let text = "";
      for await (const piece of lines) {
        text += piece;
        if (text.includes("\n")) break;
      }
      const pid = Number(text);
      assert(await isAlive(pid));
      program.kill("SIGKILL");
      await program.status;
      await untilDead(pid);
    },
  });
}

Deno.test({
  name:
    "process: a call that is given up is killed with what it has started, by who may run Deno only",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const url = new URL("testdata/grace_main.ts", import.meta.url);
    const args = ["run", "--no-check", ...LIMITED, url.href, "give up"];
    const { stdout } = await new Deno.Command(Deno.execPath(), { args, stderr: "inherit" })
      .output();
    const [pid, last] = new TextDecoder().decode(stdout).trim().split("\n");
    assertEquals(last, "gone");
    // It was killed before that was said; its parent may have to take note of it yet.
    await untilDead(Number(pid));
  },
});
