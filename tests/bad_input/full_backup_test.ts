// End-to-end: a backup whose disk is full.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";

const DISK = Tool.find("tmpfs");

/** Mounts a disk of 2 MiB, seen by the command after it only. */
const ON_SMALL_DISK = 'mount -t tmpfs -o size=2m quiver "$0" && exec "$@"';

/** What came of a backup on a disk with little room, and of the next one when there was room. */
interface Report {
  readonly count: number;
  readonly before?: { readonly known: number; readonly sound: boolean };
  readonly after?: { readonly known: number; readonly sound: boolean };
  readonly error?: string;
  readonly linked: number;
  readonly again?: string;
}

Deno.test({
  ...DISK.forTest(
    "Bag.backup() on a full disk keeps the older backup, and goes on when there is room",
  ),
  async fn() {
    await using disk = new TemporaryDirectory();
    await using directory = new TemporaryDirectory();
    const within = { tool: DISK, args: [ON_SMALL_DISK, disk.path] };
    const program = { args: [disk.path, directory.path], within };
    const { stdout, stderr, code } = await runProgram("backup_full_disk.ts", program);
    assertEquals(code, 0, stderr);
    const { reports, end }: { reports: Report[]; end: Report["after"] } = JSON.parse(stdout);
    for (const { count, before, after, error, linked, again } of reports) {
      const shown = JSON.stringify({ count, before, after, error, again });
      // On another disk nothing can be linked.
      assertEquals([linked, again], [0, undefined], shown);
      if (error === undefined) assertEquals(after, { known: count, sound: true }, shown);
      else assertStringIncludes(error, "No space left on device", shown);
      if (before === undefined) continue;
      assert(after?.sound === true && after.known >= before.known, shown);
    }
    const failed = reports.filter(({ error }) => error !== undefined);
    assert(failed.length >= 4, "a disk that is never full proves nothing");
    assert(failed.some(({ before }) => before !== undefined));
    const [named] = failed.filter(({ error }) => error?.startsWith('Cannot copy to "'));
    assertStringIncludes(named?.error ?? "", "what is complete stays, and the next backup goes on");
    assertEquals(end, { known: 18, sound: true });
  },
});
