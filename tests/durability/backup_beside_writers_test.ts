// End-to-end: backups of a bag beside processes that call, fold, compact and forget without end, and
// what each of them has: all that was acknowledged before it began.
import { assertEquals, assertGreater } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { copyBag } from "./_copy_bag.ts";
import type { Catalogue } from "./_expectations.ts";
import { InlineBags } from "./_inline_bags.ts";
import { expectTold, type Told, Writer } from "./_writer.ts";

const BACKUPS = 4;

Deno.test(`Bag.backup() has all that was acknowledged before, ${BACKUPS} times beside writers, folds and compactions`, async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const bags = new InlineBags();
  const backups: { readonly path: string; readonly told: Told }[] = [];
  {
    await using writers = new AsyncDisposableStack();
    const all = ["switch", "compact", "gc"].map((mode) =>
      writers.use(new Writer(mode, `${path}/bag`))
    );
    for (let k = 0; k < BACKUPS; k++) {
      await Promise.all(all.map((writer) => writer.more(1)));
      const told = all.map((writer) => [writer, writer.lines.length] as const);
      // Onto the one before, but for one that begins anew.
      const target = k < BACKUPS - 1 ? `${path}/backup` : `${path}/last`;
      const links = k % 2 === 0;
      if (k % 3 === 2) {
        await using bag = await bags.open(`${path}/bag`, { mode: "read" });
        await bag.backup(target, { links });
      } else await bags.backUp(`${path}/bag`, target, { links });
      copyBag(target, `${path}/${k}`);
      backups.push({ path: `${path}/${k}`, told });
    }
  }
  const catalogue: Catalogue = new Map();
  let promised = 0;
  for (const { path, told } of backups) {
    const { sound, missed, steps } = await bags.verify(path, { digests: true });
    assertEquals([sound, missed, steps.flatMap(({ findings }) => findings)], [true, 0, []]);
    const expectations = expectTold(told, catalogue);
    promised += expectations.promised;
    await using bag = await bags.open(path, { mode: "read", memoryBytes: 0 });
    await expectations.check(bag);
  }
  assertGreater(promised, 10 * BACKUPS);
});
