// End-to-end: programs that are interrupted, that forget what they opened, or that fold at once.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram, toCommand } from "./_run_program.ts";
import { sweep, SWEEP_CALLS, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

const POINTS = 60;

Deno.test("a sweep that is interrupted goes on where it was, and no lease is stuck", async () => {
  await using directory = new TemporaryDirectory();
  const args = [directory.path, String(POINTS)];
  let acknowledged = 0;
  for (const lines of [1, 20]) {
    const child = toCommand("long_sweep.ts", { args }).spawn();
    const printed = await readLines(child, (count) => {
      if (count === lines) child.kill("SIGINT");
    });
    const { signal } = await child.status;
    assertEquals([signal, await new Response(child.stderr).text()], ["SIGINT", ""]);
    assertHits(printed.slice(0, acknowledged));
    acknowledged = Math.max(acknowledged, printed.length);
  }
  const { code, stdout, stderr } = await runProgram("long_sweep.ts", { args });
  assertEquals([code, stderr], [0, ""]);
  const printed = stdout.trimEnd().split("\n");
  assertEquals(printed.length, POINTS);
  assertHits(printed.slice(0, acknowledged));
});

Deno.test("Bag.fold() in two processes at once seals each value, and loses none", async () => {
  await using directory = new TemporaryDirectory();
  await sweep(directory.path, { bag: { fold: "manual" } });
  const children = ["a", "b"].map((name) => {
    const command = toCommand("fold.ts", { args: [directory.path, name] });
    return command.spawn();
  });
  const texts = await Promise.all(children.map((child) => readLines(child, () => {})));
  for (const child of children) {
    assertEquals([(await child.status).code, await new Response(child.stderr).text()], [0, ""]);
  }
  const sealed = texts.flat().map((text) => JSON.parse(text)).filter((result) => result !== null);
  assert(sealed.length > 0);
  assertEquals(await sweep(directory.path), toGoodReport(0));
  assertEquals(Array.from(Deno.readDirSync(`${directory.path}/journal`)), []);
});

for (const ending of ["forgets", "fails"]) {
  Deno.test(`a program that ${ending} ends by itself, and loses nothing`, async () => {
    await using directory = new TemporaryDirectory();
    const { code, stderr } = await runProgram("ending.ts", { args: [ending, directory.path] });
    assertEquals(code, ending === "fails" ? 1 : 0);
    if (ending === "fails") {
      // At the end of the program, with the task's own error.
      assertStringIncludes(stderr, "Uncaught UnhandledFailuresError: Cannot pass over 1 call");
      assertStringIncludes(stderr, "Caused by: RangeError: not a number: one");
      assertStringIncludes(stderr, "testdata/ending.ts");
    } else assertEquals(stderr, "");
    assertEquals((await sweep(directory.path)).misses, SWEEP_CALLS - 1);
    assertEquals(await sweep(directory.path), toGoodReport(0));
  });
}

Deno.test("a future that was cancelled and that nobody awaits does not end the program", async () => {
  await using directory = new TemporaryDirectory();
  const program = { args: ["cancels", directory.path] };
  const { code, stdout, stderr } = await runProgram("ending.ts", program);
  assertEquals([code, stdout, stderr], [0, "went on\n", ""]);
});

function assertHits(lines: readonly string[]): void {
  assertEquals(lines.filter((line) => !line.endsWith(" hit")), []);
}

/** Reads what a program prints to its end; `printed` is told of each line. */
async function readLines(
  child: Deno.ChildProcess,
  printed: (count: number) => void,
): Promise<string[]> {
  const lines: string[] = [];
  let rest = "";
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    const [first = "", ...others] = text.split("\n");
    rest += first;
    for (const other of others) {
      printed(lines.push(rest));
      rest = other;
    }
  }
  return lines;
}
