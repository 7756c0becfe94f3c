// Contract: every test that a guide names for a promise of the bag is there.
import { assert, assertEquals, assertGreater } from "@std/assert";

const ROOT = new URL("../", import.meta.url);

async function* readTests(directory: URL): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    if (isDirectory) yield* readTests(new URL(`${name}/`, directory));
    else if (name.endsWith(".ts")) yield await Deno.readTextFile(new URL(name, directory));
  }
}

Deno.test("promises.md names tests that exist for each promise of the bag", async () => {
  const guide = await Deno.readTextFile(new URL("examples/guides/promises.md", ROOT));
  const promises = guide.split("\n- ").slice(1);
  assertGreater(promises.length, 10);
  const code = (await Array.fromAsync(readTests(new URL("tests/", ROOT)))).join("\n");
  for (const promise of promises) {
    const names = Array.from(
      promise.matchAll(/`([^`]+)`/gs),
      ([, name = ""]) => name.replaceAll(/\s+/g, " "),
    )
      .filter((name) => name.includes(" ") && !name.startsWith("durability:"));
    assert(names.length > 0, `no test is named for: ${promise}`);
    assertEquals(names.filter((name) => !code.includes(name)), []);
  }
});
