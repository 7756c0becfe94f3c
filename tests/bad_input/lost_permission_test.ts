// End-to-end: programs that may not write to a bag any more, by its permissions or by its disk.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { sweep, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { NOBODY, Tool } from "../tools.ts";

const OTHER_USER = Tool.find("other-user");
const DISK = Tool.find("tmpfs");

/** Copies a bag to a disk of its own, seen by the command after it only, and makes that read-only. */
const ON_READ_ONLY_DISK =
  'mount -t tmpfs -o size=8m quiver "$1" && cp -r "$0/." "$1" && mount -o remount,ro "$1" && ' +
  'shift && exec "$@"';

Deno.test({
  ...OTHER_USER.forTest(
    "openBag() loses nothing when the permission to write is lost half-way, and goes on with it",
  ),
  async fn() {
    await using directory = new TemporaryDirectory();
    await Deno.chown(directory.path, NOBODY, NOBODY);
    const args = [`${directory.path}/bag`];
    const { stdout, stderr, code } = await runProgram("lost_permission.ts", { args, uid: NOBODY });
    assertEquals([stderr, code], ["", 0]);
    const [before, without, again, rest] = stdout.trimEnd().split("\n").map((line) =>
      JSON.parse(line)
    );
    assertEquals(before, { wrong: 0, warnings: [], fold: "", known: 30 });
    // Results are right all the same, and what was known is known.
    assertEquals([without.wrong, without.known], [0, 30]);
    assertEquals(without.warnings, [
      'Cannot lease a call of "samples": others may compute it too: PermissionDenied',
      'Cannot store an argument of "samples": its record keeps the digest only: PermissionDenied',
      'Cannot store the result of "samples": the call is not remembered: PermissionDenied',
    ]);
    // The lock needs no right to write, and there is nothing to seal.
    assertEquals(without.fold, "");
    assertEquals(again, before);
    assertEquals(rest, { ...before, known: 60 });
  },
});

Deno.test({
  ...DISK.forTest(
    "openBag() says what to do on a read-only file system, and the bag stays readable",
  ),
  async fn() {
    await using original = new TemporaryDirectory();
    await using disk = new TemporaryDirectory();
    await sweep(original.path);
    const within = { tool: DISK, args: [ON_READ_ONLY_DISK, original.path, disk.path] };
    const refused = await sweep(disk.path, {}, { within });
    assertStringIncludes(refused.thrown[0] ?? "", `Cannot open "${disk.path}" for writing`);
    assertStringIncludes(refused.thrown[0] ?? "", 'open it with mode: "read"');
    const report = await sweep(disk.path, { bag: { mode: "read" } }, { within });
    assertEquals(report, toGoodReport(0));
  },
});
