// end-to-end: whoever repairs a signed bag without its key, those who have it lose nothing that is whole
import { assert, assertEquals, assertGreater } from "@std/assert";
import { crc32 } from "node:zlib";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeHeader, HEADER_BYTES } from "../../src/bag/journal/journal_format.ts";
import { scanJournal, toEntryEnd } from "../../src/bag/journal/journal_scan.ts";
import { scanCalls } from "../../src/bag/log/call_scan.ts";
import { readManifest } from "../../src/bag/manifest.ts";
import type { VerifyReport } from "../../src/bag/verify/report.ts";
import { BagCorruptError, BagFormatError } from "../../src/base/errors.ts";
import { SegmentTable } from "../../src/bag/segment/segment_table.ts";
import { toViewed } from "../../src/bag/table/digest_table.ts";
import { FileHandles } from "../../src/disk/file_system.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { createDiskStores } from "../../src/store/open_stores.ts";
import { signStores } from "../../src/store/signed/signed_stores.ts";
import type { PromptStores } from "../../src/store/stores.ts";
import { verifyStores } from "../../src/store/verify/verify_stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import type { EncodedPart } from "../../src/value/value.ts";
import { loadHdf5Library } from "../bag/_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { toDigest } from "../bag/_values.ts";
import { Random } from "../random.ts";
import { ENVIRONMENT, verify } from "./_small_bag.ts";

const KEY = "the key of this year";

interface Call {
  readonly key: string;
  readonly argument: unknown;
  readonly result: unknown;
}

function createCall(n: number): Call {
  const array = Float64Array.from({ length: 600 }, (_, i) => Math.sin(n + i));
  const results = [
    { n, text: "é".repeat(n) },
    array,
    new Map<string, unknown>([["n", n], ["a", array]]),
  ];
  const argument = n % 2 === 0 ? [n, "argument"] : { array: array.map((x) => -x), n };
  return { key: toDigest(`call ${n}`), argument, result: results[n % results.length] };
}

const CALLS = Array.from({ length: 9 }, (_, n) => createCall(n));
const UNSIGNED = createCall(99);

function put({ values, calls }: PromptStores, { key, argument, result }: Call): void {
  const [input, output] = [encodeValue(argument), encodeValue(result)];
  values.put(input);
  values.put(output);
  const args = [{ name: "x", position: 0, digest: input.digest, value: input.digest }];
  const times = { started: 1.5, duration: 2 };
  calls.put({
    ...{ key, scheme: 1, module: "file:///tasks.ts", task: "test" },
    ...{ args, result: output.digest, ...times, metadata: { tags: { a: null } } },
  });
}

async function withStores<T>(
  path: string,
  keys: readonly string[],
  fn: (stores: PromptStores, fold: () => Promise<unknown>) => T | Promise<T>,
): Promise<T> {
  const options = { fold: "manual", memoryBytes: 0 } as const;
  await using files = await openBagFiles(path, options, ENVIRONMENT);
  const stores = createDiskStores(files, { type: "bag", path, options });
  return await fn(
    keys.length > 0 ? signStores(stores, keys) : stores,
    () => files.compact({ full: true }),
  );
}

/** Some calls are sealed and have a table of their records, others are in a journal, one is not signed. */
async function createSignedBag(path: string): Promise<void> {
  await withStores(path, [KEY], async (stores, fold) => {
    for (const call of CALLS.slice(0, 5)) put(stores, call);
    await fold();
    for (const call of CALLS.slice(5)) put(stores, call);
  });
  await withStores(path, [], (stores) => put(stores, UNSIGNED));
}

/** The keys of the calls that are hits for who has the key; fails where one has a wrong value. */
async function listHits(path: string): Promise<string[]> {
  return await withStores(path, [KEY], async ({ calls, values }) => {
    assertEquals(await calls.get(UNSIGNED.key), undefined, "what nobody signed is no hit");
    const hits: string[] = [];
    for (const { key, result } of CALLS) {
      const record = await calls.get(key);
      const found = record && await values.get(record.result);
      if (found?.hit !== true) continue;
      assertEquals(found.value, result);
      hits.push(key);
    }
    return hits;
  });
}

/** Bytes of a file that one of the calls needs. */
interface Needed {
  readonly file: string;
  readonly begin: number;
  readonly end: number;
}

/** What the calls of a bag need to be hits. */
interface Needs {
  /** For each call, the bytes of its record and of its result. */
  readonly calls: ReadonlyMap<string, readonly Needed[]>;
  /** The copies of the header that all records have in common; one is enough. */
  readonly headers: readonly Needed[];
}

function listNeeded(path: string): Needs {
  const layout = toLayout(path);
  const places = new Map<string, Needed>();
  using handles = new FileHandles();
  for (const { name } of readManifest(layout).segments) {
    const table = SegmentTable.read(layout, name, handles);
    for (const { digest, offset, length } of table?.rows() ?? []) {
      places.set(digest, { file: `segments/${name}.h5`, begin: offset, end: offset + length });
    }
  }
  for (const file of listFiles(path).filter((name) => name.startsWith("journal/"))) {
    using journal = Deno.openSync(`${path}/${file}`);
    scanJournal(journal, 0, (entry) => {
      const begin = entry.offset - HEADER_BYTES;
      places.set(entry.digest, { file, begin, end: toEntryEnd(entry) });
    });
  }
  using log = Deno.openSync(layout.callLog);
  const lines = new Map<string, Needed>();
  const headers: Needed[] = [];
  scanCalls(log, 0, log.statSync().size, ({ key, type, offset, length }) => {
    // With its line feed: without, its writer had not finished it.
    const line = { file: "calls.jsonl", begin: offset, end: offset + length + 1 };
    if (type === "header") headers.push(line);
    else lines.set(key, line);
  });
  assertGreater(headers.length, 1);
  const calls = new Map(CALLS.map(({ key, result }) => {
    const { digest, parts } = encodeValue(result);
    const values = [digest, ...parts.map((part) => part.digest)].map((one) => places.get(one));
    return [
      key,
      [lines.get(key), ...values].map((place) => {
        assert(place !== undefined);
        return place;
      }),
    ];
  }));
  return { calls, headers };
}

/** Whether a damage leaves all that a call needs. */
function isWhole(
  { calls, headers }: Needs,
  key: string,
  file: string,
  damaged: Omit<Needed, "file">,
): boolean {
  const isLeft = (one: Needed) =>
    one.file !== file || one.end <= damaged.begin || one.begin >= damaged.end;
  return headers.some(isLeft) && calls.get(key)?.every(isLeft) === true;
}

/** Flips a bit, or makes zeros or noise of some bytes, or cuts the file there. */
function damage(file: string, random: Random): { begin: number; end: number } {
  const content = Deno.readFileSync(file);
  const begin = random.below(content.length);
  const length = Math.min(1 + random.below(1 + random.below(300)), content.length - begin);
  const end = begin + length;
  const kind = random.below(4);
  if (kind === 0) content[begin] = (content[begin] ?? 0) ^ (1 << random.below(8));
  else if (kind === 1) content.fill(0, begin, end);
  else if (kind === 2) { for (let at = begin; at < end; at++) content[at] = random.below(256); }
  else {
    Deno.writeFileSync(file, content.subarray(0, begin));
    return { begin, end: content.length };
  }
  Deno.writeFileSync(file, content);
  return { begin, end: kind === 0 ? begin + 1 : end };
}

const AREAS: Readonly<Record<string, RegExp>> = {
  log: /^calls\.jsonl$/,
  segments: /^segments\/.*h5$/,
  journals: /^journal\//,
  "tables and small files": /\.(index|json)$|^values\.h5$/,
};

const ROUNDS = 40;

for (const [where, pattern] of Object.entries(AREAS)) {
  Deno.test(`a repair of a signed bag keeps what is whole a hit, and counts the rest as missed (${where})`, async () => {
    using directory = new TemporaryDirectory();
    const template = `${directory.path}/template`;
    await createSignedBag(template);
    const needed = listNeeded(template);
    let damaged = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const path = `${directory.path}/${round}`;
      copyFiles(template, path);
      const files = listFiles(path).filter((name) => pattern.test(name));
      const file = files[round % files.length] ?? "";
      const { begin, end } = damage(`${path}/${file}`, new Random(round));
      const context = `${file} from ${begin} to ${end}, round ${round}`;
      const before = await tryHits(path);
      const report = await tryRepair(path);
      // What says that it is of another version of the format is left alone.
      if (report === undefined) continue;
      assertEquals(report.sound, true, context);
      const hits = await listHits(path);
      const whole = CALLS.map(({ key }) => key).filter((key) =>
        isWhole(needed, key, file, { begin, end })
      );
      assertEquals(whole.filter((key) => !hits.includes(key)), [], `${context}: whole, and no hit`);
      assertEquals(before.filter((key) => !hits.includes(key)), [], `${context}: no hit any more`);
      const missed = CALLS.map(({ key }) => key).filter((key) => !hits.includes(key));
      const told = missed.filter((key) => isTold(needed, key, file, begin, end));
      assertEquals(
        told.filter((key) => !report.misses.includes(key)),
        [],
        `${context}: not missed`,
      );
      const keyed = { keys: [KEY] };
      const again = await verifyStores(path, keyed, {
        fileSystem: UNSYNCED_DISK,
        loadLibrary: loadHdf5Library,
      });
      const unsigned = again.misses.filter((key) => key !== UNSIGNED.key);
      assertEquals([again.sound, unsigned], [true, []], context);
      damaged += missed.length;
      Deno.removeSync(path, { recursive: true });
    }
    if (where === "tables and small files") assertEquals(damaged, 0);
    else assertGreater(damaged, 5);
  });
}

Deno.test("a repair of a signed bag finds whole records where their line feeds are damaged", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSignedBag(path);
  const log = Deno.readFileSync(`${path}/calls.jsonl`);
  for (let at = 0; at < log.length; at++) if (log[at] === 0x0a && at % 3 > 0) log[at] = 0x20;
  Deno.writeFileSync(`${path}/calls.jsonl`, log);
  assert((await listHits(path)).length < CALLS.length);
  const { sound, missed } = await verify(path, { repair: true });
  assertEquals([sound, missed], [true, 0]);
  assertEquals(await listHits(path), CALLS.map(({ key }) => key));
});

Deno.test("a repair of a signed bag loses no call for a damaged header, and all without any", async () => {
  using directory = new TemporaryDirectory();
  const template = `${directory.path}/template`;
  await createSignedBag(template);
  const { headers } = listNeeded(template);
  const all = CALLS.map(({ key }) => key);
  for (const damaged of [...headers.map((header) => [header]), headers]) {
    const path = `${directory.path}/damaged`;
    copyFiles(template, path);
    const log = Deno.readFileSync(`${path}/calls.jsonl`);
    for (const { begin } of damaged) log[begin + 40] = (log[begin + 40] ?? 0) ^ 1;
    Deno.writeFileSync(`${path}/calls.jsonl`, log);
    const lost = damaged === headers ? all : [];
    const { sound, misses } = await verify(path, { repair: true });
    assertEquals([sound, misses.filter((key) => all.includes(key)).toSorted()], [
      true,
      lost.toSorted(),
    ]);
    assertEquals(await listHits(path), lost.length > 0 ? [] : all);
    Deno.removeSync(path, { recursive: true });
  }
});

Deno.test("a repair of a signed bag makes nothing a hit that was not", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSignedBag(path);
  const [victim] = CALLS;
  assert(victim !== undefined);
  const forged = encodeValue("forged");
  await withStores(path, [], async ({ calls, values }) => {
    const record = await calls.get(victim.key);
    const [argument] = record?.args ?? [];
    assert(record !== undefined && argument?.value !== undefined);
    await values.put(forged);
    const { value, ...rest } = argument;
    const changes = [
      { args: [{ ...rest, lost: forged.digest }] },
      { args: [{ ...rest, lost: value, value: forged.digest }] },
      { args: [{ ...rest, lost: value }], result: forged.digest },
      { args: [{ ...rest, lost: value }, { ...rest, lost: value }] },
      { args: [{ ...rest, lost: value, digest: forged.digest }] },
    ];
    for (const change of changes) {
      await calls.put({ ...record, ...change });
      assertEquals((await verify(path, { repair: true })).sound, true);
      assertEquals((await listHits(path)).includes(victim.key), false, JSON.stringify(change));
    }
    // All that somebody without the key can make of a record is one whose argument is missing.
    await calls.put({ ...record, args: [{ ...rest, lost: value }] });
    assertEquals((await listHits(path)).includes(victim.key), true);
  });
});

Deno.test("a repair of a bag keeps a good copy of a value behind one that is wrong", async () => {
  const environment = { fileSystem: UNSYNCED_DISK, loadLibrary: loadHdf5Library };
  const wrong = { value: encodeValue("wrong"), array: encodeValue(new Float64Array(700)) };
  // Of a value that is wrong any check can tell, of an array only one of digests.
  for (const options of [{ keys: [KEY] }, { digests: true }]) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createSignedBag(path);
    for (const { result } of CALLS) {
      const { digest, parts: [part] } = encodeValue(result);
      const forged = part === undefined
        ? { ...wrong.value, digest }
        : { ...wrong.array, digest: part.digest };
      forge(path, forged);
    }
    const found = await verifyStores(path, options, environment);
    assertEquals(found.misses.filter((key) => key !== UNSIGNED.key), []);
    const report = await verifyStores(path, { ...options, repair: true }, environment);
    assertEquals([report.sound, report.misses.filter((key) => key !== UNSIGNED.key)], [true, []]);
    assertEquals(await listHits(path), CALLS.map(({ key }) => key));
    const again = await verify(path, { digests: true });
    assertEquals([again.sound, again.missed], [true, 0]);
  }
});

/** Puts a copy of a value into a journal that comes before others, as who can write to the files could. */
function forge(path: string, { digest, kind, bytes }: EncodedPart): void {
  const header = toViewed(new Uint8Array(HEADER_BYTES));
  encodeHeader(header, { digest, kind, length: bytes.length, crc: crc32(bytes) });
  const journal = `${path}/journal/${"0".repeat(16)}-1`;
  Deno.writeFileSync(journal, header.bytes, { append: true });
  Deno.writeFileSync(journal, bytes, { append: true });
}

/** What a record begins with: `{"call":"`, its key in base64url, and a quote. */
const HEAD_LENGTH = 53;

/**
 * Whether a record's key is still there, or in the table, which has those of the sealed calls. A line
 * behind these that is cut looks as if its writer had not finished it.
 */
function isTold(
  { calls }: Needs,
  key: string,
  file: string,
  begin: number,
  end: number,
): boolean {
  const [line] = calls.get(key) ?? [];
  if (file !== "calls.jsonl" || line === undefined) return true;
  const isSealed = CALLS.slice(0, 5).some((call) => call.key === key);
  if (isSealed || end <= line.begin) return true;
  return begin >= line.begin + HEAD_LENGTH && end < line.end;
}

function copyFiles(from: string, to: string): void {
  Deno.mkdirSync(to);
  for (const { name, isDirectory } of Deno.readDirSync(from)) {
    if (isDirectory) copyFiles(`${from}/${name}`, `${to}/${name}`);
    else Deno.copyFileSync(`${from}/${name}`, `${to}/${name}`);
  }
}

async function tryRepair(path: string): Promise<VerifyReport | undefined> {
  try {
    return await verify(path, { repair: true });
  } catch (error) {
    if (error instanceof BagFormatError && error.message.includes("use the Quiver")) {
      return undefined;
    }
    throw error;
  }
}

/** The hits before a repair; none where the bag cannot be opened. */
async function tryHits(path: string): Promise<readonly string[]> {
  try {
    return await listHits(path);
  } catch (error) {
    if (error instanceof BagCorruptError || error instanceof BagFormatError) return [];
    throw error;
  }
}
