// end-to-end: checking and repairing bags whose files were damaged
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { DISK, FileHandles, readAt, replaceFile } from "../../src/disk/file_system.ts";
import { Hdf5Library } from "../../src/bag/hdf5/library.ts";
import { toLayout, toSegmentIndexPath, toSegmentPath } from "../../src/disk/layout.ts";
import type { VerifyReport } from "../../src/bag/verify/report.ts";
import { encodeCheckedLine } from "../../src/disk/checked_line.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeSegmentIndex } from "../../src/bag/segment/seal.ts";
import { SegmentTable } from "../../src/bag/segment/segment_table.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { verifyStores } from "../../src/store/verify/verify_stores.ts";
import { toShortDigest } from "../bag/_short_digest.ts";
import { toDigest } from "../bag/_values.ts";
import { FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import {
  CALLS,
  createSmallBag,
  ENVIRONMENT,
  listDamaged,
  type StoredCall,
  UNSEALED,
  verify,
} from "./_small_bag.ts";

const ALL = [...CALLS, UNSEALED];

/** Which calls are hits; fails where one has a wrong value. */
async function listHits(path: string, calls: readonly StoredCall[] = ALL): Promise<number[]> {
  await using files = await openBagFiles(path, { mode: "read", memoryBytes: 0 }, ENVIRONMENT);
  const { calls: records, values } = files;
  const hits: number[] = [];
  for (const [i, { key, result }] of calls.entries()) {
    const record = await records.get(key);
    const found = record && await values.get(record.result);
    if (found?.hit !== true) continue;
    assertEquals(found.value, result);
    hits.push(i);
  }
  return hits;
}

function findFile(path: string, pattern: RegExp): string {
  const [file] = listFiles(path).filter((name) => pattern.test(name));
  assert(file !== undefined, `there is no ${pattern}`);
  return `${path}/${file}`;
}

/** Flips a bit of the last byte of a pattern in a file. */
function damage(file: string, pattern?: Uint8Array): void {
  const content = Deno.readFileSync(file);
  const at = pattern === undefined ? content.length >> 1 : indexOf(content, pattern);
  content[at] = (content[at] ?? 0) ^ 4;
  Deno.writeFileSync(file, content);
}

/** What the record of a call begins with, and a byte behind its key. */
function toLineBegin(key: string = ""): Uint8Array {
  return new TextEncoder().encode(`{"call":"${toShortDigest(key)}","h`);
}

function indexOf(content: Uint8Array, bytes: Uint8Array): number {
  for (let at = 0; at + bytes.length <= content.length; at++) {
    if (bytes.every((byte, i) => content[at + i] === byte)) return at + bytes.length - 1;
  }
  throw new RangeError("Cannot find the bytes");
}

/** Repairs, and says which steps had problems; the bag is sound afterwards. */
async function repair(path: string): Promise<{ damaged: string[]; misses: readonly string[] }> {
  const found = await verify(path);
  const repaired = await verify(path, { repair: true });
  // What a repair of files brings back is no damage of records any more.
  assertEquals(listDamaged(repaired).filter((name) => !listDamaged(found).includes(name)), []);
  assertEquals(repaired.sound, true, JSON.stringify(repaired, null, 2));
  const again = await verify(path, { digests: true });
  assertEquals(listDamaged(again), [], JSON.stringify(again, null, 2));
  assertEquals([again.sound, again.missed], [true, 0]);
  return { damaged: listDamaged(repaired), misses: repaired.misses };
}

Deno.test("verifyStores() finds nothing wrong with a sound bag, and changes no byte", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path);
  const before = listFiles(path).map((name) => [name, Deno.readFileSync(`${path}/${name}`)]);
  const report = await verify(path, { digests: true });
  assertEquals(listDamaged(report), []);
  assertEquals([report.sound, report.missed, report.quarantine], [true, 0, undefined]);
  const checked = report.steps.map(({ name, checked }) => [name, checked]);
  assertEquals(checked, [
    ["links", listFiles(path).length],
    ["bag.json", 1],
    ["manifest", 1],
    ["link file", 1],
    ["segments", 7],
    ["tables", 1],
    ["journals", 2],
    ["log", 4],
    ["files", 0],
    ["unfinished", 0],
    ["records", 4],
  ]);
  const after = listFiles(path).map((name) => [name, Deno.readFileSync(`${path}/${name}`)]);
  assertEquals(after, before);
});

Deno.test("verifyStores() takes damaged lines out of files.jsonl", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path);
  const line = (size: number) =>
    new TextDecoder().decode(
      encodeCheckedLine(
        `{"dev":1,"ino":2,"size":${size},"mtime":3,"ctime":4,"digest":"${"a".repeat(64)}"`,
      ),
    );
  const [first, damaged, torn] = [line(1), line(2).replace(`"size":2`, `"size":3`), `\n{"dev":1,`];
  Deno.writeTextFileSync(`${path}/files.jsonl`, `${first}${damaged}${line(4)}${torn}`);
  const stepOf = ({ steps }: VerifyReport) => steps.find(({ name }) => name === "files");
  const report = await verify(path);
  const { checked, problems, repaired, unfinished, findings } = stepOf(report) ?? {};
  assertEquals([checked, problems, repaired, unfinished], [4, 1, 0, 1]);
  const offset = first.length + 1;
  assertEquals(findings, [{ file: "files.jsonl", offset, problem: "a line is damaged" }]);
  assertEquals(report.sound, false);
  const mended = await verify(path, { repair: true });
  assertEquals([stepOf(mended)?.repaired, mended.sound], [1, true]);
  assertEquals(listFiles(mended.quarantine ?? ""), ["files.jsonl"]);
  const left = Deno.readTextFileSync(`${path}/files.jsonl`);
  assertEquals(left.split("\n").filter(Boolean), [first.trim(), line(4).trim()]);
  assertEquals(listDamaged(await verify(path)), []);
});

Deno.test("verifyStores() makes a manifest again that is damaged or missing", async () => {
  for (
    const destroy of [damage, Deno.removeSync, (file: string) => Deno.writeTextFileSync(file, "")]
  ) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    destroy(`${directory.path}/manifest.json`);
    const { damaged, misses } = await repair(directory.path);
    assertEquals([damaged, misses], [["manifest"], []]);
    assertEquals(await listHits(directory.path), [0, 1, 2, 3]);
  }
});

Deno.test("verifyStores() makes tables, the link file and bag.json again", async () => {
  const cases = [
    [/^values\.h5$/, "link file"],
    [/^segments.*index$/, "tables"],
    [/^bag\.json$/, "bag.json"],
  ] as const;
  for (const [pattern, step] of cases) {
    for (const destroy of [Deno.removeSync, (file: string) => Deno.writeTextFileSync(file, "x")]) {
      using directory = new TemporaryDirectory();
      await createSmallBag(directory.path);
      destroy(findFile(directory.path, pattern));
      assertEquals(await repair(directory.path), { damaged: [step], misses: [] });
      assertEquals(await listHits(directory.path), [0, 1, 2, 3]);
    }
  }
});

// fleche 59, executors 83
Deno.test("verifyStores() forgets a call whose result is damaged, and keeps the others", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const [, second] = CALLS;
  assert(second?.result instanceof Float64Array);
  const segment = findFile(directory.path, /^segments.*h5$/);
  const old = Deno.readFileSync(segment);
  damage(segment, new Uint8Array(second.result.buffer));
  const damaged = Deno.readFileSync(segment);
  const result = await repair(directory.path);
  assertEquals(result, { damaged: ["segments", "records"], misses: [second.key] });
  assertEquals(await listHits(directory.path), [0, 2, 3]);
  // The damaged file is in quarantine, not gone.
  const kept = findFile(directory.path, /^quarantine.*segments.*h5$/);
  assertEquals(Deno.readFileSync(kept), damaged);
  assertEquals(old.length, damaged.length);
});

Deno.test("verifyStores() keeps what the table knows of a segment that is no HDF5 any more", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const segment = findFile(directory.path, /^segments.*h5$/);
  const content = Deno.readFileSync(segment);
  content.fill(0, 0, 8);
  Deno.writeFileSync(segment, content);
  assertEquals(await repair(directory.path), { damaged: ["segments"], misses: [] });
  assertEquals(await listHits(directory.path), [0, 1, 2, 3]);
});

Deno.test("verifyStores() forgets what was in a segment that is gone", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  Deno.removeSync(findFile(directory.path, /^segments.*h5$/));
  const { damaged, misses } = await repair(directory.path);
  assertEquals(damaged, ["segments", "records"]);
  assertEquals(misses, CALLS.map(({ key }) => key));
  assertEquals(await listHits(directory.path), [3]);
});

Deno.test("verifyStores() seals what is whole in a damaged journal", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const journal = findFile(directory.path, /^journal/);
  const content = Deno.readFileSync(journal);
  // The argument comes first, and its call is a hit without it.
  content[60] = (content[60] ?? 0) ^ 1;
  Deno.writeFileSync(journal, content);
  assertEquals(await repair(directory.path), { damaged: ["journals", "records"], misses: [] });
  assertEquals(await listHits(directory.path), [0, 1, 2, 3]);
  await using files = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
  const record = await files.calls.get(UNSEALED.key);
  assertEquals(record?.args.map(({ value }) => value), [undefined]);
  assertEquals(Deno.readFileSync(findFile(directory.path, /^quarantine.*journal/)), content);
});

Deno.test("verifyStores() takes a journal's torn end for unfinished, not for damaged", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const journal = findFile(directory.path, /^journal/);
  const { length } = Deno.readFileSync(journal);
  for (const cut of [length - 1, length - 20, length - 70]) {
    Deno.truncateSync(journal, cut);
    const report = await verify(directory.path);
    assertEquals(report.steps.find(({ name }) => name === "journals")?.unfinished, 1);
    // The call log says what was in it.
    assertEquals([listDamaged(report), report.misses], [["records"], [UNSEALED.key]]);
  }
});

Deno.test("verifyStores() takes damaged lines out of the call log", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const log = `${directory.path}/calls.jsonl`;
  const [first] = CALLS;
  damage(log, toLineBegin(first?.key));
  const { damaged, misses } = await repair(directory.path);
  assertEquals([damaged, misses], [["log"], [first?.key]]);
  assertEquals(await listHits(directory.path), [1, 2, 3]);
  const kept = Deno.readTextFileSync(findFile(directory.path, /^quarantine.*calls\.jsonl$/));
  assertEquals(kept.includes(`{"call":"${toShortDigest(first?.key ?? "")}"`), true);
});

Deno.test("verifyStores() puts the headers of records right, and forgets those without any", async () => {
  for (const every of [false, true]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    const log = `${directory.path}/calls.jsonl`;
    const text = Deno.readTextFileSync(log);
    const headers = Array.from(text.matchAll(/^\{"head":/gm), ({ index }) => index);
    assertGreater(headers.length, 1);
    const content = new TextEncoder().encode(text);
    for (const at of every ? headers : headers.slice(0, 1)) content[at + 30] = 0x21;
    Deno.writeFileSync(log, content);
    const report = await verify(directory.path);
    const problems = report.steps.find(({ name }) => name === "log")?.problems;
    assertEquals(problems, every ? headers.length + 4 : 1);
    const { damaged, misses } = await repair(directory.path);
    const keys = [...CALLS, UNSEALED].map(({ key }) => key).sort();
    assertEquals([damaged, misses.toSorted()], [["log"], every ? keys : []]);
    assertEquals(await listHits(directory.path), every ? [] : [0, 1, 2, 3]);
  }
});

Deno.test("verifyStores() takes a torn line of the call log for unfinished", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const log = `${directory.path}/calls.jsonl`;
  const line = `\n{"key":"${CALLS[0]?.key}","scheme":1,"mod`;
  Deno.writeTextFileSync(log, line, { append: true });
  const torn = await verify(directory.path);
  assertEquals([listDamaged(torn), torn.sound], [[], true]);
  Deno.writeTextFileSync(log, "\n", { append: true });
  assertEquals(
    (await verify(directory.path)).steps.find(({ name }) => name === "log")?.unfinished,
    1,
  );
});

Deno.test("verifyStores() takes segments back that an old copy of the manifest does not name", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path, false);
  const manifest = `${path}/manifest.json`;
  const old = Deno.readFileSync(manifest);
  await createSmallBag(path);
  {
    await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    await files.fold();
  }
  const segments = listFiles(path).filter((name) => /^segments.*h5$/.test(name));
  Deno.writeFileSync(manifest, old);
  const { damaged } = await repair(path);
  assertEquals(damaged.includes("manifest"), true);
  assertEquals(await listHits(path, [UNSEALED]), [0]);
  assertEquals(segments.length > 0, true);
});

Deno.test("verifyStores() finds a value under a wrong digest, and a repair makes room for it", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const [first, second] = CALLS.map(({ result }) => encodeValue(result));
  assert(first !== undefined && second !== undefined);
  const { key } = UNSEALED;
  const digest = encodeValue(UNSEALED.result).digest;
  {
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    files.values.putPart({ ...first, digest });
    files.calls.putLine(key, { module: "", task: "", args: [], result: digest });
  }
  assertEquals((await verify(directory.path)).sound, true);
  const report = await verify(directory.path, { digests: true });
  assertEquals([listDamaged(report), report.misses], [["records"], [key]]);
  const repaired = await verify(directory.path, { digests: true, repair: true });
  assertEquals([repaired.sound, repaired.misses], [true, [key]]);
  assertEquals(await listHits(directory.path), [0, 1, 2]);
  {
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    assertEquals(files.values.load(digest), undefined);
    await files.values.put(encodeValue(UNSEALED.result));
    files.calls.putLine(key, { module: "", task: "", args: [], result: digest });
  }
  assertEquals(await listHits(directory.path), [0, 1, 2, 3]);
  assertEquals((await verify(directory.path, { digests: true })).sound, true);
});

/** Damages a bag in all the ways that leave every call a hit but one. */
async function createDamagedBag(path: string): Promise<void> {
  await createSmallBag(path);
  const result = encodeValue(CALLS[1]?.result);
  damage(findFile(path, /^segments.*h5$/), result.bytes);
  damage(findFile(path, /^journal/), encodeValue(UNSEALED.argument).bytes);
  damage(`${path}/calls.jsonl`, toLineBegin(CALLS[0]?.key));
  Deno.writeTextFileSync(`${path}/manifest.json`, "");
  Deno.removeSync(`${path}/values.h5`);
}

function copyDirectory(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyDirectory(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

Deno.test("verifyStores() may be killed at any step of a repair", async () => {
  using directory = new TemporaryDirectory();
  const original = `${directory.path}/original`;
  await createDamagedBag(original);
  const loadLibrary = () => Hdf5Library.load();
  let step = 0;
  for (let failed = true; failed; step++) {
    const path = `${directory.path}/${step}`;
    copyDirectory(original, path);
    const fileSystem = new FaultyFileSystem("stop", step);
    try {
      await verifyStores(path, { repair: true }, { fileSystem, loadLibrary });
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
    failed = fileSystem.failed;
    const repaired = await verify(path, { repair: true });
    assertEquals(repaired.sound, true, `stopped at step ${step}: ${JSON.stringify(repaired)}`);
    assertEquals(await listHits(path), [2, 3], `stopped at step ${step}`);
    Deno.removeSync(path, { recursive: true });
  }
  assertGreater(step, 50);
});

Deno.test("verifyStores() repairs beside a writer, who goes on", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createDamagedBag(path);
  // As a manifest that is damaged refuses writers, this one was there before.
  await verify(path, { repair: true });
  await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
  const part = encodeValue("before");
  await files.values.put(part);
  Deno.removeSync(findFile(path, /^segments.*index$/));
  damage(`${path}/calls.jsonl`, toLineBegin(CALLS[2]?.key));
  const report = await verify(path, { repair: true });
  assertEquals([report.sound, listDamaged(report)], [true, ["tables", "log"]]);
  assertEquals(files.values.load(part.digest)?.bytes, part.bytes);
  files.calls.putLine(CALLS[2]?.key ?? "", {
    module: "",
    task: "",
    args: [],
    result: encodeValue(CALLS[2]?.result).digest,
  });
  assertEquals(await listHits(path), [2, 3]);
  await files.fold();
  assertEquals((await verify(path, { digests: true })).sound, true);
});

Deno.test("verifyStores() waits for the fold that is running, and ends with its signal", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const signal = AbortSignal.abort(new TypeError("enough"));
  using lock = Deno.openSync(`${directory.path}/locks/fold.lock`, { read: true, write: true });
  lock.lockSync(true);
  for (const repair of [false, true]) {
    await assertRejects(() => verify(directory.path, { repair, signal }), TypeError, "enough");
  }
  const checked = verify(directory.path);
  lock.unlockSync();
  assertEquals((await checked).sound, true);
});

Deno.test("verifyStores() finds nothing wrong with a table that has payloads of its own", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path, false);
  const segment = "000001";
  const layout = toLayout(path);
  using handles = new FileHandles();
  const table = SegmentTable.read(layout, segment, handles);
  assert(table !== undefined);
  using file = Deno.openSync(toSegmentPath(layout, segment));
  const payloads = Array.from(table.rows(), (row) => {
    const inline = new Uint8Array(row.length);
    readAt(file, row.offset, inline);
    return { row, inline };
  });
  replaceFile(DISK, toSegmentIndexPath(layout, segment), encodeSegmentIndex(file, payloads));
  assertEquals(await listHits(path), [0, 1, 2]);
  assertEquals(listDamaged(await verify(path)), []);
  const content = Deno.readFileSync(toSegmentIndexPath(layout, segment));
  content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
  Deno.writeFileSync(toSegmentIndexPath(layout, segment), content);
  // The segment has the value as well.
  assertEquals(await repair(path), { damaged: ["tables"], misses: [] });
  assertEquals(await listHits(path), [0, 1, 2]);
});

Deno.test("verifyStores() leaves lines alone that are sound and no records of calls", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const lines = [{}, { args: [null, 1, { value: 2 }] }, { result: 3 }, { args: {} }];
  {
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    lines.forEach((line, i) => files.calls.putLine(toDigest(`foreign ${i}`), line));
  }
  assertEquals((await verify(directory.path, { repair: true })).sound, true);
  await using files = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
  assertEquals([...files.calls.lines()].length, ALL.length + lines.length);
});
