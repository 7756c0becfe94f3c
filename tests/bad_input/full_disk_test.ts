// End-to-end: a program whose disk is full.
import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";

/** What is done on a full disk, each through files of its own. */
const WORK = ["put", "fold", "compact", "rewrite"];

const DISK = Tool.find("tmpfs");

/** Mounts a disk of 1 MiB, seen by the command after it only. */
const ON_SMALL_DISK = 'mount -t tmpfs -o size=1m quiver "$0" && exec "$@"';

for (const workerType of ["inline", "web"]) {
  Deno.test({
    ...DISK.forTest(
      `a full disk costs no result, and the bag goes on when there is room (${workerType})`,
    ),
    async fn() {
      await using directory = new TemporaryDirectory();
      const { path } = directory;
      const within = { tool: DISK, args: [ON_SMALL_DISK, path] };
      const program = { args: [path, workerType], within };
      const { stdout, stderr, code } = await runProgram("full_disk.ts", program);
      assertEquals(code, 0);
      assertMatch(
        stderr,
        /^Warning: Cannot seal all of ".+": .+ nothing is lost, and the next fold starts over\n$/,
      );
      const [full, room, again] = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      assertEquals([full.wrong, full.misses], [0, 40]);
      assert(full.warnings.includes(
        'Cannot store the result of "samples": the call is not remembered: No space left on device',
      ));
      assertEquals(new Set(full.warnings).size, full.warnings.length);
      assertEquals(full.thrown, undefined);
      // What was remembered before the disk was full is there, and the rest is remembered now.
      assertEquals([room.wrong, room.warnings, room.thrown], [0, [], undefined]);
      assert(room.misses > 0 && room.misses < 40, `${room.misses} misses`);
      assertEquals(again, { wrong: 0, misses: 0, warnings: [] });
    },
  });
}

for (const kind of WORK) {
  Deno.test({
    ...DISK.forTest(
      `a disk that is full during "${kind}" costs nothing, and it works when there is room`,
    ),
    async fn() {
      await using directory = new TemporaryDirectory();
      const { path } = directory;
      const program = { args: [path, kind], within: { tool: DISK, args: [ON_SMALL_DISK, path] } };
      const { stdout, stderr, code } = await runProgram("full_disk_work.ts", program);
      assertEquals([stderr, code], ["", 0]);
      const reports = stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
      for (const report of reports) {
        const { room, error, ...rest } = report;
        const good = { lost: 0, after: 0, sound: true, problems: [] };
        assertEquals(rest, good, `with ${room} bytes, ${error}`);
        if (error !== undefined) assertMatch(error, /No space left on device/);
      }
      const failed = reports.filter(({ error }) => error !== undefined);
      assert(failed.length > 1, "the disk was never full");
      assert(kind === "put" || failed.length < reports.length, "there was never enough room");
    },
  });
}

/** Mounts a disk of 2 MiB, a quarter of which is taken. */
const ON_TAKEN_DISK =
  'mount -t tmpfs -o size=2m quiver "$0" && head -c 512k /dev/zero > "$0/filler" && exec "$@"';

for (const size of ["100", "20000"]) {
  Deno.test({
    ...DISK.forTest(`what is forgotten on a full disk gives its space back (${size} bytes)`),
    async fn() {
      await using directory = new TemporaryDirectory();
      const { path } = directory;
      const program = { args: [path, size], within: { tool: DISK, args: [ON_TAKEN_DISK, path] } };
      const { stdout, stderr, code } = await runProgram("full_disk_forget.ts", program);
      assertEquals([stderr, code], ["", 0]);
      const { first, evicted, values, second, forgotten, again, kept } = JSON.parse(stdout);
      assertGreater(first, 30);
      assertEquals(evicted, first, "all are forgotten, though nothing can be written");
      assertGreater(values, first);
      assertGreater(second, first * 0.8, "there is room for nearly as many again");
      assertGreater(again, forgotten);
      assertEquals(kept, second - forgotten);
    },
  });
}
