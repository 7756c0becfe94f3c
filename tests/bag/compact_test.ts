// end-to-end: compaction of segments and call log, beside others that read and write
import { assert, assertEquals, assertGreater } from "@std/assert";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { removeJournal } from "../../src/bag/journal/journal_scan.ts";
import { JournalWriter } from "../../src/bag/journal/journal_writer.ts";
import { toLayout } from "../../src/disk/layout.ts";
import type { EncodedPart } from "../../src/value/value.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { Tool } from "../tools.ts";

const H5PY = Tool.find("python3-h5py");

const PARTS = Array.from(
  { length: 12 },
  (_, i) => createPart(`part ${i}`, 20_000 + 8 * i, i % 2 === 0 ? "Float64Array" : "cbor"),
);
const EVEN = PARTS.filter((_, i) => i % 2 === 0);
const ODD = PARTS.filter((_, i) => i % 2 === 1);

function toDigests(parts: readonly EncodedPart[]): string[] {
  return parts.map(({ digest }) => digest);
}

function countWhole(bag: DiskBag, parts: readonly EncodedPart[]): number {
  return parts.filter(({ digest, kind, bytes }) => {
    const payload = bag.values.load(digest);
    if (payload !== undefined) assertEquals(payload, { kind, bytes });
    return payload !== undefined;
  }).length;
}

function listSegments(path: string): string[] {
  return listFiles(`${path}/segments`).filter((name) => name.endsWith(".h5"));
}

function measure(path: string): number {
  return listFiles(path).reduce((sum, name) => sum + Deno.statSync(`${path}/${name}`).size, 0);
}

function open(path: string, fileSystem: FileSystem = UNSYNCED_DISK): Promise<DiskBag> {
  const runner = new InlineFoldRunner(fileSystem);
  const options = { fold: "manual", memoryBytes: 0 } as const;
  return openBagFiles(path, options, { fileSystem: UNSYNCED_DISK, runner });
}

/** The disk, with something that happens right before a file gets its name. */
function beforeRename(name: RegExp, happen: () => void): FileSystem {
  let done = false;
  return {
    ...UNSYNCED_DISK,
    rename(from, to) {
      if (!done && name.test(to)) {
        done = true;
        happen();
      }
      DISK.rename(from, to);
    },
  };
}

// fleche 59
Deno.test("DiskBag.compact() drops what is not wanted, and gives its space back", async () => {
  using directory = new TemporaryDirectory();
  {
    await using bag = await openBagFiles(directory.path, { memoryBytes: 0 });
    await using reader = await openBagFiles(directory.path, { mode: "read" });
    const large = createPart("large", 8_000_000, "Float64Array");
    for (const part of [...PARTS, large]) bag.values.putPart(part);
    await bag.fold();
    assertEquals(countWhole(reader, [...PARTS, large]), 13);
    const before = measure(directory.path);
    const horizon = await bag.horizon(0);
    const result = await bag.compact({ live: toDigests(EVEN), horizon });
    const bytes = [...ODD, large].reduce((sum, { bytes }) => sum + bytes.length, 0);
    assertEquals(result, { values: 7, bytes, damaged: 0 });
    assertGreater(before - measure(directory.path), bytes);
    // A look into the log tells the reader.
    assertEquals(reader.calls.getLine(toDigest("unknown")), undefined);
    for (const handle of [bag, reader]) {
      assertEquals([countWhole(handle, EVEN), countWhole(handle, ODD)], [6, 0]);
    }
    assertEquals(bag.values.find(large.digest), undefined);
    assertEquals(bag.values.find(EVEN[1]?.digest ?? "")?.length, 20_016);
    assertEquals(await bag.compact({ live: toDigests(EVEN), horizon }), {
      values: 0,
      bytes: 0,
      damaged: 0,
    });
  }
  await using bag = await openBagFiles(directory.path, { mode: "read" });
  assertEquals([countWhole(bag, EVEN), countWhole(bag, ODD)], [6, 0]);
});

/** Puts values into a bag, and seals each into a segment of its own. */
async function fillSegments(bag: DiskBag): Promise<EncodedPart[]> {
  const parts = Array.from(
    { length: 6 },
    // Each much smaller than the one before, so that folds do not merge them.
    (_, i) => createPart(`large ${i}`, 2_000_000 >> i, "Uint8Array"),
  );
  for (const part of parts) {
    bag.values.putPart(part);
    await bag.fold();
  }
  return parts;
}

Deno.test("DiskBag.compact({ full: true }) makes one segment behind the same link file", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual", memoryBytes: 0 });
  const parts = await fillSegments(bag);
  assertGreater(listSegments(directory.path).length, 3);
  assertEquals(await bag.compact({ full: true }), { values: 0, bytes: 0, damaged: 0 });
  assertEquals(countWhole(bag, parts), 6);
  const segments = listSegments(directory.path);
  assertEquals(segments.length, 1);
  assertEquals(await bag.compact({ full: true }), { values: 0, bytes: 0, damaged: 0 });
  assertEquals(listSegments(directory.path), segments);
});

Deno.test({
  ...H5PY.forTest("DiskBag.compact({ full: true }) leaves a link file that shows h5py all"),
  async fn() {
    using directory = new TemporaryDirectory();
    await using bag = await openBagFiles(directory.path, { fold: "manual", memoryBytes: 0 });
    const parts = await fillSegments(bag);
    await bag.compact({ full: true });
    const code = "import h5py,sys\nf=h5py.File(sys.argv[1])\n" +
      "print(sum(len(d) for s in f['segments'].values() for d in s.values()))";
    const { output } = H5PY.run("-c", code, `${directory.path}/values.h5`);
    const bytes = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    assertEquals(output.trim(), `${bytes}`);
  },
});

Deno.test("DiskBag.compact() keeps what was put after the horizon, in a journal or a segment", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  await using other = await open(directory.path);
  bag.values.putPart(PARTS[0] ?? fail());
  await bag.fold();
  // The other's journal stays, as its writer lives; it is old by the horizon.
  other.values.putPart(PARTS[1] ?? fail());
  using _lease = bag.leases.tryAcquire(toDigest("a call in flight"));
  const lease = await bag.horizon(0);
  bag.values.putPart(PARTS[2] ?? fail());
  await bag.fold();
  const result = await bag.compact({ live: [], horizon: lease });
  assertEquals(result.values, 0);
  assertEquals(countWhole(bag, PARTS.slice(0, 3)), 3);
  _lease?.[Symbol.dispose]();
  await bag.compact({ live: [], horizon: await bag.horizon(0) });
  assertEquals(countWhole(bag, PARTS.slice(0, 3)), 1);
  assertEquals(countWhole(other, PARTS.slice(1, 2)), 1);
});

Deno.test("DiskBag.horizon() is before everything that a leased call puts", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const before = Date.now();
  using _lease = bag.leases.tryAcquire(toDigest("a call in flight"));
  await bag.fold();
  assertEquals(await bag.horizon(0) < Date.now() - 5, true);
  assertGreater(await bag.horizon(0), before - 1000);
  assertGreater(before, await bag.horizon(60_000));
});

Deno.test("DiskBag.compact() keeps a known value that was put again", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  await using other = await open(directory.path);
  for (const part of PARTS) bag.values.putPart(part);
  await bag.fold();
  // So that to the other they are known values, which it does not write.
  for (const { digest } of PARTS) assert(other.values.find(digest) !== undefined);
  other.values.putPart(PARTS[3] ?? fail());
  assertEquals(listFiles(`${directory.path}/journal`), []);
  const result = await bag.compact({ live: [], horizon: await bag.horizon(0) });
  assertEquals(result.values, 11);
  assertEquals(countWhole(bag, PARTS.slice(3, 4)), 1);
  // Whoever has not looked since writes what was dropped.
  other.values.putPart(PARTS[4] ?? fail());
  assertEquals(countWhole(bag, PARTS.slice(4, 5)), 1);
});

Deno.test("DiskBag.compact() keeps a value that is put again while segments are written", async () => {
  using directory = new TemporaryDirectory();
  await using other = await open(directory.path);
  const fileSystem = beforeRename(
    /segments\/\d+\.h5$/,
    () => other.values.putPart(PARTS[5] ?? fail()),
  );
  {
    await using bag = await open(directory.path);
    for (const part of PARTS) bag.values.putPart(part);
    await bag.fold();
  }
  assert(other.values.find(PARTS[5]?.digest ?? "") !== undefined);
  await using bag = await open(directory.path, fileSystem);
  const result = await bag.compact({ live: toDigests(EVEN), horizon: await bag.horizon(0) });
  assertEquals(result.values, 5);
  assertEquals([countWhole(bag, EVEN), countWhole(bag, ODD)], [6, 1]);
  await bag.fold();
  assertEquals(countWhole(other, [...EVEN, PARTS[5] ?? fail()]), 7);
  assertEquals(listFiles(`${directory.path}/journal`), []);
});

Deno.test("DiskBag.fold() leaves a touch for a value that it does not seal again", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const other = await open(directory.path);
  bag.values.putPart(PARTS[0] ?? fail());
  bag.values.putPart(PARTS[1] ?? fail());
  await bag.fold();
  using _lease = bag.leases.tryAcquire(toDigest("a call in flight"));
  // The other has not looked since: to it the value is new.
  other.values.putPart(PARTS[0] ?? fail());
  await other.close();
  assertEquals(listFiles(`${directory.path}/touches`), []);
  assertEquals(await bag.fold(), { values: 0, bytes: 0, journals: 1 });
  assertEquals(listFiles(`${directory.path}/touches`).length, 1);
  await bag.compact({ live: [], horizon: await bag.horizon(0) });
  assertEquals([countWhole(bag, PARTS.slice(0, 1)), countWhole(bag, PARTS.slice(1, 2))], [1, 0]);
});

Deno.test("DiskBag.compact({ full: true }) drops dead lines of the log, and loses none that is appended meanwhile", async () => {
  using directory = new TemporaryDirectory();
  await using other = await open(directory.path);
  await using reader = await openBagFiles(directory.path, { mode: "read" });
  const keys = Array.from({ length: 50 }, (_, i) => toDigest(`key ${i}`));
  const fileSystem = beforeRename(/calls\.jsonl$/, () => {});
  let appended = 0;
  const appending: FileSystem = {
    ...fileSystem,
    open(path, options) {
      // Right before the lock: after the old lines were copied.
      if (path.endsWith("calls.lock")) {
        other.calls.putLine(keys[0] ?? "", { n: 1000 });
        other.calls.delete(keys[1] ?? "");
        other.calls.putLine(toDigest("new"), { n: 2000 });
        appended++;
      }
      return DISK.open(path, options);
    },
  };
  await using bag = await open(directory.path, appending);
  for (let round = 0; round < 10; round++) {
    keys.forEach((key, n) => bag.calls.putLine(key, { n, round }));
  }
  for (const key of keys.slice(25)) bag.calls.delete(key);
  assertEquals(reader.calls.getLine(keys[1] ?? "")?.n, 1);
  const records = Iterator.from(reader.calls.lines());
  assertEquals(records.next().value?.n, 0);
  const before = Deno.statSync(`${directory.path}/calls.jsonl`).size;
  await bag.compact({ full: true });
  assertEquals(appended, 1);
  assertGreater(before / 8, Deno.statSync(`${directory.path}/calls.jsonl`).size);
  for (const handle of [bag, other, reader]) {
    assertEquals(handle.calls.getLine(keys[0] ?? "")?.n, 1000);
    assertEquals(handle.calls.getLine(keys[1] ?? ""), undefined);
    assertEquals(handle.calls.getLine(toDigest("new"))?.n, 2000);
    assertEquals([...handle.calls.lines()].length, 25);
  }
  // An iteration that was under way goes on in the old file: it shows what was there at its begin.
  assertEquals(records.toArray().length, 24);
  // Handles that had the old file open write to the new one.
  other.calls.putLine(keys[30] ?? "", { n: 30 });
  other.calls.delete(keys[2] ?? "");
  await using again = await open(directory.path);
  for (const handle of [bag, reader, again]) {
    assertEquals(handle.calls.getLine(keys[30] ?? "")?.n, 30);
    assertEquals(handle.calls.getLine(keys[2] ?? ""), undefined);
  }
});

Deno.test("DiskBag.compact({ full: true }) keeps damaged lines of the log", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const path = `${directory.path}/calls.jsonl`;
  bag.calls.putLine(toDigest("a"), { n: 1 });
  bag.calls.putLine(toDigest("b"), { n: 2 });
  Deno.writeTextFileSync(path, "\nno line of ours\n", { append: true });
  bag.calls.putLine(toDigest("a"), { n: 3 });
  await bag.compact({ full: true });
  const text = Deno.readTextFileSync(path);
  assertEquals(text.includes("\nno line of ours\n"), true);
  assertEquals([...bag.calls.lines()].map(({ n }) => n), [2, 3]);
});

Deno.test("DiskBag.fold() rewrites a log of mostly dead lines", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await open(directory.path);
  const text = "x".repeat(1000);
  for (let n = 0; n < 2000; n++) bag.calls.putLine(toDigest(`${n % 20}`), { n, text });
  await bag.fold();
  assertEquals(
    [...bag.calls.lines()].map(({ n }) => n),
    Array.from({ length: 20 }, (_, i) => 1980 + i),
  );
  assertGreater(30_000, Deno.statSync(`${directory.path}/calls.jsonl`).size);
});

Deno.test("DiskBag.fold() keeps a small segment with a damaged value, and merges the others", async () => {
  using directory = new TemporaryDirectory();
  const [damaged = fail(), healed = fail(), ...others] = PARTS;
  await using bag = await open(directory.path);
  bag.values.putPart(damaged);
  bag.values.putPart(healed);
  await bag.fold();
  const [segment = ""] = listSegments(directory.path);
  damage(`${directory.path}/segments/${segment}`, damaged.bytes);
  for (const part of others.slice(0, 3)) {
    bag.values.putPart(part);
    await bag.fold();
  }
  assertEquals(listSegments(directory.path).includes(segment), true);
  assertEquals(countWhole(bag, PARTS.slice(0, 5)), 4);
  const live = toDigests(PARTS);
  const result = await bag.compact({ live, horizon: await bag.horizon(0), full: true });
  assertEquals(result, { values: 0, bytes: 0, damaged: 1 });
  assertEquals(listSegments(directory.path).includes(segment), true);
  // A newer copy stands for it, and then the old one may go.
  bag.values.putPart(damaged);
  await bag.compact({ full: true });
  assertEquals(listSegments(directory.path).includes(segment), false);
  assertEquals(countWhole(bag, PARTS.slice(0, 5)), 5);
});

Deno.test("DiskBag.compact() drops a damaged value that is not wanted", async () => {
  using directory = new TemporaryDirectory();
  const [damaged = fail(), other = fail()] = PARTS;
  await using bag = await open(directory.path);
  bag.values.putPart(damaged);
  bag.values.putPart(other);
  await bag.fold();
  damage(`${directory.path}/segments/${listSegments(directory.path)[0]}`, damaged.bytes);
  const options = { live: [other.digest], horizon: await bag.horizon(0) };
  assertEquals((await bag.compact(options)).values, 1);
  assertEquals(countWhole(bag, PARTS), 1);
});

Deno.test("removeJournal() keeps a journal that grew behind its sealed end", () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  Deno.mkdirSync(layout.journals);
  const options = {
    fileSystem: DISK,
    layout,
    guard: { checkThere() {} },
    journalBytes: 1e9,
    sync: false,
  };
  const writer = new JournalWriter(options);
  const { journal, entry } = writer.append(PARTS[0] ?? fail());
  const path = `${layout.journals}/${journal}`;
  const end = entry.offset + entry.length;
  assertEquals(removeJournal(DISK, path, end), false, "its writer lives");
  writer.append(PARTS[1] ?? fail());
  writer[Symbol.dispose]();
  assertEquals(removeJournal(DISK, path, end), false, "it grew");
  assertEquals(listFiles(layout.journals), [journal]);
  assertEquals(removeJournal(DISK, path, Deno.statSync(path).size), true);
  assertEquals(listFiles(layout.journals), []);
});

Deno.test("DiskBag.fold() keeps a journal whose writer wrote on and went while it was sealed", async () => {
  using directory = new TemporaryDirectory();
  const writer = await open(directory.path);
  writer.values.putPart(PARTS[0] ?? fail());
  let closing = Promise.resolve();
  const fileSystem = beforeRename(/manifest\.json$/, () => {
    writer.values.putPart(PARTS[1] ?? fail());
    closing = writer.close();
  });
  await using bag = await open(directory.path, fileSystem);
  assertEquals(await bag.fold(), { values: 1, bytes: 20_000, journals: 0 });
  await closing;
  assertEquals(countWhole(bag, PARTS), 2);
  assertEquals(await bag.fold(), { values: 1, bytes: 20_008, journals: 1 });
  assertEquals(countWhole(bag, PARTS), 2);
});

/** Changes a byte of a value where it lies in a file. */
function damage(path: string, bytes: Uint8Array): void {
  const content = Deno.readFileSync(path);
  const at = content.findIndex((_, i) =>
    bytes.subarray(0, 64).every((b, j) => content[i + j] === b)
  );
  content[at + 70] = (content[at + 70] ?? 0) ^ 1;
  Deno.writeFileSync(path, content);
}

function fail(): never {
  throw new TypeError("Cannot test without a value");
}

Deno.test("putCall() keeps nothing that was revoked, though the log is as long as it was before", async () => {
  using directory = new TemporaryDirectory();
  const [A, B] = ["a", "b"].map(toDigest) as [string, string];
  await using bag = await open(directory.path);
  await using other = await open(directory.path);
  bag.calls.putLine(B, { n: 0 });
  {
    using _lease = bag.leases.tryAcquire(A);
    // A note of an eviction, which the compaction drops, as long as the one below.
    other.leases.revoke(A);
  }
  assertEquals(bag.calls.getLine(A), undefined);
  using lease = bag.leases.tryAcquire(A);
  assert(lease !== undefined);
  await other.compact({ full: true });
  assertEquals(bag.calls.getLine(B)?.n, 0);
  assertEquals(bag.calls.getLine(A), undefined);
  other.leases.revoke(A);
  assertEquals(bag.calls.putLine(A, { n: 1 }, lease), false);
  assertEquals(bag.calls.getLine(A), undefined);
});

Deno.test("a lease is not revoked by what was said of an earlier one of its key", async () => {
  using directory = new TemporaryDirectory();
  const [A, B] = ["a", "b"].map(toDigest) as [string, string];
  await using bag = await open(directory.path);
  await using other = await open(directory.path);
  {
    // Its call fails, so that nobody asks.
    using _lease = bag.leases.tryAcquire(A);
    other.leases.revoke(A);
  }
  using lease = bag.leases.tryAcquire(A);
  assert(lease !== undefined);
  other.calls.putLine(B, { n: 0 });
  assertEquals(bag.calls.putLine(A, { n: 1 }, lease), true);
});
