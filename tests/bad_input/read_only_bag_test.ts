// End-to-end: programs that may read a bag but not write to it.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { sweep, SWEEP_CALLS, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { NOBODY, Tool } from "../tools.ts";

const MODE_READ = { mode: "read" } as const;

const OTHER_USER = Tool.find("other-user");

for (const workerType of ["inline", "web"] as const) {
  Deno.test(`openBag() with mode: read serves hits, and writes nothing (${workerType})`, async () => {
    await using directory = new TemporaryDirectory();
    await sweep(directory.path);
    const before = listFiles(directory.path);
    const flags = ["--allow-read"];
    const report = await sweep(directory.path, { workerType, bag: MODE_READ }, { flags });
    assertEquals(report, toGoodReport(0));
    assertEquals(listFiles(directory.path), before);
  });

  Deno.test(`openBag() with mode: read runs misses and warns once of each task (${workerType})`, async () => {
    await using directory = new TemporaryDirectory();
    await sweep(directory.path);
    await Deno.remove(`${directory.path}/calls.jsonl`);
    const flags = ["--allow-read"];
    const report = await sweep(directory.path, { workerType, bag: MODE_READ }, { flags });
    const { wrong, misses, known, thrown, code, stderr } = report;
    assertEquals([wrong, misses, known, thrown, code, stderr], [0, SWEEP_CALLS, 0, [], 0, ""]);
    assertEquals(
      report.warnings.toSorted(),
      ["double", "samples"].map((task) =>
        `Cannot remember a call of "${task}": the cache is read-only; the call runs each time`
      ),
    );
  });
}

Deno.test({
  ...OTHER_USER.forTest(
    "openBag() says what to do where the user may not write, and the bag stays readable",
  ),
  async fn() {
    await using directory = new TemporaryDirectory();
    // All that is made in it is as the directory is.
    await Deno.chmod(directory.path, 0o755);
    await sweep(directory.path);
    const before = listFiles(directory.path);
    const refused = await sweep(directory.path, {}, { uid: NOBODY });
    assertStringIncludes(refused.thrown[0] ?? "", `Cannot open "${directory.path}" for writing`);
    assertStringIncludes(refused.thrown[0] ?? "", 'open it with mode: "read"');
    const report = await sweep(directory.path, { bag: MODE_READ }, { uid: NOBODY });
    assertEquals(report, toGoodReport(0));
    assertEquals(listFiles(directory.path), before);
  },
});

/** The names and sizes of all files, in order. */
function listFiles(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name, isDirectory }) => {
    const path = `${directory}/${name}`;
    return isDirectory ? listFiles(path) : [`${path} ${Deno.statSync(path).size}`];
  }).flat().sort();
}
