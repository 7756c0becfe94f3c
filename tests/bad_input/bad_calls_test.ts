// End-to-end: programs that define tasks or make calls in ways that cannot work.
import { assertEquals, assertMatch, assertNotEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

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

Deno.test("a program that makes bad calls gets an error for each, and goes on", async (t) => {
  await using directory = new TemporaryDirectory();
  const { code, stdout } = await runProgram("bad_calls.ts", { args: [directory.path] });
  assertEquals(code, 0);
  const told: Map<string, Ended> = new Map(stdout.trimEnd().split("\n").map((l) => JSON.parse(l)));
  const step = (name: string, check: (ended: Ended) => void) =>
    t.step(name, () => check(told.get(name) ?? {}));

  const places = { function: ".deep[0]", symbol: "[0]", promise: '["p"]', weak: ".weak" };
  for (const [kind, place] of Object.entries(places)) {
    for (const [verb, where] of [["take", "args[0]"], ["make", "result"]] as const) {
      // A promise among the arguments is a future, whose value is sent.
      if (verb === "take" && kind === "promise") continue;
      await step(`${verb} ${kind}`, ({ name, message = "", path = "" }) => {
        assertEquals(name, "UnclonableError");
        assertEquals([path.startsWith(where), path.endsWith(place)], [true, true], path);
        assertMatch(message, /^Cannot send .+ cannot be cloned$/);
      });
    }
  }
  for (const verb of ["take", "make"]) {
    await step(`${verb} getter`, ({ name, message = "" }) => {
      assertNotEquals(name, "WorkerDiedError");
      assertStringIncludes(message, "thrown by a getter");
    });
  }
  for (const name of ["take instance here", "make instance here", "make instance"]) {
    await step(name, ({ value, warnings }) => {
      const expected = name.startsWith("take") ? "taken" : { solver: { steps: 7 } };
      assertEquals([value, warnings?.length], [expected, 1]);
      assertMatch(warnings?.[0] ?? "", /^Cannot (remember a call|store the result) of "/);
    });
  }
  await step("contains instance", ({ value }) => assertEquals(value, false));
  for (const how of ["exit", "close", "timer", "promise"]) {
    await step(`die ${how}`, ({ name, message = "" }) => {
      assertEquals(name, "WorkerDiedError");
      assertStringIncludes(message, 'Cannot finish "die": worker "');
      const reason = { timer: "in a timer", promise: "in a promise" }[how] ?? "Deno.exit()";
      assertStringIncludes(message, reason);
    });
  }
  const reasons = { gone: "Module not found", hidden: "does not define it", lonely: "not on a wo" };
  for (const [task, reason] of Object.entries(reasons)) {
    await step(`find ${task}`, ({ name, message = "" }) => {
      assertEquals(name, "WorkerInitError");
      assertStringIncludes(message, `for task "${task}"`.slice(4));
      assertStringIncludes(message, reason);
    });
  }
  await step("go on", ({ value }) => assertEquals(value, "taken"));
});

/** What a call came to. */
interface Ended {
  readonly value?: unknown;
  readonly name?: string;
  readonly message?: string;
  readonly path?: string;
  readonly warnings?: readonly string[];
}
