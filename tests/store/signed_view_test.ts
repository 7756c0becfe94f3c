// End-to-end: what is read, listed, exported and imported in a bag with a signing key is believed
// only where the key vouches for it.
import { assert, assertEquals, assertGreater, assertRejects } from "@std/assert";
import { type Bag, CacheMissError, openBag } from "@quiver/quiver";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { openBagStores } from "../../src/store/open_stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { createRecord } from "./contract.ts";

const KEY = "the key of this year";
const [ONE, TWO] = ["1".repeat(64), "2".repeat(64)] as const;

function createValue(verdict: string, fill: number) {
  const grid = { data: new Float64Array(1200).fill(fill), shape: [30, 40] };
  return { grid, verdict, list: [{ n: fill }] };
}

const GOOD = createValue("good", 1);
const EVIL = createValue("evil", 6);

function open(path: string, signingKey: string[] = [KEY]): Promise<Bag> {
  return openBag(path, { signingKey, fold: "manual" });
}

/** A bag with a call of one who has the key. */
async function createBag(path: string): Promise<string> {
  await using bag = await open(path);
  const digest = await bag.putValue(GOOD);
  await putSigned(bag, digest);
  return digest;
}

async function putSigned(bag: Bag, digest: string): Promise<void> {
  const args = [{ name: "x", position: 0, digest: "0".repeat(64), value: digest }];
  await bag.putRecord({ ...createRecord(ONE, digest, "f"), args, ignored: [1, "...2"] });
}

/** Puts bytes under the digests of other values, as who can write to the files could. */
async function forge(path: string, what: "value" | "array"): Promise<void> {
  const [good, evil] = [encodeValue(GOOD), encodeValue(EVIL)];
  const [grid, wrong] = [good.parts[0], evil.parts[0]];
  assert(grid !== undefined && wrong !== undefined);
  await using files = await openBagFiles(path, { fold: "manual" });
  files.values.putPart({ ...wrong, digest: what === "array" ? grid.digest : wrong.digest });
  files.values.putPart({ ...(what === "value" ? evil : good), digest: good.digest });
}

async function list(bag: Bag, path?: string): Promise<string[]> {
  return (await Array.fromAsync(bag.list(path))).map(({ name, kind }) => `${name}: ${kind}`);
}

Deno.test("a signed Bag reads, slices and lists what the key vouches for", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const digest = await createBag(path);
  for (const sealed of [false, true]) {
    await using bag = await open(path);
    if (sealed) await bag.fold();
    assertEquals(await list(bag), ["f: task"]);
    assertEquals(await list(bag, `f/${ONE}/args`), ["x: Object"]);
    assertEquals((await Array.fromAsync(bag.list(`f/${ONE}/result`)))[0]?.shape, [30, 40]);
    assertEquals(await bag.read(digest), GOOD);
    assertEquals(await bag.read(digest, "list/0/n"), 1);
    assertEquals(await bag.slice({ digest, path: "grid" }, [[0, 2], [7, 8]]), {
      data: Float64Array.of(1, 1),
      shape: [2, 1],
    });
  }
});

Deno.test("a signed Bag shows no calls that nobody with the key has signed", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  using exports = new TemporaryDirectory();
  const digest = await createBag(path);
  {
    await using bag = await open(path, []);
    await bag.putRecord(createRecord(TWO, digest, "forged"));
    assertEquals(await list(bag), ["f: task", "forged: task"]);
  }
  await using bag = await open(path);
  assertEquals(await list(bag), ["f: task"]);
  await assertRejects(() => list(bag, `forged/${TWO}`), RangeError, '"forged"');
  await assertRejects(() => list(bag, TWO), RangeError, TWO);
  const file = `${exports.path}/export.h5`;
  assertEquals((await bag.exportHdf5(file)).calls, 1);
  await using other = await open(path, ["another long enough key"]);
  assertEquals([await list(other), (await other.exportHdf5(file)).calls], [[], 0]);
});

for (const what of ["value", "array"] as const) {
  Deno.test(`a signed Bag shows nothing of a forged ${what}`, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    using exports = new TemporaryDirectory();
    await forge(path, what);
    const { digest } = encodeValue(GOOD);
    {
      await using bag = await open(path);
      await putSigned(bag, digest);
    }
    {
      await using bag = await open(path, []);
      // Its checksum is right, so it is what others read.
      const read: unknown = await bag.read(digest, what === "value" ? "verdict" : "grid/data/0");
      assertEquals(read, what === "value" ? "evil" : 6);
    }
    for (const sealed of [false, true]) {
      await using bag = await open(path);
      if (sealed) await bag.fold();
      await assertRejects(() => bag.read(digest), CacheMissError);
      await assertRejects(() => bag.read(digest, "list"), CacheMissError);
      await assertRejects(() => bag.slice({ digest, path: "grid" }, []), CacheMissError);
      assertEquals(await list(bag, `f/${ONE}`), [
        "args: arguments",
        "result: missing",
        "metadata: Object",
      ]);
      const exported = await bag.exportHdf5(`${exports.path}/export.h5`);
      assertEquals([exported.calls, exported.skipped], [0, 1]);
      assertGreater(bag.statistics().rejectedValues, 0);
    }
    await using bag = await open(path);
    await assertRejects(() => bag.read(digest), CacheMissError);
    // Whoever computes it again heals it.
    await bag.putValue(GOOD);
    assertEquals(await bag.read(digest), GOOD);
  });
}

Deno.test("a signed Bag imports what was signed with its key, and nothing else", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  using exports = new TemporaryDirectory();
  await createBag(`${path}/signed`);
  const file = `${exports.path}/export.h5`;
  {
    await using bag = await open(`${path}/signed`, []);
    const digest = await bag.putValue(EVIL);
    await bag.putRecord(createRecord(TWO, digest, "forged"));
    assertEquals((await bag.exportHdf5(file)).calls, 2);
  }
  await using bag = await open(`${path}/new`);
  assertEquals(await bag.importHdf5(file), { calls: 1, known: 0, rejected: 1 });
  assertEquals(await bag.importHdf5(file), { calls: 0, known: 1, rejected: 1 });
  assertEquals(await bag.lookup(ONE), { hit: true, value: GOOD });
  assertEquals(await bag.record(TWO), undefined);
  await using unsigned = await open(`${path}/unsigned`, []);
  assertEquals(await unsigned.importHdf5(file), { calls: 2, known: 0, rejected: 0 });
  // The signature came along.
  await using later = await open(`${path}/unsigned`);
  assertEquals([(await later.lookup(ONE)).hit, (await later.lookup(TWO)).hit], [true, false]);
});

Deno.test("a signed Bag imports over records and values that somebody has forged", async () => {
  for (const what of ["value", "array"] as const) {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    using exports = new TemporaryDirectory();
    await createBag(`${path}/signed`);
    const file = `${exports.path}/export.h5`;
    {
      await using bag = await open(`${path}/signed`);
      await bag.exportHdf5(file);
    }
    await forge(`${path}/forged`, what);
    {
      await using opened = await openBagStores(`${path}/forged`, { fold: "manual" });
      opened.stores.calls.put(createRecord(ONE, encodeValue(EVIL).digest, "f"));
    }
    await using bag = await open(`${path}/forged`);
    assertEquals((await bag.lookup(ONE)).hit, false);
    assertEquals(await bag.importHdf5(file), { calls: 1, known: 0, rejected: 0 });
    assertEquals(await bag.lookup(ONE), { hit: true, value: GOOD });
  }
});
