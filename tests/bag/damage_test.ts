// end-to-end: damaged files give a miss or the right value, never a wrong one
import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { verifyStores } from "../../src/store/verify/verify_stores.ts";
import { BagCorruptError } from "../../src/base/errors.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const PARTS = [
  createPart("one", 60),
  createPart("two", 4096, "Float64Array"),
  createPart("three", 0),
  createPart("four", 33, "graph"),
] as const;
const KEYS = ["a", "b", "c"].map(toDigest);
const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

async function createBag(path: string, fold: boolean): Promise<void> {
  await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  for (const part of PARTS) bag.values.putPart(part);
  KEYS.forEach((key, n) => bag.calls.putLine(key, { key, n, text: "é\n\u2028" }));
  if (fold) await bag.fold();
}

/** How many values and records are there; fails when one is wrong. */
function countFound(bag: DiskBag, context: string): number {
  let found = 0;
  for (const part of PARTS) {
    const payload = bag.values.load(part.digest);
    if (payload === undefined) continue;
    assertEquals(payload, { kind: part.kind, bytes: part.bytes }, context);
    found++;
  }
  KEYS.forEach((key, n) => {
    const record = bag.calls.getLine(key);
    if (record === undefined) return;
    assertEquals(record, { key, n, text: "é\n\u2028" }, context);
    found++;
  });
  assertEquals([...bag.calls.lines()].length <= KEYS.length, true, context);
  return found;
}

async function countAfter(
  path: string,
  file: string,
  content: Uint8Array,
  context: string,
): Promise<number> {
  const original = Deno.readFileSync(`${path}/${file}`);
  Deno.writeFileSync(`${path}/${file}`, content);
  try {
    await using bag = await openBagFiles(path, { mode: "read", memoryBytes: 0 }, ENVIRONMENT);
    return countFound(bag, context);
  } finally {
    Deno.writeFileSync(`${path}/${file}`, original);
  }
}

/** Cuts a file to each length; of those within the long value, which differ in nothing, to some. */
async function truncateEverywhere(path: string, file: string): Promise<number[]> {
  const original = Deno.readFileSync(`${path}/${file}`);
  const start = findBytes(original, PARTS[1].bytes);
  const isWithin = (length: number) =>
    start !== undefined && length > start + 64 && length < start + PARTS[1].bytes.length - 64;
  const counts: number[] = [];
  for (let length = 0; length <= original.length; length += isWithin(length) ? 61 : 1) {
    const context = `${file} cut to ${length}`;
    counts.push(await countAfter(path, file, original.subarray(0, length), context));
  }
  return counts;
}

function findBytes(bytes: Uint8Array, part: Uint8Array): number | undefined {
  const at = bytes.toHex().indexOf(part.toHex());
  return at < 0 ? undefined : at / 2;
}

async function flipBits(path: string, file: string, step: number): Promise<number[]> {
  const original = Deno.readFileSync(`${path}/${file}`);
  const counts: number[] = [];
  for (let at = 0; at < original.length; at += step) {
    const content = original.slice();
    content[at] = (content[at] ?? 0) ^ (1 << (at % 8));
    counts.push(await countAfter(path, file, content, `${file} with a bit flipped at ${at}`));
  }
  return counts;
}

function isRising(counts: readonly number[]): boolean {
  return counts.every((count, i) => i === 0 || count >= (counts[i - 1] ?? 0));
}

Deno.test("BagValues.load() finds what is before the end of a journal cut anywhere", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, false);
  const [journal = ""] = listFiles(directory.path).filter((name) => name.startsWith("journal/"));
  const counts = await truncateEverywhere(directory.path, journal);
  assertEquals(isRising(counts), true);
  assertEquals([counts.at(0), counts.at(-1)], [KEYS.length, KEYS.length + PARTS.length]);
});

Deno.test("CallLog.getLine() finds what is before the end of a call log cut anywhere", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, false);
  const counts = await truncateEverywhere(directory.path, "calls.jsonl");
  assertEquals(isRising(counts), true);
  assertEquals([counts.at(0), counts.at(-1)], [PARTS.length, KEYS.length + PARTS.length]);
});

Deno.test("BagValues.load() finds all but the damaged value when a journal is damaged", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, false);
  const [journal = ""] = listFiles(directory.path).filter((name) => name.startsWith("journal/"));
  const counts = await flipBits(directory.path, journal, 5);
  assertEquals(new Set(counts), new Set([KEYS.length + PARTS.length - 1]));
});

Deno.test("CallLog.getLine() finds all but the damaged record when the log is damaged", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, false);
  const counts = await flipBits(directory.path, "calls.jsonl", 1);
  // A damaged line feed can join two lines; the doubled ones can be spared.
  assertGreater(Math.min(...counts), PARTS.length);
  assertEquals(counts.filter((count) => count < PARTS.length + KEYS.length - 1), []);
});

Deno.test("a row of packed values that is damaged costs its value, with a table and without", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const parts = Array.from({ length: 300 }, (_, i) => createPart(`part ${i}`, 20));
  {
    await using bag = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    for (const part of parts) bag.values.putPart(part);
    await bag.fold();
  }
  const [segment, index] = [`${path}/segments/000001.h5`, `${path}/segments/000001.index`];
  const [content, table] = [Deno.readFileSync(segment), Deno.readFileSync(index)];
  const countLoaded = async () => {
    await using bag = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
    return parts.filter(({ digest, bytes }) =>
      bag.values.load(digest)?.bytes.toHex() === bytes.toHex()
    ).length;
  };
  const rowOf = (n: number) => indexOf(content, Uint8Array.fromHex(parts[n]?.digest ?? ""));
  for (const isThere of [true, false]) {
    for (const [n, length] of [[0, 1], [7, 33], [120, 64]] as const) {
      for (const at of [rowOf(n), rowOf(n) + 63]) {
        const damaged = content.slice();
        damaged.set(damaged.subarray(at, at + length).map((byte) => ~byte), at);
        Deno.writeFileSync(segment, damaged);
        if (!isThere) Deno.removeSync(index);
        const lost = 300 - await countLoaded();
        assertEquals(lost >= 1 && lost <= Math.ceil((length + 63) / 64), true, `${lost} lost`);
        Deno.writeFileSync(index, table);
      }
    }
  }
  // A block of zeros in the middle of the rows.
  const at = rowOf(50) & ~4095;
  Deno.writeFileSync(segment, content.slice().fill(0, at, at + 4096));
  assertGreater(await countLoaded(), 300 - 66);
  const report = await verifyStores(path, { repair: true });
  assertEquals(report.sound, true);
  assertGreater(await countLoaded(), 300 - 66);
});

Deno.test("BagValues.load() finds everything when a segment's table is damaged", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const [table = ""] = listFiles(directory.path).filter((name) => name.endsWith(".index"));
  const counts = [
    ...await flipBits(directory.path, table, 3),
    ...await truncateEverywhere(directory.path, table),
  ];
  assertEquals(new Set(counts), new Set([KEYS.length + PARTS.length]));
});

Deno.test("BagValues.load() misses at most the damaged value when a segment is damaged", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const [segment = ""] = listFiles(directory.path).filter((name) => name.endsWith(".h5"));
  const counts = await flipBits(directory.path, segment, 7);
  assertEquals(counts.filter((count) => count < KEYS.length + PARTS.length - 1), []);
});

Deno.test("BagValues.load() is never wrong when a damaged segment has lost its table", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const files = listFiles(directory.path);
  const [segment = ""] = files.filter((name) => name.startsWith("segments/") && /h5$/.test(name));
  const [table = ""] = files.filter((name) => name.startsWith("segments/") && /index$/.test(name));
  Deno.removeSync(`${directory.path}/${table}`);
  const counts = await flipBits(directory.path, segment, 11);
  assertEquals(counts.filter((count) => count < KEYS.length), []);
  assertGreater(counts.filter((count) => count === KEYS.length + PARTS.length).length, 0);
});

Deno.test("openBagFiles() rejects when the manifest is damaged", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const path = `${directory.path}/manifest.json`;
  const original = Deno.readFileSync(path);
  // The line feeds around it say nothing.
  for (let at = 1; at < original.length - 1; at++) {
    const content = original.slice();
    content[at] = (content[at] ?? 0) ^ (1 << (at % 8));
    Deno.writeFileSync(path, content);
    await assertRejects(
      () => openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT),
      BagCorruptError,
      "manifest.json",
    );
  }
});

// executors 83
Deno.test("BagValues.putPart() heals a value that was found damaged in its segment", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const [segment = ""] = listFiles(directory.path).filter((name) => /^segments.*h5$/.test(name));
  const content = Deno.readFileSync(`${directory.path}/${segment}`);
  const [, part] = PARTS;
  if (part === undefined) throw new TypeError("Cannot test without a value");
  const at = indexOf(content, part.bytes);
  content[at] = (content[at] ?? 0) ^ 1;
  Deno.writeFileSync(`${directory.path}/${segment}`, content);
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    assertEquals(bag.values.load(part.digest), undefined);
    assertEquals(bag.values.find(part.digest), undefined);
    bag.values.putPart(part);
    assertEquals(bag.values.load(part.digest)?.bytes, part.bytes);
    assertEquals((await bag.fold())?.values, 1);
    assertEquals(bag.values.load(part.digest)?.bytes, part.bytes);
  }
  await using bag = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
  assertEquals(countFound(bag, "healed"), KEYS.length + PARTS.length);
});

Deno.test("DiskBag.fold() leaves out what is damaged in a journal", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, false);
  const [journal = ""] = listFiles(directory.path).filter((name) => name.startsWith("journal/"));
  const content = Deno.readFileSync(`${directory.path}/${journal}`);
  content[60] = (content[60] ?? 0) ^ 1;
  Deno.writeFileSync(`${directory.path}/${journal}`, content);
  await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
  assertEquals((await bag.fold())?.values, PARTS.length - 1);
  assertEquals(countFound(bag, "folded"), KEYS.length + PARTS.length - 1);
});

Deno.test("DiskBag.fold() rejects with the damage that its worker found", async () => {
  using directory = new TemporaryDirectory();
  await createBag(directory.path, true);
  const path = `${directory.path}/manifest.json`;
  // With the runner that a program has: a worker of its own.
  await using bag = await openBagFiles(directory.path, { fold: "manual" });
  bag.values.putPart(createPart("five", 5));
  const original = Deno.readFileSync(path);
  Deno.writeTextFileSync(path, "{}");
  const error = await assertRejects(() => bag.fold(), BagCorruptError, "manifest.json");
  assertEquals([error.file, error.offset], [path, 0]);
  Deno.writeFileSync(path, original);
  assertEquals((await bag.fold())?.values, 1);
  assertEquals(countFound(bag, "folded"), KEYS.length + PARTS.length);
});

function indexOf(content: Uint8Array, bytes: Uint8Array): number {
  for (let at = 0; at + bytes.length <= content.length; at++) {
    if (bytes.every((byte, i) => content[at + i] === byte)) return at;
  }
  throw new RangeError("Cannot find the value's bytes");
}
