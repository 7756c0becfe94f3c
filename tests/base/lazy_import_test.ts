// Contract: modules that are loaded late.
import {
  assertEquals,
  assertMatch,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { createAmbient } from "../../src/base/ambient.ts";
import { importFile, LateModule } from "../../src/base/lazy_import.ts";

/** How many calls a burst has. */
const BURST = 2000;

Deno.test("LateModule.load() imports when asked, and keeps the module at hand", async () => {
  let imports = 0;
  const late = new LateModule(() => {
    imports++;
    return import("../../src/base/sha256.ts");
  });
  assertStrictEquals(late.loaded, undefined);
  assertEquals(imports, 0);
  const module = await late.load();
  assertStrictEquals(late.loaded, module);
  assertStrictEquals(await late.load(), module);
  assertEquals(imports, 1);
  assertEquals(module.createSha256().update("").digest("hex").slice(0, 8), "e3b0c442");
});

Deno.test("LateModule.load() imports once for all who ask meanwhile", async () => {
  let imports = 0;
  const late = new LateModule(() => {
    imports++;
    return import("../../src/base/sha256.ts");
  });
  const modules = await Promise.all(Array.from({ length: BURST }, () => late.load()));
  assertEquals([imports, new Set(modules).size], [1, 1]);
});

Deno.test("LateModule.load() fails once for all who ask meanwhile, then tries again", async () => {
  let tries = 0;
  const late = new LateModule(() => {
    if (tries++ === 0) throw new TypeError("Cannot load");
    return Promise.resolve({ tries });
  });
  const failed = await Promise.allSettled(Array.from({ length: BURST }, () => late.load()));
  assertEquals(failed.filter(({ status }) => status === "rejected").length, BURST);
  assertEquals(tries, 1);
  assertEquals(await late.load(), { tries: 2 });
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

Deno.test("importFile() imports once for all who ask meanwhile", async () => {
  const imports = Array.from(
    { length: BURST },
    () => importFile(new URL("../../src/base/sha256.ts", import.meta.url).href),
  );
  assertEquals(new Set(imports).size, 1);
  assertStrictEquals(await imports[0], await import("../../src/base/sha256.ts"));
});

Deno.test("importFile() tries again after a failure", async () => {
  const load = () => importFile(new URL("./nowhere/late.ts", import.meta.url).href);
  const [first, meanwhile] = [load(), load()];
  assertStrictEquals(first, meanwhile);
  const error = await assertRejects(() => first, TypeError, "is not there; a bundler has to leave");
  assertMatch(String(error.cause), /Module not found/);
  const second = load();
  assertNotStrictEquals(second, first);
  await assertRejects(() => second, TypeError, "is not there");
});
