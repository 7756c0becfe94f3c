// end-to-end: which arguments are stored with a call, and what is still known of the others
import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import {
  type Bag,
  type Cache,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  type ScopeOptions,
} from "@quiver/quiver";
import { digestSymbol, query, stack, verifyBag } from "@quiver/quiver/caches";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { size, sizeAll, sizeNone } from "./testdata/argument_tasks.ts";

/** The most bytes that a small argument has. */
const SMALL = 65_536;

const LARGE = new Uint8Array(SMALL + 1).fill(7);

async function withBag(use: (bag: Bag, path: string) => Promise<void>): Promise<void> {
  using directory = new TemporaryDirectory();
  await using bag = await openBag(`${directory.path}/bag`, { fold: "manual" });
  await use(bag, `${directory.path}/bag`);
}

/** Which arguments of the calls are stored, in the order in which the calls ended. */
async function listStored(cache: Cache): Promise<boolean[][]> {
  const records = await Array.fromAsync(cache.records());
  return records.map(({ args }) => args.map(({ value }) => value !== undefined));
}

function measure(path: string): number {
  return Deno.readDirSync(path).reduce(
    (sum, { name, isDirectory }) =>
      sum + (isDirectory ? measure(`${path}/${name}`) : Deno.statSync(`${path}/${name}`).size),
    0,
  );
}

Deno.test("a call stores arguments of up to 64 KiB each, with all arrays in them", async () => {
  const cache = createMemoryCache();
  const half = new Uint8Array(SMALL / 2);
  await cacheScope({ cache, strict: true }, async () => {
    await size(LARGE.subarray(1), LARGE);
    // Two small arrays, which are one large argument; and one array that is there twice.
    await size([half, half.with(0, 1)], half);
    await size([half, half], [1, LARGE.subarray(0, 10)]);
    await size("x".repeat(SMALL - 10), "x".repeat(SMALL));
    assertEquals(await size(LARGE.subarray(1), LARGE), SMALL);
  });
  assertEquals(await listStored(cache), [
    [true, false],
    [false, true],
    [true, true],
    [true, false],
  ]);
});

Deno.test("storeArguments of a task goes before that of its scope, and this before that around it", async () => {
  const cache = createMemoryCache();
  const call = async (storeArguments: ScopeOptions["storeArguments"], salt: number) => {
    const value = [salt, LARGE];
    await cacheScope(storeArguments === undefined ? {} : { storeArguments }, async () => {
      await size(value, salt);
      await sizeAll(value);
      await sizeNone([salt]);
    });
  };
  await cacheScope({ cache, strict: true }, async () => {
    await call("all", 1);
    await call("small", 2);
    await call("none", 3);
    await cacheScope({ storeArguments: "none" }, () => call(undefined, 4));
    await cacheScope({ storeArguments: "none" }, () => call("all", 5));
    await size.bind({ storeArguments: "none" })([6], 6);
  });
  assertEquals(await listStored(cache), [
    ...[[true, true], [true], [false]],
    ...[[false, true], [true], [false]],
    ...[[false, false], [true], [false]],
    ...[[false, false], [true], [false]],
    ...[[true, true], [true], [false]],
    [false, false],
  ]);
});

Deno.test("storeArguments holds on each kind of worker, and where a call is made by another", async () => {
  await withBag(async (bag) => {
    for (const [salt, workerType] of WORKER_TYPES.entries()) {
      await using executor = new Executor({ maxWorkers: 1, workerType });
      for (const storeArguments of ["small", "all", "none"] as const) {
        await cacheScope({ cache: bag, strict: true, storeArguments }, async () => {
          const value = [salt, storeArguments, LARGE];
          assertEquals(await executor.submit(size, value, salt), 3);
          assertEquals(await executor.submit(sizeAll, value), 3);
          assertEquals(await executor.submit(sizeNone, value), 3);
        });
      }
    }
    const each = [[false, true], [true], [false], [true, true], [true], [false], [false, false]];
    const ofKind = [...each, [true], [false]];
    assertEquals(await listStored(bag), WORKER_TYPES.flatMap(() => ofKind));
  });
});

Deno.test("twenty numbers of twenty chunks of 8 MB take less than a megabyte", async () => {
  await withBag(async (bag, path) => {
    const chunk = new Float64Array(1e6);
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (let i = 0; i < 20; i++) assertEquals(await size(chunk.fill(i)), 1e6);
      assertEquals(await size.contains(chunk.fill(3)), true);
    });
    await bag.fold();
    assertLess(measure(path), 1e6);
  });
});

Deno.test("an argument that is changed before its body runs is refused, stored or not", async () => {
  for (const storeArguments of ["small", "all", "none"] as const) {
    const cache = createMemoryCache();
    await using executor = new Executor({ maxWorkers: 1, workerType: "inline" });
    await cacheScope({ cache, strict: true, storeArguments }, async () => {
      const shared = new Uint8Array(new SharedArrayBuffer(SMALL + 1));
      const first = executor.submit(size, shared);
      shared[5] = 1;
      await assertRejects(async () => await first, Error, "was changed while the call waited");
    });
    assertEquals(await listStored(cache), []);
  }
});

Deno.test("what has no stored form is no fault where it is not to be stored", async () => {
  const cache = createMemoryCache();
  const warnings: string[] = [];
  const onWarning = ({ message }: { readonly message: string }) => void warnings.push(message);
  // It has a digest, and structured clone refuses it.
  const value = { length: 5, run: () => {}, [digestSymbol]: () => "five" };
  await cacheScope({ cache, onWarning }, async () => {
    assertEquals([await sizeNone(value), await sizeNone(value)], [5, 5]);
    assertEquals(warnings, []);
    assertEquals(await size(value), 5);
  });
  assertEquals(warnings, [
    'Cannot store an argument of "size": its record keeps the digest only',
  ]);
  assertEquals(await listStored(cache), [[false], [false]]);
});

Deno.test("an argument that is not stored is known by its digest, and everybody says so", async () => {
  await withBag(async (bag, path) => {
    const other = LARGE.with(0, 1);
    await cacheScope({ cache: bag, strict: true }, async () => {
      await size(LARGE, "note");
      const key = await size.digest(LARGE, "note");
      const digest = (await bag.record(key))?.args[0]?.digest ?? "";
      const text = String(await size.explain(other, "note"));
      assertStringIncludes(
        text,
        `argument value: digest ${digest.slice(0, 8)} → Uint8Array(65537)`,
      );
      const listed = await Array.fromAsync(bag.list(`size/${key}/args`));
      assertEquals(listed.map(({ name, kind, digest }) => [name, kind, digest]), [
        ["value", "digest", digest],
        ["_note", "string", undefined],
      ]);
    });
    const { sound, missed } = await verifyBag(path, { digests: true });
    assertEquals([sound, missed], [true, 0]);
  });
});

Deno.test("a call without its arguments goes where others go", async () => {
  await withBag(async (bag, path) => {
    using directory = new TemporaryDirectory();
    await using imported = await openBag(`${directory.path}/bag`, { fold: "manual" });
    const [copied, transferred, front] = [1, 2, 3].map(() => createMemoryCache());
    assert(copied && transferred && front);
    await cacheScope({ cache: bag, strict: true }, () => size(LARGE, "note"));
    await query(bag).transfer(transferred);
    await bag.exportHdf5(`${directory.path}/export.h5`);
    const [[argument] = []] = (await Array.fromAsync(bag.records())).map(({ args }) => args);
    const exported = Deno.readTextFileSync(`${directory.path}/export.h5`);
    assertStringIncludes(exported, `digest ${argument?.digest}`);
    await imported.importHdf5(`${directory.path}/export.h5`);
    await cacheScope({ cache: stack(front, bag), strict: true }, async () => {
      assertEquals(await size(LARGE, "note"), SMALL + 1);
    });
    for (const cache of [transferred, imported, front, bag]) {
      assertEquals(await listStored(cache), [[false, true]]);
      await cacheScope({ cache, strict: true }, async () => {
        assertEquals(await size.load(LARGE, "note"), SMALL + 1);
      });
    }
    assertEquals((await verifyBag(path)).sound, true);
  });
});

Deno.test("gc() keeps what another call needs, and nothing for an argument that is not stored", async () => {
  await withBag(async (bag) => {
    const value = [1, LARGE];
    await cacheScope({ cache: bag, strict: true }, async () => {
      await size(value);
      await sizeAll(value);
      await sizeNone(value);
      const stored = async () => {
        const records = await Array.fromAsync(bag.records());
        const digest = records.flatMap(({ args }) => args[0]?.value ?? [])[0];
        return digest !== undefined && (await bag.value(digest)).hit;
      };
      await bag.gc({ gracePeriod: 0 });
      assertEquals(await stored(), true);
      const [record] = (await Array.fromAsync(bag.records())).filter(({ task }) =>
        task === "size all"
      );
      await sizeAll.evict(value);
      await bag.gc({ gracePeriod: 0 });
      assertEquals((await bag.value(record?.args[0]?.value ?? "")).hit, false);
      assertEquals([await size.load(value), await sizeNone.load(value)], [2, 2]);
    });
  });
});
