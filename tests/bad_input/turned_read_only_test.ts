// End-to-end: a disk that becomes read-only beneath an open bag.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createImage, Tool } from "../tools.ts";

/** What is mounted after it is seen by the program only, and goes with it. */
const LOOP_DISK = Tool.find("loop-disk");

Deno.test({
  ...LOOP_DISK.forTest(
    "a disk that turns read-only costs no result, and the bag goes on when it can be written",
  ),
  async fn() {
    await using directory = new TemporaryDirectory();
    const disk = `${directory.path}/disk`;
    const image = `${directory.path}/image`;
    await Deno.mkdir(disk);
    assertEquals(createImage(image), true);
    const { stdout, stderr, code } = await runProgram("turned_read_only.ts", {
      args: [disk, image],
      flags: ["--allow-all"],
      within: { tool: LOOP_DISK, args: [] },
    });
    assertEquals(code, 0, stderr);
    // Who has used what is known is said to be lost, once.
    assertMatch(
      stderr,
      /^Warning: Cannot write down who has used calls, in .*: results are not concerned: Read-only file system .*\n$/,
    );
    const lines = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    const [first, second, known, fresh, put, evicted, fold, open, read, close, ...later] = lines;
    const ran = (misses: number) => ({ misses, wrong: 0, warnings: [] });
    assertEquals([first, second], [ran(10), ran(10)]);
    assertEquals([known, read], [ran(0), ran(0)]);
    // What is new is computed each time, and said once of a task.
    assertEquals([fresh.misses, fresh.wrong], [5, 0]);
    for (const warning of fresh.warnings) assertMatch(warning, /: Read-only file system$/);
    for (const { error } of [put, fold, close]) {
      assertStringIncludes(error, "Read-only file system");
    }
    assertEquals(evicted, { error: "none" });
    assertStringIncludes(open.error, 'open it with mode: "read"');
    assertEquals(later, [{ unmounted: true }, ran(0), ran(5), { sound: true }]);
  },
});
