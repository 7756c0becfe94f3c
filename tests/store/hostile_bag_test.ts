// end-to-end: bags that somebody damaged or made up: a miss or a clear error, and nothing else
import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { encodeCheckedLine } from "../../src/disk/checked_line.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { encodeTable, LOCATION, PURPOSE } from "../../src/bag/table/digest_table.ts";
import { encodeHeader } from "../../src/bag/journal/journal_format.ts";
import { toViewed } from "../../src/bag/table/digest_table.ts";
import { type Manifest, readManifest } from "../../src/bag/manifest.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { BagCorruptError, BagFormatError } from "../../src/base/errors.ts";
import { decodeValue } from "../../src/value/codec/decode_value.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { toDigest } from "../bag/_values.ts";
import { Tool } from "../tools.ts";
import { attack, flip, inflate, readAll, tryVerify } from "./_attack.ts";
import {
  CALLS,
  createCompactedBag,
  createSmallBag,
  ENVIRONMENT,
  UNSEALED,
  verify,
} from "./_small_bag.ts";

const MKFIFO = Tool.find("mkfifo");

const ALL = [...CALLS, UNSEALED];
const [FIRST] = CALLS;
assert(FIRST !== undefined);

/** Every so many bytes; `deno task fuzz` takes each of them. */
const STEP = 131;

function* contentsOf(path: string): Generator<{ file: string; content: Uint8Array }> {
  for (const file of listFiles(path)) yield { file, content: Deno.readFileSync(`${path}/${file}`) };
}

function hitsOf(reading: Awaited<ReturnType<typeof readAll>>): readonly number[] {
  if ("error" in reading) throw reading.error;
  return reading.hits;
}

// fleche 59
Deno.test("a bag with a bit flipped anywhere gives right values, misses or a clear error", async () => {
  for (const create of [createSmallBag, createCompactedBag]) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await create(path);
    for (const { file, content } of contentsOf(path)) {
      for (let at = STEP >> 1; at < content.length; at += STEP) {
        await attack(path, file, flip(content, at), ALL, `${file} with a bit flipped at ${at}`);
      }
    }
  }
});

Deno.test("a bag with a file cut anywhere gives right values, misses or a clear error", async () => {
  for (const create of [createSmallBag, createCompactedBag]) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await create(path);
    for (const { file, content } of contentsOf(path)) {
      for (let at = 1; at < content.length; at += STEP) {
        // Cut between two lines, a log is just a shorter one.
        if (file === "calls.jsonl" && content[at - 1] === 0x0a) continue;
        await attack(path, file, content.subarray(0, at), ALL, `${file} cut to ${at}`);
      }
    }
  }
});

Deno.test("a segment without a table that claims absurd sizes takes no memory for them", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path);
  Deno.removeSync(`${path}/segments/000001.index`);
  const file = "segments/000001.h5";
  const content = Deno.readFileSync(`${path}/${file}`);
  const before = Deno.memoryUsage().rss;
  // Where HDF5 keeps what it knows of the first objects, and what Quiver says of each.
  for (let at = 0; at < 2048; at += 144) {
    for (const number of [1n << 31n, 1n << 40n]) {
      const context = `${file} with ${number} at ${at}`;
      await attack(path, file, inflate(content, at, number), ALL, context);
    }
  }
  const growth = Deno.memoryUsage().rss - before;
  assert(growth < 300e6, `${growth} bytes more`);
});

Deno.test("a journal entry that claims an absurd length is a miss, and ends its journal", async () => {
  for (const length of [2 ** 31, 2 ** 40, 2 ** 53, 2 ** 64 - 2048]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path, false);
    const header = toViewed(new Uint8Array(56));
    const digest = toDigest("absurd");
    encodeHeader(header, { digest, kind: 1, length, crc: 0 });
    const journal = `${directory.path}/journal/0123456789abcdef-1`;
    Deno.writeFileSync(journal, header.bytes);
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    assertEquals(files.values.load(digest), undefined);
    assertEquals((await files.fold())?.values, 0);
    assertEquals(hitsOf(await readAll(directory.path, CALLS, "absurd")), [0, 1, 2]);
  }
});

Deno.test("a table that claims absurd places and lengths gives misses", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const { size } = Deno.statSync(`${directory.path}/segments/000001.h5`);
  const table = `${directory.path}/segments/000001.index`;
  const { digest } = encodeValue(FIRST.result);
  const numbers = [-1, 2 ** 31, 2 ** 40, 2 ** 53, 2 ** 63].map((n) => n === -1 ? 0 : n);
  for (const offset of numbers) {
    for (const length of numbers) {
      for (const location of Object.values(LOCATION)) {
        const rows = [{ digest, offset, length, kind: 1, crc: 0, location }];
        const subject = { purpose: PURPOSE.values, length: size, check: 0 };
        Deno.writeFileSync(table, encodeTable(subject, rows));
        const reading = await readAll(directory.path, CALLS, `${offset} ${length} ${location}`);
        assertEquals(hitsOf(reading), []);
      }
    }
  }
  const repaired = await verify(directory.path, { repair: true });
  assertEquals([repaired.sound, repaired.missed], [true, 0]);
  assertEquals(hitsOf(await readAll(directory.path, CALLS, "repaired")), [0, 1, 2]);
});

Deno.test("a table of calls that names other records' places gives misses", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path, false);
  {
    // Long enough for a table of its own.
    await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    files.calls.putLine(toDigest("long"), { text: "x".repeat(70_000) });
    await files.fold();
  }
  const content = Deno.readFileSync(`${path}/calls.index`);
  const view = new DataView(content.buffer);
  const keys = [...CALLS.map(({ key }) => key), toDigest("long")].sort();
  const table = content.subarray(64).toHex().match(/.{128}/g) ?? [];
  const placeOf = new Map(table.map((row) => [row.slice(0, 64), row.slice(64, 96)]));
  const places = keys.map((_, i) => {
    return Uint8Array.fromHex(placeOf.get(keys[(i + 1) % keys.length] ?? "") ?? "");
  });
  const rows = keys.map((digest, i) => {
    const at = new DataView(places[i]?.buffer ?? new ArrayBuffer(16));
    return {
      digest,
      offset: Number(at.getBigUint64(0, true)),
      length: Number(at.getBigUint64(8, true)),
      kind: 0,
      crc: 0,
      location: 0,
    };
  });
  const length = Number(view.getBigUint64(24, true));
  const subject = { purpose: PURPOSE.calls, length, check: view.getUint32(32, true) };
  Deno.writeFileSync(`${path}/calls.index`, encodeTable(subject, rows));
  await using files = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  assertEquals(keys.map((key) => files.calls.getLine(key)), keys.map(() => undefined));
  const report = await verify(path);
  assertEquals(report.steps.find(({ name }) => name === "tables")?.problems, 1);
});

Deno.test("own __proto__ keys in log lines and values change nothing", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const key = toDigest("hostile");
  const { digest } = encodeValue(FIRST.result);
  const fields = `"module":"m","task":"t","args":[]`;
  for (const proto of [`{"result":"${digest}","polluted":1}`, "null", '{"__proto__":{"a":1}}']) {
    const line = encodeCheckedLine(`{"key":"${key}","__proto__":${proto},${fields}`);
    Deno.writeFileSync(`${directory.path}/calls.jsonl`, line, { append: true });
    await using files = await openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT);
    assertEquals(files.calls.get(key), undefined);
    assertEquals(files.calls.getLine(key)?.result, undefined);
  }
  // A CBOR map with one key, as no writer of ours makes it.
  const bytes = Uint8Array.of(0xa1, 0x69, ...new TextEncoder().encode("__proto__"), 0xa0);
  const payload = { kind: VALUE_KIND.cbor, bytes };
  assertThrows(() => decodeValue(payload, () => undefined), SyntaxError, "malformed");
  const own = Object.defineProperty({}, "__proto__", { value: 1, enumerable: true });
  const decoded = decodeValue(encodeValue(own), () => undefined);
  assertEquals(Object.entries(decoded ?? {}), [["__proto__", 1]]);
  assertEquals("polluted" in {}, false);
});

Deno.test("digests and names that are paths lead nowhere", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const victim = `${directory.path}-victim`;
  Deno.writeTextFileSync(victim, "mine");
  try {
    const path = `../../${victim.split("/").at(-1)}`;
    const key = toDigest("hostile");
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    files.calls.putLine(key, { module: "m", task: "test", args: [{ value: path }], result: path });
    const { calls, values } = files;
    const record = await calls.get(key);
    assertEquals(await values.get(record?.result ?? ""), { hit: false });
    assertThrows(() => files.leases.tryAcquire(path), TypeError, "64 lower-case");
    const part = encodeValue("x");
    assertThrows(
      () => files.values.putPart({ ...part, digest: path.padEnd(64, "/") }),
      SyntaxError,
    );
    // What objects have anyway is no name of a journal.
    for (const name of ["__proto__", "constructor", "..foo", "toString-1"]) {
      Deno.writeTextFileSync(`${directory.path}/journal/${name}`, "");
    }
    await files.fold();
    const manifest = { segments: [{ name: path, values: 1, bytes: 1 }], sealed: {} };
    const text = JSON.stringify({ generation: 9, nextSegment: 2, logGeneration: 1, ...manifest });
    const line = encodeCheckedLine(text.slice(0, -1));
    const all = [...CALLS, { key, argument: undefined, result: undefined }];
    assertEquals(hitsOf(await readAll(directory.path, all, "names")), [0, 1, 2]);
    Deno.writeFileSync(`${directory.path}/manifest.json`, line);
    await assertRejects(
      () => openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT),
      BagCorruptError,
      "verifyBag(path, { repair: true })",
    );
    const repaired = await verify(directory.path, { repair: true });
    assertEquals([repaired.sound, repaired.misses], [true, [key]]);
    assertEquals(Deno.readTextFileSync(victim), "mine");
  } finally {
    Deno.removeSync(victim);
  }
});

Deno.test("a link in the place of a file is never followed", async () => {
  using outside = new TemporaryDirectory();
  using template = new TemporaryDirectory();
  await createSmallBag(template.path);
  for (const name of listFiles(template.path)) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    const file = name.startsWith("journal/")
      ? listFiles(directory.path).find((one) => one.startsWith("journal/")) ?? ""
      : name;
    const target = `${outside.path}/target`;
    const before = Deno.readFileSync(`${directory.path}/${file}`);
    Deno.renameSync(`${directory.path}/${file}`, target);
    Deno.symlinkSync(target, `${directory.path}/${file}`);
    await readAll(directory.path, ALL, `${file} is a link`);
    try {
      await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
      await files.values.put(encodeValue("written"));
      files.calls.putLine(toDigest("written"), {});
      await files.fold();
    } catch (error) {
      assert(error instanceof BagCorruptError, `${file}: ${error}`);
    }
    assertEquals((await tryVerify(directory.path, file))?.sound, false, file);
    const repaired = await verify(directory.path, { repair: true });
    assertEquals(repaired.sound, true, `${file}: ${JSON.stringify(repaired)}`);
    assertEquals(Deno.readFileSync(target), before, file);
    assertEquals((await verify(directory.path)).sound, true, file);
  }
});

Deno.test("a link in the place of a directory is refused, and the bag itself may be one", async () => {
  using outside = new TemporaryDirectory();
  for (const name of ["segments", "journal", "leases", "locks", "touches", "quarantine"]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    Deno.mkdirSync(`${directory.path}/${name}`, { recursive: true });
    const target = `${outside.path}/${name}`;
    Deno.renameSync(`${directory.path}/${name}`, target);
    Deno.symlinkSync(target, `${directory.path}/${name}`);
    const before = listFiles(target);
    for (const mode of ["read", "readwrite"] as const) {
      await assertRejects(
        () => openBagFiles(directory.path, { mode }, ENVIRONMENT),
        BagFormatError,
        "symbolic link",
      );
    }
    await assertRejects(() => verify(directory.path, { repair: true }), BagFormatError);
    assertEquals(listFiles(target), before);
    Deno.removeSync(`${directory.path}/${name}`);
    Deno.writeTextFileSync(`${directory.path}/${name}`, "");
    await assertRejects(
      () => openBagFiles(directory.path, { mode: "read" }, ENVIRONMENT),
      BagFormatError,
      "no directory",
    );
    await assertRejects(() => verify(directory.path, { repair: true }), BagFormatError);
  }
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  Deno.symlinkSync(directory.path, `${outside.path}/bag`);
  assertEquals(hitsOf(await readAll(`${outside.path}/bag`, ALL, "link")), [0, 1, 2, 3]);
  assertEquals((await verify(`${outside.path}/bag`)).sound, true);
});

/** Makes a manifest whose checksum is right say something else. */
function changeManifest(path: string, change: (manifest: Manifest) => object): void {
  const layout = toLayout(path);
  const text = JSON.stringify(change(readManifest(layout)));
  Deno.writeFileSync(layout.manifest, encodeCheckedLine(text.slice(0, -1)));
}

Deno.test("a manifest that no fold can have written is refused, and made anew by a repair", async () => {
  for (
    const [name, change] of [
      ["repeated segments", ({ segments }) => ({ segments: [...segments, ...segments] })],
      ["the same number twice", ({ segments }) => ({
        segments: segments.flatMap((one) => [one, { ...one, name: `0${one.name}` }]),
      })],
      [
        "values",
        ({ segments }) => ({ segments: segments.map((s) => ({ ...s, values: 2 ** 50 })) }),
      ],
      ["bytes", ({ segments }) => ({ segments: segments.map((s) => ({ ...s, bytes: 2 ** 52 })) })],
      ["name", ({ segments }) => ({
        segments: segments.map((s) => ({ ...s, name: "9".repeat(400) })),
      })],
      ["negative", () => ({ nextSegment: -1 })],
    ] as readonly (readonly [string, (manifest: Manifest) => object])[]
  ) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    changeManifest(directory.path, (manifest) => ({ ...manifest, ...change(manifest) }));
    await assertRejects(
      () => openBagFiles(directory.path, {}, ENVIRONMENT),
      BagCorruptError,
      "it is damaged",
      name,
    );
    assertEquals((await verify(directory.path, { repair: true })).sound, true, name);
    assertEquals(hitsOf(await readAll(directory.path, ALL, name)), [0, 1, 2, 3], name);
  }
});

Deno.test("a small file that is gigabytes takes no memory, and is made anew by a repair", async () => {
  for (const file of ["bag.json", "manifest.json"]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    // A hole, which takes no space on disk.
    Deno.truncateSync(`${directory.path}/${file}`, 3e9);
    const before = Deno.memoryUsage().rss;
    await assertRejects(
      () => openBagFiles(directory.path, {}, ENVIRONMENT),
      BagCorruptError,
      "it has 3000000000 bytes",
    );
    assertEquals((await verify(directory.path, { repair: true })).sound, true, file);
    const growth = Deno.memoryUsage().rss - before;
    assert(growth < 200e6, `${file}: ${growth} bytes more`);
    assertEquals(hitsOf(await readAll(directory.path, ALL, file)), [0, 1, 2, 3], file);
  }
});

Deno.test("a file in the place of a directory is refused by name", async () => {
  for (const name of ["segments", "journal", "leases", "locks", "touches"]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path);
    Deno.removeSync(`${directory.path}/${name}`, { recursive: true });
    Deno.writeTextFileSync(`${directory.path}/${name}`, "");
    for (const mode of ["read", "readwrite"] as const) {
      await assertRejects(
        () => openBagFiles(directory.path, { mode }, ENVIRONMENT),
        BagFormatError,
        `"${directory.path}/${name}" is no directory`,
      );
    }
  }
});

Deno.test("a log line of 200 MB is a miss, and takes no more memory than a record may have", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path);
  const log = `${directory.path}/calls.jsonl`;
  const { size } = Deno.statSync(log);
  // A hole in the file, so that it costs nothing on disk either.
  Deno.truncateSync(log, size + 200e6);
  Deno.writeTextFileSync(log, `\n{"key":"${toDigest("x")}"}\n`, { append: true });
  const before = Deno.memoryUsage().rss;
  assertEquals(hitsOf(await readAll(directory.path, ALL, "long line")), [0, 1, 2, 3]);
  const growth = Deno.memoryUsage().rss - before;
  assert(growth < 120e6, `${growth} bytes more`);
  await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
  const text = "x".repeat(17 * 1024 * 1024);
  assertThrows(() => files.calls.putLine(toDigest("y"), { text }), RangeError, "the longest has");
});

Deno.test("what is nested deeply is a miss or an error, and overflows no stack", async () => {
  using directory = new TemporaryDirectory();
  await createSmallBag(directory.path, false);
  const [key, graphKey] = [toDigest("deep"), toDigest("deep graph")];
  const deep = `${"[".repeat(1e6)}${"]".repeat(1e6)}`;
  const line = encodeCheckedLine(
    `{"key":"${key}","module":"","task":"","args":[],"metadata":${deep}`,
  );
  Deno.writeFileSync(`${directory.path}/calls.jsonl`, line, { append: true });
  {
    await using files = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
    assertEquals(files.calls.getLine(key), undefined);
    assertEquals([...files.calls.lines()].length, CALLS.length);
    const nested = JSON.parse(`${"[".repeat(3000)}${"]".repeat(3000)}`);
    assertThrows(() => files.calls.putLine(key, { nested }), RangeError, "nested too deeply");
    const bytes = new Uint8Array(1e6).fill(0x81);
    for (const kind of [VALUE_KIND.cbor, VALUE_KIND.graph]) {
      assertThrows(() => decodeValue({ kind, bytes }, () => undefined), SyntaxError);
      files.values.putPart({ kind, bytes, digest: toDigest(`deep ${kind}`) });
    }
    files.calls.putLine(key, { module: "", task: "", args: [], result: toDigest("deep 1") });
    // As a graph, depth costs no stack to read; but none of ours has a digest at that depth.
    const nodes = Array.from({ length: 1e5 }, (_, i) => ["Array", [i + 1]]);
    const { bytes: graph } = encodeValue([1, [0], ...nodes, ["Array"]]);
    const payload = { kind: VALUE_KIND.graph, bytes: graph };
    assertEquals(Array.isArray(decodeValue(payload, () => undefined)), true);
    files.values.putPart({ ...payload, digest: toDigest("graph") });
    files.calls.putLine(graphKey, { module: "", task: "", args: [], result: toDigest("graph") });
    await files.fold();
  }
  const repaired = await verify(directory.path, { repair: true, digests: true });
  assertEquals([repaired.sound, repaired.misses], [true, [key, graphKey]]);
});

Deno.test("a directory in the place of a file holds nobody up", async () => {
  await replaceFiles(Deno.mkdirSync);
});

Deno.test({
  ...MKFIFO.forTest("a pipe in the place of a file holds nobody up"),
  async fn() {
    await replaceFiles((path) => assertEquals(MKFIFO.run(path).code, 0));
  },
});

/** Puts something else in the place of one file after another, and reads and repairs the bag. */
async function replaceFiles(create: (path: string) => void): Promise<void> {
  for (const name of ["calls.jsonl", "segments/000001.h5", "manifest.json"]) {
    using directory = new TemporaryDirectory();
    await createSmallBag(directory.path, false);
    Deno.removeSync(`${directory.path}/${name}`);
    create(`${directory.path}/${name}`);
    await readAll(directory.path, CALLS, name);
    assertEquals((await tryVerify(directory.path, name))?.sound, false);
    const repaired = await verify(directory.path, { repair: true });
    assertEquals(repaired.sound, true);
  }
}
