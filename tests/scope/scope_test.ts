// Contract: what holds where, and what nested scopes inherit.
import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  currentScope,
  openScope,
  QuiverError,
  ScopeClosedError,
  withTags,
} from "@quiver/quiver";

// fleche 25
Deno.test("cacheScope() restores the former scope at each exit", async () => {
  const [outer, inner] = [createMemoryCache(), createMemoryCache()];
  await cacheScope({ cache: outer }, async () => {
    await cacheScope({ cache: inner }, async () => {
      await cacheScope({ cache: undefined }, () => {
        assertStrictEquals(currentScope().cache, undefined);
      });
      assertStrictEquals(currentScope().cache, inner);
    });
    assertStrictEquals(currentScope().cache, outer);
  });
  assertStrictEquals(currentScope().cache, undefined);
});

Deno.test("cacheScope() inherits what it does not set, also after an await", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache, tags: { a: 1 } }, () =>
    withTags({ b: 2 }, async () => {
      await Promise.resolve();
      assertStrictEquals(currentScope().cache, cache);
      assertEquals(currentScope().tags, { a: 1, b: 2 });
    }));
});

Deno.test("cacheScope() keeps concurrent scopes apart", async () => {
  const seen = await Promise.all([1, 2, 3].map((run) =>
    withTags({ run }, async () => {
      await Promise.resolve();
      return currentScope().tags;
    })
  ));
  assertEquals(seen, [{ run: 1 }, { run: 2 }, { run: 3 }]);
});

Deno.test("cacheScope() gives what the function returns and throws what it throws", async () => {
  assertEquals(await cacheScope({}, () => 3), 3);
  await assertRejects(() =>
    cacheScope({}, () => {
      throw new RangeError("inside");
    }), RangeError);
  assertStrictEquals(currentScope().cache, undefined);
});

Deno.test("cacheScope() names a misspelled option", async () => {
  await assertRejects(
    () => cacheScope({ cahce: createMemoryCache() } as never, () => 1),
    TypeError,
    '"cahce" is not an option',
  );
});

Deno.test("Scope.warn tells each message once, and throws when strict", async () => {
  const messages: string[] = [];
  await cacheScope({ onWarning: ({ message }) => messages.push(message) }, async () => {
    currentScope().warn("one");
    await withTags({ inner: true }, () => currentScope().warn("one"));
    currentScope().warn("two");
    await cacheScope({ strict: true }, () => {
      const error = assertThrows(() => currentScope().warn("three"), QuiverError, "three");
      assertStringIncludes(error.message, "three");
    });
  });
  assertEquals(messages, ["one", "two"]);
});

Deno.test("openScope() sets nothing ambient, and runs what it is given", async () => {
  const cache = createMemoryCache();
  await using scope = openScope({ cache });
  assertStrictEquals(currentScope().cache, undefined);
  assertStrictEquals(await scope.run(() => currentScope().cache), cache);
});

Deno.test("openScope() waits for what runs in it, then refuses", async () => {
  const scope = openScope({});
  const gate = Promise.withResolvers<string>();
  const run = scope.run(() => gate.promise);
  const closed = scope[Symbol.asyncDispose]();
  gate.resolve("done");
  await closed;
  assertEquals(await run, "done");
  await assertRejects(() => scope.run(() => 1), ScopeClosedError, "it was closed");
  await scope[Symbol.asyncDispose]();
});
