// end-to-end: nothing keeps what calls were given, in a program that can collect its garbage
import { assertEquals } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

const KINDS = ["web", "process", "inline"] as const;

for (const workerType of KINDS) {
  // executors 61, 62
  Deno.test(`${workerType}: arguments of calls that have ended are collected, cycles too`, async () => {
    const entry = new URL("./testdata/memory_main.ts", import.meta.url).href;
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        ...["--allow-read", "--allow-write", "--allow-run", "--allow-env"],
        "--v8-flags=--expose-gc",
        entry,
        workerType,
      ],
      stderr: "inherit",
    }).output();
    assertEquals(JSON.parse(new TextDecoder().decode(stdout)), { there: 0, here: 0 });
  });
}
