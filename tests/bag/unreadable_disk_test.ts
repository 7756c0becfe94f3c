// collaboration: a bag on a disk that does not give a part of a file
import { assert, assertEquals, assertGreater, assertRejects, assertThrows } from "@std/assert";
import { BagCorruptError } from "../../src/base/errors.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import {
  CALLS,
  createSmallBag,
  ENVIRONMENT,
  listDamaged,
  storeCalls,
  UNSEALED,
  verify,
} from "../store/_small_bag.ts";
import { toShortDigest } from "./_short_digest.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { toDigest } from "./_values.ts";

/** Lets a part of a file be one that cannot be read, as of a sector that is broken. */
class BrokenSector implements Disposable {
  readonly #read = Deno.FsFile.prototype.readSync;

  constructor(path: string, begin: number, end: number) {
    const { ino } = Deno.statSync(path);
    const read = this.#read;
    Deno.FsFile.prototype.readSync = function (bytes) {
      const at = this.seekSync(0, Deno.SeekMode.Current);
      if (this.statSync().ino === ino && at < end && at + bytes.length > begin) {
        throw Object.assign(new Error("Input/output error (os error 5)"), { code: "EIO" });
      }
      return read.call(this, bytes);
    };
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.readSync = this.#read;
  }
}

async function listHits(path: string): Promise<number[]> {
  await using files = await openBagFiles(path, { mode: "read", memoryBytes: 0 }, ENVIRONMENT);
  return [...CALLS, UNSEALED].flatMap(({ key, result }, i) => {
    const record = files.calls.get(key);
    const found = record === undefined ? { hit: false } as const : files.values.get(record.result);
    if (!found.hit) return [];
    assertEquals(found.value, result);
    return [i];
  });
}

function find(path: string, pattern: RegExp): string {
  const name = listFiles(path).find((one) => pattern.test(one));
  assert(name !== undefined);
  return `${path}/${name}`;
}

/** Where bytes lie in a file. */
function locate(file: string, bytes: Uint8Array): [begin: number, end: number] {
  const content = Deno.readFileSync(file);
  const begin = content.findIndex((_, at) => bytes.every((byte, i) => content[at + i] === byte));
  assert(begin >= 0);
  return [begin, begin + bytes.length];
}

Deno.test("what a disk does not give of a segment or journal is a miss, and heals", async () => {
  for (const [pattern, n] of [[/^segments.*h5$/, 1], [/^journal/, 3]] as const) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createSmallBag(path);
    const call = [...CALLS, UNSEALED][n];
    assert(call !== undefined);
    const file = find(path, pattern);
    const place = locate(file, encodeValue(call.result).bytes);
    {
      using _sector = new BrokenSector(file, ...place);
      assertEquals(await listHits(path), [0, 1, 2, 3].filter((one) => one !== n));
      await storeCalls(path, [call]);
      assertEquals(await listHits(path), [0, 1, 2, 3]);
      await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
      const seal = async () => {
        await files.fold();
        await files.compact({ full: true });
      };
      // Of a journal, nothing is dropped that a disk may give later.
      if (n === 1) await seal();
      else await assertRejects(seal, BagCorruptError, `Cannot read "${file}" at byte`);
      assertEquals(await listHits(path), [0, 1, 2, 3]);
    }
    assertEquals((await verify(path, { repair: true })).sound, true);
    assertEquals(await listHits(path), [0, 1, 2, 3]);
  }
});

Deno.test("a repair goes around what a disk does not give of a segment or its table", async () => {
  for (const [pattern, misses] of [[/^segments.*h5$/, 1], [/^segments.*index$/, 0]] as const) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createSmallBag(path);
    const file = find(path, pattern);
    const place: [number, number] = misses === 0
      ? [100, 200]
      : locate(file, encodeValue(CALLS[1]?.result).bytes);
    using _sector = new BrokenSector(file, ...place);
    assertEquals((await verify(path)).sound, false);
    const report = await verify(path, { repair: true });
    assertEquals([report.sound, report.missed], [true, misses]);
    assertEquals((await listHits(path)).length, 4 - misses);
    assertEquals(listDamaged(await verify(path)), []);
  }
});

Deno.test("a log or manifest that a disk does not give is an error that names file and place", async () => {
  for (const name of ["calls.jsonl", "manifest.json", "bag.json"]) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createSmallBag(path);
    using _sector = new BrokenSector(`${path}/${name}`, 10, 20);
    for (const mode of ["read", "readwrite"] as const) {
      const error = await assertRejects(
        () => openBagFiles(path, { mode }, ENVIRONMENT),
        BagCorruptError,
        `Cannot read "${path}/${name}" at byte 0: Input/output error (os error 5)`,
      );
      assertEquals(error.name, "BagCorruptError");
    }
  }
});

Deno.test("a log of which a disk does not give one record any more loses no other", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createSmallBag(path);
  await using files = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  const log = `${path}/calls.jsonl`;
  const [first, second] = CALLS;
  const line = new TextEncoder().encode(`{"call":"${toShortDigest(first?.key ?? "")}"`);
  const place = locate(log, line);
  using _sector = new BrokenSector(log, ...place);
  const problem = `"${log}" at byte ${place[0]}:`;
  assertThrows(() => files.calls.get(first?.key ?? ""), BagCorruptError, problem);
  assertEquals(files.calls.get(second?.key ?? "")?.key, second?.key);
  assertEquals(files.calls.get(toDigest("none")), undefined);
});

Deno.test("a log of which a disk does not give the newest header any more loses no record", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const [call] = CALLS;
  assert(call !== undefined);
  const keys = Array.from({ length: 100 }, (_, n) => toDigest(`call ${n}`));
  await storeCalls(path, keys.map((key) => ({ ...call, key })));
  await using files = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  const log = `${path}/calls.jsonl`;
  const begin = Deno.readTextFileSync(log).lastIndexOf('{"head":"');
  assertGreater(begin, 8192);
  using _sector = new BrokenSector(log, begin, begin + 20);
  assertEquals(keys.filter((key) => files.calls.get(key)?.key !== key), []);
});

Deno.test("a sweep refuses to drop the parts of what a disk does not give of a journal", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const array = new Float64Array(600).fill(7);
  // Large: a scan of the journal does not read all of it.
  const result = { array, text: "x".repeat(4_000_000) };
  // The part is in a segment of which nothing else is wanted.
  await storeCalls(path, [{ key: toDigest("part"), argument: 1, result: array }], {}, true);
  await storeCalls(path, [{ key: toDigest("call"), argument: 2, result }]);
  const { digest, bytes } = encodeValue(result);
  const journal = find(path, /^journal/);
  const [begin, end] = locate(journal, bytes);
  {
    await using files = await openBagFiles(path, { fold: "manual" }, ENVIRONMENT);
    using _sector = new BrokenSector(journal, (begin + end) >> 1, end - 1000);
    const sweep = () => files.compact({ live: new Set([digest]), horizon: Infinity });
    await assertRejects(sweep, BagCorruptError, `Cannot read "${journal}" at byte`);
  }
  await using files = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  assertEquals(files.values.get(digest), { hit: true, value: result });
});
