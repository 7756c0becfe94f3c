// End-to-end: a program that backs up a bag and may do little.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { cacheScope, openBag } from "@quiver/quiver";
import { specimen } from "../durability/testdata/specimen.ts";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

const QUIVER = new URL("../../", import.meta.url).pathname;

async function backUp(
  paths: readonly [bag: string, backup: string],
  mode: "read" | "readwrite",
  { reads, writes }: { readonly reads: readonly string[]; readonly writes: readonly string[] },
): Promise<Record<string, unknown>> {
  const flags = [
    `--allow-read=${[QUIVER, ...reads].join()}`,
    ...(writes.length > 0 ? [`--allow-write=${writes.join()}`] : []),
  ];
  const { code, stdout, stderr } = await runProgram("backup.ts", { args: [...paths, mode], flags });
  assertEquals(code, 0, stderr);
  return JSON.parse(stdout);
}

Deno.test("Bag.backup() needs to read the bag, and to read and write its directory", async () => {
  await using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  {
    await using bag = await openBag(root);
    await cacheScope({ cache: bag, strict: true }, () => specimen("backup", 0, 1000));
  }
  const reads = [root, target];
  const without = await backUp([root, target], "read", { reads, writes: [] });
  assertStringIncludes(String(without.message), "Requires write access to");
  assertStringIncludes(String(without.message), "--allow-write");
  const copied = await backUp([root, target], "read", { reads, writes: [target] });
  // To link takes the right to write where the file is.
  assertEquals(copied, { calls: 1, linked: 0 });
  const elsewhere = `${directory.path}/second`;
  const all = { reads: [root, elsewhere], writes: [root, elsewhere] };
  assertEquals(await backUp([root, elsewhere], "readwrite", all), { calls: 1, linked: 2 });
});
