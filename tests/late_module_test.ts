// Contract: modules that are loaded late.
import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createAmbient } from "../src/ambient.ts";
import { LateModule } from "../src/import_later.ts";

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
  const ambient = createAmbient<string>("of a test");
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
