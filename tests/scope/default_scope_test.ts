// Contract: what holds outside of all scopes.
import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  currentScope,
  Executor,
  setDefaultScope,
} from "@quiver/quiver";
import { tags } from "../executor/testdata/bound_tasks.ts";

/** Takes back what the test has set. */
function restored(): Disposable {
  return { [Symbol.dispose]: () => setDefaultScope({}) };
}

// fleche 25
Deno.test("setDefaultScope() holds outside of scopes, and scopes inherit from it", async () => {
  using _ = restored();
  const [cache, inner] = [createMemoryCache(), createMemoryCache()];
  setDefaultScope({ cache, tags: { a: 1 }, strict: true });
  assertStrictEquals(currentScope().cache, cache);
  await cacheScope({ cache: inner, tags: { b: 2 } }, () => {
    const { cache, tags, strict } = currentScope();
    assertEquals([cache === inner, tags, strict], [true, { a: 1, b: 2 }, true]);
  });
  assertStrictEquals(currentScope().cache, cache);
});

Deno.test("setDefaultScope() replaces the former one, and goes to workers with calls", async () => {
  using _ = restored();
  setDefaultScope({ tags: { a: 1 } });
  setDefaultScope({ tags: { b: 2 } });
  await using executor = new Executor({ maxWorkers: 1 });
  assertEquals(await executor.submit(tags), { b: 2 });
  setDefaultScope({});
  assertEquals(await executor.submit(tags), {});
});

Deno.test("setDefaultScope() names what cannot be set", () => {
  assertThrows(() => setDefaultScope({ cahce: 1 } as never), TypeError, '"cahce"');
  assertThrows(() => setDefaultScope({ workers: {} } as never), TypeError, "has no end");
});
