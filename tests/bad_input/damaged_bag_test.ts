// End-to-end: programs that meet a directory that is no bag, or a bag that was damaged.
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { sweep, SWEEP_CALLS, toGoodReport } from "./_sweep.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

Deno.test("openBag() refuses a directory that holds something else, and leaves it alone", async () => {
  await using directory = new TemporaryDirectory();
  await Deno.writeTextFile(`${directory.path}/thesis.tex`, "\\end{document}");
  const { thrown: [error = ""] } = await sweep(directory.path);
  assertStringIncludes(error, `BagFormatError: Cannot open "${directory.path}" as a bag`);
  assertStringIncludes(error, "thesis.tex");
  assertStringIncludes(error, "missing or empty");
  assertEquals(Array.from(Deno.readDirSync(directory.path)).length, 1);
});

Deno.test("openBag() refuses a bag of a newer format, and says what to use", async () => {
  await using directory = new TemporaryDirectory();
  assertEquals(await sweep(directory.path), toGoodReport(SWEEP_CALLS));
  const file = `${directory.path}/bag.json`;
  const content = JSON.parse(await Deno.readTextFile(file));
  await Deno.writeTextFile(file, JSON.stringify({ ...content, version: 3 }));
  const { thrown: [error = ""] } = await sweep(directory.path);
  assertStringIncludes(error, "BagFormatError: ");
  assertStringIncludes(error, "format version 3");
  assertStringIncludes(error, "use the Quiver that wrote it");
  await Deno.writeTextFile(file, JSON.stringify(content));
  assertEquals(await sweep(directory.path), toGoodReport(0));
});

// executors 83
Deno.test("a torn line of the call log costs its own call, which heals", async () => {
  await using directory = new TemporaryDirectory();
  const file = `${directory.path}/calls.jsonl`;
  await sweep(directory.path);
  await Deno.truncate(file, (await Deno.stat(file)).size - 100);
  assertEquals(await sweep(directory.path), toGoodReport(1));
  assertEquals(await sweep(directory.path), toGoodReport(0));
});

// executors 83, 91
Deno.test("a truncated journal costs the values that were cut off, which heal", async () => {
  await using directory = new TemporaryDirectory();
  const manual = { bag: { fold: "manual" } } as const;
  await sweep(directory.path, manual);
  const [journal, ...others] = Array.from(Deno.readDirSync(`${directory.path}/journal`));
  assertEquals(others, []);
  const file = `${directory.path}/journal/${journal?.name}`;
  await Deno.truncate(file, (await Deno.stat(file)).size - 100);
  assertEquals(await sweep(directory.path, manual), toGoodReport(1));
  assertEquals(await sweep(directory.path), toGoodReport(0));
  assertEquals(await sweep(directory.path), toGoodReport(0));
});

for (const workerType of ["inline", "web"] as const) {
  // fleche 18, executors 83
  Deno.test(`a bit flipped in a segment is a miss that heals (${workerType})`, async () => {
    await using directory = new TemporaryDirectory();
    await sweep(directory.path, { workerType });
    const file = `${directory.path}/segments/000001.h5`;
    const bytes = await Deno.readFile(file);
    const at = findArrayOf(bytes, 3);
    assert(at > 0);
    bytes[at + 4] = (bytes[at + 4] ?? 0) ^ 1;
    await Deno.writeFile(file, bytes);
    assertEquals(await sweep(directory.path, { workerType }), toGoodReport(1));
    assertEquals(await sweep(directory.path, { workerType }), toGoodReport(0));
  });
}

/** Where the samples of a point lie. */
function findArrayOf(bytes: Uint8Array, x: number): number {
  const pattern = new Uint8Array(new Float64Array(4).fill(x).buffer);
  for (let at = bytes.indexOf(0x40); at !== -1; at = bytes.indexOf(0x40, at + 1)) {
    const start = at - 7;
    if (pattern.every((byte, index) => bytes[start + index] === byte)) return start;
  }
  return -1;
}
