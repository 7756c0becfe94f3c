// end-to-end: compaction again and again, beside processes that make and evict calls
import { assert, assertEquals, assertGreater } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

Deno.test("DiskBag.compact() loses no value of a call beside processes that make and evict calls", async () => {
  using directory = new TemporaryDirectory();
  const script = new URL("./_child_caller.ts", import.meta.url).pathname;
  await using bag = await openBagFiles(directory.path, { fold: "manual", memoryBytes: 0 });
  const children = ["a", "b"].map((name) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-write", script, directory.path, name, "600"],
    }).spawn()
  );
  let running = children.length;
  const ended = children.map(async (child) => {
    const { code } = await child.status;
    running--;
    return code;
  });
  let dropped = 0;
  for (let round = 0; running > 0; round++) {
    const horizon = await bag.horizon(0);
    const live = new Set(Array.from(bag.calls.lines(), toDigests).flat());
    const result = await bag.compact({ live, horizon, full: round % 3 === 0 });
    assertEquals(result.damaged, 0);
    dropped += result.values;
  }
  assertEquals(await Promise.all(ended), [0, 0]);
  const records = [...bag.calls.lines()];
  assertGreater(records.length, 100);
  for (const digest of records.flatMap(toDigests)) assert(bag.values.find(digest) !== undefined);
  const live = new Set(records.flatMap(toDigests));
  dropped += (await bag.compact({ live, horizon: await bag.horizon(0), full: true })).values;
  assertGreater(dropped, 0);
  for (const digest of live) assertEquals(bag.values.load(digest) !== undefined, true);
});

function toDigests({ argument, result }: Record<string, unknown>): string[] {
  return [argument, result].filter((digest) => typeof digest === "string");
}
