// end-to-end: checking, repairing and damaging bags with shapes and compressed arrays
import { assert, assertEquals } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { Tool } from "../tools.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { toDigest } from "../bag/_values.ts";
import { attack, flip, readAll } from "./_attack.ts";
import { ENVIRONMENT, listDamaged, storeCalls, type StoredCall, verify } from "./_small_bag.ts";

const H5PY = Tool.find("python3-h5py");

const GZIP = { compression: { gzip: 4 } };

function createCall(name: string, result: unknown): StoredCall {
  return { key: toDigest(name), argument: name, result };
}

function createArray(length: number, scale: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length }, (_, i) => scale * Math.sqrt(i));
}

/** One chunk and several, with one dimension and more, and a part beside other things. */
const CALLS = [
  createCall("matrix", { data: createArray(16 * 40, 1), shape: [16, 40] }),
  createCall("cube", {
    field: { data: createArray(2 * 300 * 100, 2), shape: [2, 300, 100] },
    n: 1,
  }),
  createCall("row", createArray(700, 3)),
];
const UNSEALED = createCall("late", { data: createArray(30 * 40, 4), shape: [30, 40] });
const ALL = [...CALLS, UNSEALED];
const SHAPES = [[16, 40], [2, 300, 100], undefined, [30, 40]];

async function createBag(path: string, options = {}, unsealed: boolean = true): Promise<void> {
  await storeCalls(path, CALLS, options, true);
  if (unsealed) await storeCalls(path, [UNSEALED]);
}

/** Under which digest the array of a call lies, whose result is one or has one inside. */
function toArrayDigest({ result }: StoredCall): string {
  const { digest, parts } = encodeValue(result);
  return parts[0]?.digest ?? digest;
}

async function readShapes(
  path: string,
  calls: readonly StoredCall[],
): Promise<(readonly number[] | undefined)[]> {
  await using files = await openBagFiles(path, { mode: "read" }, ENVIRONMENT);
  return calls.map((call) => files.values.open(toArrayDigest(call))?.shape);
}

async function repair(path: string): Promise<{ damaged: string[]; misses: readonly string[] }> {
  assertEquals((await verify(path)).sound, false);
  const repaired = await verify(path, { repair: true });
  assertEquals(repaired.sound, true, JSON.stringify(repaired, null, 2));
  const again = await verify(path, { digests: true });
  assertEquals(listDamaged(again), [], JSON.stringify(again, null, 2));
  return { damaged: listDamaged(repaired), misses: repaired.misses };
}

/** Flips a bit in a file, behind a pattern and so many bytes. */
function damage(file: string, pattern: readonly number[], behind: number): void {
  const content = Deno.readFileSync(file);
  const at = content.findIndex((_, i) => pattern.every((byte, j) => content[i + j] === byte));
  assert(at >= 0, `${file} has no such bytes`);
  Deno.writeFileSync(file, flip(content, at + behind));
}

const SCRIPT = `
import h5py, json, sys
found = {}
for segment in h5py.File(sys.argv[1] + "/values.h5", "r")["segments"].values():
    for digest, dataset in segment.items():
        dataset[...]
        found[digest] = [list(dataset.shape), dataset.compression]
print(json.dumps(found))
`;

function readWithH5py(path: string): Record<string, [shape: number[], compression: string | null]> {
  const { code, output } = H5PY.run("-c", SCRIPT, path);
  assertEquals(code, 0, output);
  return JSON.parse(output);
}

for (const [kind, options] of [["plain", {}], ["compressed", GZIP]] as const) {
  Deno.test(`verifyStores() finds nothing wrong with shapes in a ${kind} bag`, async () => {
    using directory = new TemporaryDirectory();
    await createBag(directory.path, options);
    const report = await verify(directory.path, { digests: true });
    assertEquals([report.sound, listDamaged(report), report.missed], [true, [], 0]);
    assertEquals(await readShapes(directory.path, ALL), SHAPES);
  });

  Deno.test(`verifyStores() finds any damage of what a table of a ${kind} bag tells of arrays`, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createBag(path, options, false);
    const table = `${path}/segments/000001.index`;
    const sound = Deno.readFileSync(table);
    const text = new TextDecoder("latin1").decode(sound);
    for (const begin of text.matchAll(/\{"shape/g)) {
      for (const at of [begin.index - 6, begin.index - 2, begin.index + 12]) {
        Deno.writeFileSync(table, flip(sound, at));
        assertEquals(await repair(path), { damaged: ["tables"], misses: [] }, `${at}`);
        assertEquals(Deno.readFileSync(table), sound);
      }
    }
    assertEquals(await readShapes(path, CALLS), SHAPES.slice(0, 3));
  });

  Deno.test({
    ...H5PY.forTest(`verifyStores() keeps shapes and filter when a ${kind} segment is damaged`),
    async fn() {
      using directory = new TemporaryDirectory();
      const { path } = directory;
      await createBag(path, options);
      const segment = `${path}/segments/000001.h5`;
      // Any chunk begins with the header of zlib; the number 3 is the second of the row.
      if (kind === "compressed") damage(segment, [0x78, 0x5e], 40);
      else damage(segment, [...new Uint8Array(Float64Array.of(0, 3).buffer)], 15);
      const { damaged, misses } = await repair(path);
      assertEquals([damaged, misses.length], [["segments", "records"], 1]);
      const lost = ALL.findIndex(({ key }) => key === misses[0]);
      const left = ALL.filter((_, i) => i !== lost);
      assertEquals(await readAll(path, left, kind), { hits: left.map((_, i) => i) });
      const shapes = SHAPES.filter((_, i) => i !== lost);
      assertEquals(await readShapes(path, left), shapes);
      const found = readWithH5py(path);
      for (const [i, call] of left.entries()) {
        if (call === UNSEALED) continue;
        const [shape, compression] = found[toArrayDigest(call)] ?? [];
        assertEquals(shape, shapes[i] ?? [700]);
        assertEquals(compression, kind === "compressed" ? "gzip" : null);
      }
    },
  });

  Deno.test(`a ${kind} bag of arrays with a bit flipped anywhere gives right values or misses`, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await createBag(path, options);
    for (const file of listFiles(path).filter((name) => /\.(h5|index)$|^journal/.test(name))) {
      const content = Deno.readFileSync(`${path}/${file}`);
      // Raw numbers are many, and all alike.
      const step = Math.max(71, Math.floor(content.length / 60));
      for (let at = step >> 1; at < content.length; at += step) {
        await attack(path, file, flip(content, at), ALL, `${file} with a bit flipped at ${at}`);
      }
    }
  });
}

Deno.test("verifyStores() finds a damaged shape in a journal, whose value stays", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createBag(path);
  const [journal] = listFiles(path).filter((name) => name.startsWith("journal/"));
  assert(journal !== undefined);
  const content = Deno.readFileSync(`${path}/${journal}`);
  const lengths = [30, 0, 0, 0, 0, 0, 0, 0, 40, 0, 0, 0, 0, 0, 0, 0];
  damage(`${path}/${journal}`, lengths, 8);
  assertEquals(await readAll(path, ALL, "journal"), { hits: [0, 1, 2, 3] });
  assertEquals(await repair(path), { damaged: ["journals"], misses: [] });
  assertEquals(await readAll(path, ALL, "sealed"), { hits: [0, 1, 2, 3] });
  const quarantined = listFiles(path).find((name) => name.endsWith(journal));
  assertEquals(Deno.readFileSync(`${path}/${quarantined}`).length, content.length);
});

Deno.test("verifyStores() writes the bag.json of a compressed bag anew, whose arrays stay", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await createBag(path, GZIP);
  Deno.removeSync(`${path}/bag.json`);
  assertEquals(await repair(path), { damaged: ["bag.json"], misses: [] });
  assertEquals(await readAll(path, ALL, "repaired"), { hits: [0, 1, 2, 3] });
  assertEquals(await readShapes(path, ALL), SHAPES);
});
