// End-to-end: looking into a bag, and reading parts of values, before and after a fold.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { type Bag, CacheMissError, openBag } from "@quiver/quiver";
import { shapeSymbol } from "@quiver/quiver/caches";
import { sameValue } from "../value/same_value.ts";
import { ReadCounter } from "../bag/_read_counter.ts";
import { createRecord } from "./contract.ts";

const GRID = Float64Array.from({ length: 20 * 30 * 40 }, (_, i) => i / 7);

function createValue() {
  const shared = { n: 1 };
  const cyclic: Record<string, unknown> = { shared, again: shared };
  cyclic.self = cyclic;
  return {
    plain: { list: [10, { deep: "text" }], "a/b": 1, "": "empty", "~": "tilde" },
    map: new Map<unknown, unknown>([
      ["1", "text key"],
      [1, "number key"],
      [null, new Float32Array(3000).fill(2)],
      [{ an: "object" }, "object key"],
      [12n, "bigint key"],
    ]),
    set: new Set(["x", "y"]),
    error: new RangeError("too far", { cause: { code: 7 } }),
    sparse: Object.assign([], { 5: "five" }),
    date: new Date(0),
    cyclic,
    bigs: new BigInt64Array(1000).fill(-5n),
    small: new Uint16Array([1, 2, 3]),
    grid: { data: GRID, shape: [20, 30, 40] },
    tiny: { data: Int8Array.of(1, 2, 3, 4, 5, 6), shape: [2, 3] },
  };
}

type Value = ReturnType<typeof createValue>;

/** A bag with one value, looked at while it is in a journal and when it is in a segment. */
function testBoth(
  name: string,
  test: (bag: Bag, digest: string, value: Value) => Promise<void>,
): void {
  for (const folded of [false, true]) {
    Deno.test(`${name}, ${folded ? "sealed" : "in a journal"}`, async () => {
      const path = await Deno.makeTempDir();
      {
        await using bag = await openBag(path, { fold: "manual" });
        const value = createValue();
        const digest = await bag.putValue(value);
        if (folded) await bag.fold();
        await test(bag, digest, value);
      }
      await Deno.remove(path, { recursive: true });
    });
  }
}

testBoth("Bag.read() reads what is at a path", async (bag, digest, value) => {
  const expected: Record<string, unknown> = {
    "plain": value.plain,
    "plain/list/1/deep": "text",
    "plain/a~1b": 1,
    "plain/~e": "empty",
    "plain/": "empty",
    "plain/~0": "tilde",
    "map/1": "text key",
    "map/~#1": "number key",
    "map/null": new Float32Array(3000).fill(2),
    "map/null/2999": 2,
    "map/~#3": "object key",
    "map/12n": "bigint key",
    "set/1": "y",
    "set/~#0": "x",
    "error/message": "too far",
    "error/cause/code": 7,
    "sparse/5": "five",
    "date": new Date(0),
    "cyclic/self/self/again/n": 1,
    "bigs/999": -5n,
    "small/2": 3,
    "grid/data/23999": 23999 / 7,
    "grid/shape/1": 30,
    "tiny": value.tiny,
  };
  for (const [path, part] of Object.entries(expected)) {
    assert(sameValue(await bag.read(digest, path), part), path);
  }
  const cyclic = await bag.read(digest, "cyclic");
  assert(typeof cyclic === "object" && cyclic !== null && "self" in cyclic);
  assert(cyclic.self === cyclic);
  assert(sameValue(await bag.read(digest), value));
});

testBoth("Bag.read() names the first step that is missing", async (bag, digest) => {
  const cases = {
    "plan/list":
      /^Cannot find "plan" in the value [0-9a-f]{64}: it is of the kind "Object" with "plain", "map", /,
    "plain/list/2/x":
      /^Cannot find "2" in .*: "plain\/list" is of the kind "Array" with the indices below 2$/,
    "plain/list/length": /^Cannot find "length"/,
    "small/3":
      /^Cannot find "3" in .*: "small" is of the kind "Uint16Array" with the indices below 3$/,
    "bigs/1000":
      /^Cannot find "1000" in .*: "bigs" is of the kind "BigInt64Array" with the indices below 1000$/,
    "date/getTime":
      /^Cannot find "getTime" in .*: "date" is of the kind "Date" with nothing inside$/,
    "plain/__proto__": /^Cannot find "__proto__"/,
    "map/~#5":
      /^Cannot find "~#5" in .*: "map" is of the kind "Map" with "1", "~#1", "~#2", "~#3", "~#4"$/,
  };
  for (const [path, message] of Object.entries(cases)) {
    const error = await assertRejects(() => bag.read(digest, path), RangeError);
    assert(message.test(error.message), error.message);
  }
});

testBoth("Bag.slice() reads a part of an array at a path", async (bag, digest) => {
  assertEquals(
    await bag.slice({ digest, path: "bigs" }, [[3, 5]]),
    BigInt64Array.of(-5n, -5n),
  );
  assertEquals(await bag.slice({ digest, path: "grid/data" }, [[7, 9]]), GRID.slice(7, 9));
  const slice = await bag.slice({ digest, path: "grid" }, [[19, 20], [28, 30], [38, 40]]);
  assertEquals(slice, {
    data: Float64Array.of(...[23958, 23959, 23998, 23999].map((i) => i / 7)),
    shape: [1, 2, 2],
  });
  assertEquals(await bag.slice({ digest, path: "tiny" }, [[1, 2], [0, 2]]), {
    data: Int8Array.of(4, 5),
    shape: [1, 2],
  });
  await assertRejects(
    () => bag.slice({ digest, path: "plain/list" }, []),
    TypeError,
    '"plain/list" is of the kind "Array"',
  );
});

testBoth("Bag.list() lists what is in a value", async (bag, digest) => {
  const entries = await Array.fromAsync(bag.list(digest));
  const about = entries.map(({ name, kind, size, shape, bytes }) =>
    [
      name,
      kind,
      size ?? "",
      shape?.join("×") ?? "",
      bytes ?? "",
    ].join(" ").trim()
  );
  assertEquals(about, [
    "plain Object 4",
    "map Map 5",
    "set Set 2",
    // What a stack says depends on who runs the test, and cause is one of the four.
    "error Error 4",
    "sparse Array 1",
    "date Date",
    "cyclic Object 3",
    "bigs BigInt64Array  1000 8000",
    "small Uint16Array  3 6",
    "grid Float64Array 2 20×30×40 192000",
    "tiny Int8Array 2 2×3 6",
  ]);
  const inner = await Array.fromAsync(bag.list(`${digest}/plain`));
  assertEquals(inner.map(({ path }) => path.slice(65)), [
    "plain/list",
    "plain/a~1b",
    "plain/~e",
    "plain/~0",
  ]);
  for (const { path } of inner) {
    assertEquals(await bag.read(digest, path.slice(65)) !== undefined, true);
  }
  assertEquals(await Array.fromAsync(bag.list(`${digest}/bigs`)), []);
});

Deno.test("Bag.list() lists tasks, their calls, and what a call has", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    const result = await bag.putValue({ ok: true });
    const value = await bag.putValue(new Int16Array(5000));
    const [one, two] = ["1".repeat(64), "2".repeat(64)];
    const args = [
      { name: "x", digest: "0".repeat(64), value },
      { name: "callback", digest: "0".repeat(64) },
    ];
    await bag.putRecord({ ...createRecord(one, result, "a/b"), args });
    await bag.putRecord(createRecord(two, "f".repeat(64), "g"));
    const list = async (path: string) =>
      (await Array.fromAsync(bag.list(path))).map(({ path, kind, size }) =>
        `${path} ${kind} ${size ?? ""}`.trim()
      );
    assertEquals(await list(""), ["a~1b task 1", "g task 1"]);
    assertEquals(await list("a~1b"), [`a~1b/${one} call 3`]);
    assertEquals(await list(`a~1b/${one}`), [
      `a~1b/${one}/args arguments 2`,
      `a~1b/${one}/result Object 1`,
      `a~1b/${one}/metadata Object 1`,
    ]);
    assertEquals(await list(`a~1b/${one}/args`), [
      `a~1b/${one}/args/x Int16Array`,
      `a~1b/${one}/args/callback digest`,
    ]);
    assertEquals(await list(`${one}/metadata/tags`), [`${one}/metadata/tags/project string`]);
    assertEquals((await list(`g/${two}`))[1], `g/${two}/result missing`);
    await assertRejects(() => list("h"), RangeError, 'Cannot find "h" in the bag');
    await assertRejects(() => list(`g/${one}`), RangeError, `Cannot find "${one}"`);
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("Bag.read() and slice() reject a value that is not there", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    const digest = "ab".repeat(32);
    const error = await assertRejects(() => bag.read(digest), CacheMissError, "not in the bag");
    assertEquals(error.key, digest);
    await assertRejects(() => bag.slice(digest, []), CacheMissError);
  }
  await Deno.remove(path, { recursive: true });
});

for (const form of ["in a journal", "sealed", "compressed"] as const) {
  Deno.test(`Bag.slice(), read() and list() read no more than what is asked for, ${form}`, async () => {
    const path = await Deno.makeTempDir();
    const data = Float64Array.from({ length: 2_000_000 }, (_, i) => i % 1000);
    {
      const compression = form === "compressed" ? { compression: { gzip: 1 } } : {};
      await using bag = await openBag(path, { ...compression, fold: "manual" });
      const digest = await bag.putValue({ grid: { data, shape: [2000, 1000] }, note: "small" });
      if (form !== "in a journal") await bag.fold();
      await using reader = await openBag(path, { mode: "read", memoryBytes: 0 });
      using counter = new ReadCounter();
      // A journal has no checksums of pieces: what lies there is read once to be believed.
      await reader.slice({ digest, path: "grid" }, [[0, 1]]);
      const first = counter.take().bytes;
      assertEquals(first > data.byteLength, form === "in a journal", `${first} bytes were read`);
      assertEquals(await reader.read(digest, "note"), "small");
      const entries = await Array.fromAsync(reader.list(digest));
      assertEquals(entries.map(({ name }) => name), ["grid", "note"]);
      const looked = counter.take().bytes;
      assert(looked < 64 * 1024, `${looked} bytes were read for a note and a list`);
      // One hundredth of the array, of 16 MB.
      const rows = await reader.slice({ digest, path: "grid" }, [[1000, 1020]]);
      assertEquals(rows, { data: data.slice(1_000_000, 1_020_000), shape: [20, 1000] });
      const sliced = counter.take().bytes;
      assert(sliced < 800_000, `${sliced} bytes were read for 160,000 of an array`);
      assertEquals(await reader.read(digest, "grid/data/1999999"), 999);
      const one = counter.take().bytes;
      assert(one < 400_000, `${one} bytes were read for a number`);
    }
    await Deno.remove(path, { recursive: true });
  });
}

Deno.test("Bag.slice() never gives what is damaged, and reads on what is not", async () => {
  const path = await Deno.makeTempDir();
  let digest: string;
  {
    await using bag = await openBag(path);
    digest = await bag.putValue(new Uint8Array(1_000_000).fill(7));
  }
  const file = `${path}/segments/000001.h5`;
  const bytes = await Deno.readFile(file);
  const begin = bytes.findIndex((byte, i) => byte === 7 && bytes[i + 5000] === 7);
  bytes[begin + 500_000] = 8;
  await Deno.writeFile(file, bytes);
  {
    await using bag = await openBag(path, { mode: "read" });
    assertEquals(await bag.slice(digest, [[10, 12]]), Uint8Array.of(7, 7));
    await assertRejects(() => bag.slice(digest, [[500_000, 500_001]]), CacheMissError, "damaged");
    assertEquals(await bag.value(digest), { hit: false });
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("the shapes of arrays come back right when two share their numbers", async () => {
  const path = await Deno.makeTempDir();
  {
    await using bag = await openBag(path);
    const values = [[100, 240], [240, 100], [24_000], [20, 30, 40]].map((shape) => ({
      data: GRID,
      shape,
    }));
    const digests: string[] = [];
    for (const value of values) digests.push(await bag.putValue(value));
    const hinted = { pixels: GRID, [shapeSymbol]: { pixels: [120, 200] } };
    assertEquals(await bag.putValue({ pixels: GRID }), await bag.putValue(hinted));
    assertEquals(new Set(digests).size, 4);
    for (const [i, value] of values.entries()) {
      assertEquals(await bag.read(digests[i] ?? ""), value);
      const slice = await bag.slice(digests[i] ?? "", [[0, 1]]);
      const [, ...rest] = value.shape;
      assertEquals("shape" in slice ? slice.shape : [slice.length], [1, ...rest]);
    }
  }
  await Deno.remove(path, { recursive: true });
});

Deno.test("Bag.describe() tells what lies at a path, and some of what lies below", async () => {
  const path = await Deno.makeTempDir();
  await using cleanUp = new AsyncDisposableStack();
  cleanUp.defer(() => Deno.remove(path, { recursive: true }));
  await using bag = await openBag(`${path}/bag`, { fold: "manual" });
  const ys = new Float64Array(1000);
  const digest = await bag.putValue({ n: 7, text: "a", at: new Date(5), none: null, ys });
  const whole = await bag.describe(digest, { entries: 9 });
  assertEquals([whole.name, whole.path, whole.kind, whole.size], [digest, digest, "Object", 5]);
  const values = whole.entries.map(({ name, kind, value }) => [name, kind, value]);
  assertEquals(values, [
    ["n", "number", 7],
    ["text", "string", "a"],
    ["at", "Date", new Date(5)],
    ["none", "null", null],
    ["ys", "Float64Array", undefined],
  ]);
  const some = await bag.describe(digest, { skip: 1, entries: 2 });
  assertEquals(some.entries.map(({ path }) => path), [`${digest}/text`, `${digest}/at`]);
  const part = await bag.describe(`${digest}/ys`);
  assertEquals([part.path, part.shape, part.bytes, part.entries], [
    `${digest}/ys`,
    [1000],
    8000,
    [],
  ]);
  assertEquals((await bag.describe("")).kind, "bag");
  await assertRejects(() => bag.describe(`${digest}/zs`), RangeError, 'Cannot find "zs"');
  await assertRejects(() => bag.describe(digest, { entries: -1 }), RangeError, "entries");
});
