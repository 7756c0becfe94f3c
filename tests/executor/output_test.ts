// end-to-end: what tasks print, labelled or taken, on every kind of worker
import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { cacheScope, Executor, type QuiverWarning } from "@quiver/quiver";
import type { WorkerOutputLine } from "@quiver/quiver/workers";
import { leaveNothing } from "../leave_nothing.ts";
import * as tasks from "./testdata/output_tasks.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

async function runProgram(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const entry = new URL("./testdata/output_tasks.ts", import.meta.url).href;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", "--allow-run", "--allow-env", entry, ...args],
    env: { NO_COLOR: "1" },
  }).output();
  const decoder = new TextDecoder();
  return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

for (const workerType of KINDS) {
  const test = (name: string, fn: () => Promise<void>) => Deno.test(`${workerType}: ${name}`, fn);

  test("ExecutorOptions.output as a function gets what a task prints, in order", async () => {
    const lines: WorkerOutputLine[] = [];
    const { log } = console;
    {
      await using executor = new Executor({
        maxWorkers: 1,
        workerType,
        output: (line) => lines.push(line),
      });
      assertEquals(await executor.submit(tasks.print, "you"), "you");
    }
    assertEquals(lines.slice(0, 3), [
      {
        stream: "stdout",
        text: "hello you { a: [ 1 ] }",
        worker: "quiver-worker-1",
        task: "print",
      },
      { stream: "stderr", text: "two\nlines", worker: "quiver-worker-1", task: "print" },
      { stream: "stdout", text: "from within", worker: "quiver-worker-1", task: "print" },
    ]);
    assertStringIncludes(lines[3]?.text ?? "", "x");
    assertEquals(lines.length, 4);
    // An inline worker has given back what is ours.
    assertEquals(console.log, log);
  });

  test("ExecutorOptions.output as a function that throws harms no call", async () => {
    const warnings: QuiverWarning[] = [];
    await cacheScope({ onWarning: (warning) => warnings.push(warning) }, async () => {
      await using executor = new Executor({
        maxWorkers: 1,
        workerType,
        output: () => {
          throw new RangeError("full");
        },
      });
      assertEquals(await executor.submit(tasks.print, "you"), "you");
    });
    assertEquals(warnings.map(({ message }) => message), [
      "Cannot tell who takes what tasks print: its `output` threw; calls go on",
    ]);
  });

  test('ExecutorOptions.output as "label" names worker and task before each line', async () => {
    const { stdout, stderr } = await runProgram(workerType, "label");
    assertStringIncludes(stdout, "[quiver-worker-1 print] hello you { a: [ 1 ] }\n");
    assertStringIncludes(stdout, "[quiver-worker-1 print] from within\n");
    assertStringIncludes(stdout, "\nmain prints as ever\n");
    assertEquals(stderr, "[quiver-worker-1 print] two\n[quiver-worker-1 print] lines\n");
  });

  test('ExecutorOptions.output as "inherit" prints as ever', async () => {
    const { stdout, stderr } = await runProgram(workerType, "inherit");
    assertStringIncludes(stdout, "hello you { a: [ 1 ] }\nfrom within\n");
    assertEquals(stderr, "two\nlines\n");
  });
}

Deno.test("ExecutorOptions.output gets what a call prints that never awaits", async () => {
  const memory = new SharedArrayBuffer(4);
  const printed = Promise.withResolvers<WorkerOutputLine>();
  await using executor = new Executor({ maxWorkers: 1, output: (line) => printed.resolve(line) });
  const future = executor.submit(tasks.printAndSpin, memory);
  assertEquals((await printed.promise).text, "spinning");
  Atomics.store(new Int32Array(memory), 0, 1);
  await future;
});

Deno.test("ExecutorOptions.output names what it cannot be", () => {
  assertThrows(() => new Executor({ output: "lable" as never }), TypeError, '"lable"');
});
