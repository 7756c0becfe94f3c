// End-to-end: programs that may not write to a bag any more, by its permissions or by its disk.
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram, succeeds } from "./_run_program.ts";
import { sweep, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

/** A user whom permissions hold back, which they do not the administrator. */
const NOBODY = 65_534;
const NOBODY_READS = succeeds("test", ["-r", new URL(import.meta.url).pathname], NOBODY) &&
  succeeds("test", ["-x", Deno.execPath()], NOBODY);

/** Copies a bag to a disk of its own, seen by the command after it only, and makes that read-only. */
const ON_READ_ONLY_DISK = [
  "unshare",
  "--mount",
  "--map-root-user",
  "sh",
  "-c",
  'mount -t tmpfs -o size=8m quiver "$1" && cp -r "$0/." "$1" && mount -o remount,ro "$1" && ' +
  'shift && exec "$@"',
] as const;

function canMount(): boolean {
  const [command, ...args] = ON_READ_ONLY_DISK;
  const paths = [Deno.makeTempDirSync(), Deno.makeTempDirSync()];
  try {
    return succeeds(command, [...args, ...paths, "true"]);
  } finally {
    for (const path of paths) Deno.removeSync(path);
  }
}

Deno.test({
  name:
    "openBag() loses nothing when the permission to write is lost half-way, and goes on with it",
  ignore: !NOBODY_READS,
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
    assertMatch(
      without.fold,
      /^QuiverError: Cannot fold ".+": Permission denied .+ nothing is lost/,
    );
    assertEquals(again, before);
    assertEquals(rest, { ...before, known: 60 });
  },
});

Deno.test({
  name: "openBag() says what to do on a read-only file system, and the bag stays readable",
  ignore: !canMount(),
  async fn() {
    await using original = new TemporaryDirectory();
    await using disk = new TemporaryDirectory();
    await sweep(original.path);
    const within = [...ON_READ_ONLY_DISK, original.path, disk.path];
    const refused = await sweep(disk.path, {}, { within });
    assertStringIncludes(refused.thrown[0] ?? "", `Cannot open "${disk.path}" for writing`);
    assertStringIncludes(refused.thrown[0] ?? "", 'open it with mode: "read"');
    const report = await sweep(disk.path, { bag: { mode: "read" } }, { within });
    assertEquals(report, toGoodReport(0));
  },
});
