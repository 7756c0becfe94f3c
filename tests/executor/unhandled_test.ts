// end-to-end: programs that leave the failure of a call to somebody, or to nobody
import { assertEquals, assertStringIncludes } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

const PROGRAM = new URL("./testdata/unhandled.ts", import.meta.url);

async function run(...who: string[]): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--no-check", PROGRAM.href, ...who],
    env: { NO_COLOR: "1" },
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}

const UNHANDLED = [
  "nobody",
  "nobody without an executor",
  "nobody in a cached scope",
  "onDone",
  "then",
  "at",
  "batched, nobody",
  "argument, nobody",
];

for (const who of UNHANDLED) {
  Deno.test(`a failure left to ${who} ends the program, once`, async () => {
    const { code, stderr } = await run(who);
    assertEquals(code, 1);
    assertStringIncludes(stderr, "failed with 1");
    assertEquals(stderr.split("error: Uncaught").length - 1, 1, stderr);
  });
}

const HANDLED = [
  // First, as only what no worker has yet can be cancelled.
  "cancelled",
  "at, handled",
  "catch",
  "wait",
  "wait, given up",
  "asCompleted",
  "map",
  "map of chunks",
  "map in a cached scope",
  "map of futures",
  "batched",
  "argument",
];

// Where one of them did end the program, its text would be there.
Deno.test(`failures left to ${HANDLED.join("; ")} end no program`, async () => {
  assertEquals(await run(...HANDLED), { code: 0, stderr: "" });
});
