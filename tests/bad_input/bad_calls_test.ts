// End-to-end: programs that define tasks or make calls in ways that cannot work.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

const TESTDATA = new URL("./testdata/", import.meta.url).href;

Deno.test("an unguarded main module with a bag is refused with the remedy", async () => {
  await using directory = new TemporaryDirectory();
  const { code, stderr } = await runProgram("unguarded_with_bag.ts", { args: [directory.path] });
  assertEquals(code, 1);
  assertStringIncludes(stderr, "NestedExecutorError: Cannot ");
  assertStringIncludes(stderr, "unguarded_with_bag.ts");
  assertStringIncludes(stderr, "if (import.meta.main)");
});

Deno.test("an unguarded main module that starts late starts no workers on workers", async () => {
  await using directory = new TemporaryDirectory();
  const { stdout } = await runProgram("unguarded_late.ts", { args: [directory.path] });
  assertStringIncludes(stdout, "NestedExecutorError: Cannot ");
  assertStringIncludes(stdout, "if (import.meta.main)");
});

Deno.test("task() refuses a name that the module uses already, and names the remedy", async () => {
  const { code, stderr } = await runProgram("twice.ts", { flags: [] });
  assertEquals(code, 1);
  assertStringIncludes(stderr, 'TypeError: Cannot define task "estimate": ');
  assertStringIncludes(stderr, "testdata/twice.ts");
  assertStringIncludes(stderr, "with the option `name`");
});

Deno.test("Executor.submit() names the argument that cannot be sent, and goes on", async () => {
  const { lines, stderr } = await runBadCalls("arguments");
  assertEquals(lines, [
    'UnclonableError: Cannot send args[0].deep[0] of "take" to a worker: a function cannot be cloned',
    'UnclonableError: Cannot send args[0][0] of "take" to a worker: a symbol cannot be cloned',
    'UnclonableError: Cannot send args[0].weak of "take" to a worker: an instance of WeakMap cannot be cloned',
    // A promise among the arguments is a future: its value is sent.
    '"taken"',
    "RangeError: thrown by a getter",
    '"taken"',
  ]);
  assertEquals(stderr, "");
});

Deno.test("Executor.submit() names the part of a result that cannot be sent, and goes on", async () => {
  const { lines, stderr } = await runBadCalls("results");
  assertEquals(lines, [
    "UnclonableError: Cannot send result.deep[0] back from a worker: a function cannot be cloned",
    "UnclonableError: Cannot send result[0] back from a worker: a symbol cannot be cloned",
    "UnclonableError: Cannot send result.weak back from a worker: an instance of WeakMap cannot be cloned",
    'UnclonableError: Cannot send result.get("p") back from a worker: an instance of Promise cannot be cloned',
    "RangeError: thrown by a getter",
    '"taken"',
  ]);
  assertEquals(stderr, "");
});

Deno.test("a class instance costs a warning and is not remembered", async () => {
  const { lines, stderr } = await runBadCalls("instances");
  const reason = "an instance of Solver has no digest; " +
    "pass plain data, register the class by registerClass(), or give it a [digestSymbol]() method";
  const result = `Cannot store the result of "make": the call is not remembered: ` +
    `Cannot store result.solver: ${reason}`;
  assertEquals(lines, [
    'Cannot remember a call of "take": an argument has no digest; the call runs anyway: ' +
    `Cannot digest args[0].solver: ${reason}`,
    '"taken"',
    result,
    '{"solver":{"steps":7}}',
    result,
    '{"solver":{"steps":7}}',
    "false",
    '"taken"',
  ]);
  assertEquals(stderr, "");
});

Deno.test("Executor.submit() says how its worker died, and goes on with another", async () => {
  const { lines } = await runBadCalls("deaths");
  const reasons = [
    "it called self.close() or Deno.exit()",
    "it called self.close() or Deno.exit()",
    "Uncaught Error: in a timer",
    "Uncaught (in promise) Error: in a promise",
  ];
  assertEquals(lines.length, reasons.length + 1);
  for (const [index, reason] of reasons.entries()) {
    assertMatch(lines[index] ?? "", /^WorkerDiedError: Cannot finish "die": worker ".+" ended: /);
    assertStringIncludes(lines[index] ?? "", reason);
  }
  assertEquals(lines.at(-1), '"taken"');
});

Deno.test("Executor.submit() names the module that a worker cannot import, and goes on", async () => {
  const { lines, stderr } = await runBadCalls("modules");
  assertEquals(lines, [
    `WorkerInitError: Cannot import "${TESTDATA}gone.ts" for task "gone": ` +
    `Module not found "${TESTDATA}gone.ts".`,
    `WorkerInitError: Cannot find task "hidden": importing "${TESTDATA}tasks.ts" does not define ` +
    "it; call `task(import.meta, …)` at the module's top level",
    `WorkerInitError: Cannot import "${TESTDATA}unimportable.ts" for task "lonely": not on a worker`,
    '"taken"',
  ]);
  assertEquals(stderr, "");
});

async function runBadCalls(group: string): Promise<{ lines: string[]; stderr: string }> {
  await using directory = new TemporaryDirectory();
  const program = { args: [group, directory.path] };
  const { code, stdout, stderr } = await runProgram("bad_calls.ts", program);
  assertEquals(code, 0, stderr);
  return { lines: stdout.trimEnd().split("\n"), stderr };
}
