// Contract: modules and packages that are loaded late.
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import configuration from "../deno.json" with { type: "json" };
import { createAmbient } from "../src/ambient.ts";
import { importPackage, LateModule } from "../src/import_later.ts";

Deno.test("LateModule.load() imports when asked, and keeps the module at hand", async () => {
  let imports = 0;
  const late = new LateModule(() => {
    imports++;
    return import("../src/sha256.ts");
  });
  assertStrictEquals(late.loaded, undefined);
  assertEquals(imports, 0);
  const module = await late.load();
  assertStrictEquals(late.loaded, module);
  assertStrictEquals(await late.load(), module);
  assertEquals(imports, 1);
  assertEquals(module.createSha256().update("").digest("hex").slice(0, 8), "e3b0c442");
});

Deno.test("LateModule.load() gives all who ask meanwhile the same module", async () => {
  const late = new LateModule(() => import("../src/sha256.ts"));
  const [one, other] = await Promise.all([late.load(), late.load()]);
  assertStrictEquals(one, other);
});

Deno.test("LateModule.load() imports outside of what is ambient", async () => {
  const ambient = createAmbient<string>();
  const late = new LateModule(() => Promise.resolve({ seen: ambient.get() }));
  const { seen } = await ambient.run("a scope", () => late.load());
  assertStrictEquals(seen, undefined);
});

Deno.test("LateModule.load() tries again after a failure", async () => {
  let tries = 0;
  const late = new LateModule(() => {
    if (tries++ === 0) return Promise.reject(new TypeError("Cannot load"));
    return Promise.resolve({ tries });
  });
  await assertRejects(() => late.load(), TypeError, "Cannot load");
  assertStrictEquals(late.loaded, undefined);
  assertEquals(await late.load(), { tries: 2 });
});

Deno.test("importPackage() gives what a literal import would", async () => {
  type Acorn = typeof import("acorn");
  const acorn = await importPackage<Acorn>("npm:acorn@^8.19.0");
  assertStrictEquals(acorn, await import("acorn"));
});

Deno.test("importPackage() is given the versions that deno.json has", async () => {
  const packages = Object.values(configuration.imports).filter((name) => name.startsWith("npm:"));
  let found = 0;
  for await (const [file, text] of readSources(new URL("../src/", import.meta.url))) {
    for (const [, specifier = ""] of text.matchAll(/importPackage<\w+>\("([^"]+)"\)/g)) {
      found++;
      const known = packages.some((name) => `${specifier}/`.startsWith(`${name}/`));
      assert(known, `${file} imports "${specifier}"`);
    }
  }
  assertEquals(found, 3);
});

async function* readSources(directory: URL): AsyncGenerator<[string, string]> {
  for await (const { name, isDirectory } of Deno.readDir(directory)) {
    const url = new URL(isDirectory ? `${name}/` : name, directory);
    if (isDirectory) yield* readSources(url);
    else if (name.endsWith(".ts")) yield [url.href, await Deno.readTextFile(url)];
  }
}
