// Contract: backups are read by a reader that was written from FORMAT.md alone.
import { assert, assertEquals } from "@std/assert";
import { InlineBags } from "../durability/_inline_bags.ts";
import { Tool } from "../tools.ts";
import { checkValues, openManual, put, readBag, toStored } from "./_format_reader.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { toDigest } from "./_values.ts";

const PYTHON = Tool.find("python3");

Deno.test({
  ...PYTHON.forTest("FORMAT.md says what a backup is, and how to read it as a bag"),
  async fn() {
    using directory = new TemporaryDirectory();
    const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
    const bags = new InlineBags(UNSYNCED_DISK);
    await using bag = await openManual(root);
    const stored = [new Float64Array(1000).fill(7), { some: "thing" }, "text"].map(toStored);
    const [first, ...others] = stored;
    assert(first !== undefined);
    put(bag, first);
    await bag.fold();
    assertEquals([readBag(root).id, readBag(root).backup], [null, null]);
    await bags.backUp(root, target);
    for (const one of others) put(bag, one);
    bag.calls.putLine(toDigest("call"), { result: first.encoded.digest });
    await bags.backUp(root, target);
    const [original, read] = [readBag(root), readBag(target)];
    checkValues(read.values, stored);
    assertEquals([read.records.length, read.damaged, read.skipped], [1, [], 0]);
    assertEquals(read.id, original.id);
    assertEquals(read.backup, {
      bag: original.id ?? "",
      path: Deno.realPathSync(root),
      generation: original.manifest.generation,
      logs: [{ generation: 1, length: Deno.statSync(`${root}/calls.jsonl`).size }],
    });
  },
});
