// Contract: FORMAT.md is enough to read the files that a bag holds, and what it knows of others.
import { type Bag, cacheScope, file, openBag, task } from "@quiver/quiver";
import { query } from "@quiver/quiver/caches";
import { assertEquals, assertRejects } from "@std/assert";
import { Files } from "../files/_files.ts";
import { sizeOf, write, writeTree } from "../files/testdata/file_tasks.ts";
import { Tool } from "../tools.ts";
import { type ReadBag, READER, runReader } from "./_format_reader.ts";

const PYTHON = Tool.find("python3");
const LICENSE = new URL("../../LICENSE", import.meta.url);

const readLicense = task(import.meta, () => Deno.readTextFileSync(LICENSE).length, {
  name: "readLicense",
  inputs: [LICENSE],
  env: ["QUIVER_TEST_UNSET"],
});

const fails = task(import.meta, (n: number): never => {
  throw new RangeError(String(n));
}, { name: "fails" });

/** The digests of values under which the reader does not find them. */
function findWrong({ values }: ReadBag): string[] {
  return Object.entries(values).filter(([digest, { exact }]) => exact !== digest)
    .map(([digest]) => digest);
}

const square = task(import.meta, (n: number) => n * n, { name: "square of uses" });

Deno.test({
  ...PYTHON.forTest("FORMAT.md says who has used which call"),
  async fn() {
    await using files = new Files();
    const path = files.at("results.bag");
    const use = (cache: Bag, run: string, ns: readonly number[]) =>
      cacheScope({ cache, tags: { run } }, async () => {
        for (const n of ns) await square(n);
      });
    {
      await using bag = await openBag(path, { fold: "manual" });
      for (const run of ["monday", "friday", "sunday"]) await use(bag, run, [1, 2, 3]);
      await query(bag, { tags: { run: "friday" } }).take(2).evict();
      await use(bag, "friday", [1]);
    }
    await using bag = await openBag(path, { fold: "manual" });
    const known = await Array.fromAsync(
      query(bag),
      ({ key, uses = [] }) => uses.map((use) => ({ key, ...use })),
    );
    const order = (uses: ReadBag["uses"]) =>
      uses.map(({ key, run, tags }) => JSON.stringify([key, run, tags])).sort();
    const { uses } = runReader([READER, path]);
    assertEquals(order(uses), order(known.flat()));
    assertEquals(uses.length, 5);
    const { at: last } = known.flat().toSorted((a, b) => a.at - b.at).at(-1) ?? {};
    assertEquals(Math.max(...uses.map(({ at }) => at)), last);
  },
});

Deno.test({
  ...PYTHON.forTest("FORMAT.md says how files lie in a bag, and how their keys are made"),
  async fn() {
    await using files = new Files();
    const path = files.at("results.bag");
    await using bag = await openBag(path, { fold: "manual" });
    await cacheScope({ cache: bag, outputs: files.root }, async () => {
      const { output } = await write("out/large", 2 ** 23 + 100, files.log);
      await write("out/empty", 0, files.log);
      const tree = await writeTree("out/tree", files.log);
      await sizeOf(file(output.path), files.log);
      await sizeOf(tree, files.log);
      await sizeOf(file(LICENSE), files.log);
      await readLicense();
      await cacheScope({ keepFailures: true }, async () => {
        for (const n of [1, 2, 1, 3]) await assertRejects(() => fails(n));
      });
      await bag.evict(await fails.digest(3));
    });
    const digestOfTwo = await bag.putValue(2);
    const check = (read: ReadBag) => {
      assertEquals(findWrong(read), []);
      assertEquals(read.records.length, 7);
      for (const { record, key } of read.records) assertEquals(key, record.key, record.task);
      assertEquals(read.failures.map(({ failure }) => failure?.error.message), ["2", "1"]);
      const [{ args = [], task = "" } = {}] = read.failures;
      assertEquals([args[0]?.value, task], [digestOfTwo, "fails"]);
      assertEquals(read.files.length, 1);
      assertEquals(read.files[0]?.size, Deno.statSync(LICENSE).size);
      const nodes = Object.values(read.values).flatMap(({ value }) => value.nodes);
      const found = nodes.filter((node) => Array.isArray(node) && node[0] === "File");
      // Three outputs, of which one is an argument, and two arguments more.
      assertEquals(found.length, 5);
    };
    check(runReader([READER, path]));
    await bag.fold();
    check(runReader([READER, path]));
  },
});
