// End-to-end: a disk that becomes read-only beneath an open bag. Skipped where none can be mounted.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram, succeeds } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

/** What is mounted after it is seen by the program only, and goes with it. */
const ALONE = ["unshare", "--mount"] as const;

const IMAGE_BYTES = 16 * 1024 * 1024;

/** Makes a file that can be mounted as a disk. */
function createImage(directory: string): string {
  const image = `${directory}/image`;
  using file = Deno.openSync(image, { write: true, create: true });
  file.truncateSync(IMAGE_BYTES);
  return succeeds("mkfs.ext4", ["-q", image]) ? image : "";
}

function canMount(): boolean {
  const directory = Deno.makeTempDirSync();
  try {
    const image = createImage(directory);
    Deno.mkdirSync(`${directory}/disk`);
    return succeeds("unshare", ["--mount", "mount", "-o", "loop", image, `${directory}/disk`]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

Deno.test({
  name: "a disk that turns read-only costs no result, and the bag goes on when it can be written",
  ignore: !canMount(),
  async fn() {
    await using directory = new TemporaryDirectory();
    const disk = `${directory.path}/disk`;
    await Deno.mkdir(disk);
    const { stdout, stderr, code } = await runProgram("turned_read_only.ts", {
      args: [disk, createImage(directory.path)],
      flags: ["--allow-all"],
      within: ALONE,
    });
    assertEquals([stderr, code], ["", 0]);
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
