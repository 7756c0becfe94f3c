// End-to-end: every example runs with exactly the flags that its first line states.
import { assert, assertEquals, assertMatch } from "@std/assert";

const EXAMPLES = new URL("../../examples/", import.meta.url);

for (const { name, isFile } of [...Deno.readDirSync(EXAMPLES)].sort(byName)) {
  if (!isFile) continue;
  Deno.test(`examples/${name} runs as its first line says`, async () => {
    const text = await Deno.readTextFile(new URL(name, EXAMPLES));
    const [first = "", ...rest] = text.split("\n");
    assertMatch(first, /^\/\/ .+: deno run( --allow-(read|write))+ examples\/\w+\.ts$/);
    assert(rest.length <= 41, `${name} has ${rest.length} lines`);
    const flags = first.match(/--allow-\w+/g) ?? [];
    const { code, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", ...flags, new URL(name, EXAMPLES).href],
      env: { NO_COLOR: "1" },
    }).output();
    assertEquals([code, new TextDecoder().decode(stderr)], [0, ""]);
  });
}

function byName(a: Deno.DirEntry, b: Deno.DirEntry): number {
  return a.name < b.name ? -1 : 1;
}
