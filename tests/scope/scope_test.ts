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
  setDefaultScope,
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

Deno.test("cacheScope() calls its function at once", async () => {
  let called = 0;
  const scopes = [{ cache: createMemoryCache() }, { cache: undefined }, {
    cache: undefined,
    tags: {},
  }]
    .map((options) => cacheScope(options, () => void called++));
  assertEquals(called, 3);
  await Promise.all(scopes);
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

Deno.test("cacheScope() refuses as `cache` what is no cache, and says what to give", async () => {
  const open = (cache: unknown) => () => cacheScope({ cache: cache as undefined }, () => {});
  for (
    const [cache, state] of [
      [
        new Map(),
        "object is none; give it what `openBag()` or `createMemoryCache()` has returned",
      ],
      [createMemoryCache, "function is none"],
      [null, "object is none"],
      [Promise.resolve(createMemoryCache()), "it is a promise; await it"],
    ] as const
  ) {
    const error = await assertRejects(open(cache), TypeError);
    assertStringIncludes(
      error.message,
      `Cannot open a scope as \`cache\` must be a cache: ${state}`,
    );
  }
  // Names are for cacheScope(), which can wait until a cache is open.
  assertThrows(
    () => openScope({ cache: "memory" as never }),
    TypeError,
    '"memory" is a name; give',
  );
  assertThrows(() => setDefaultScope({ cache: 1 as never }), TypeError, "must be a cache");
  await open(undefined)();
});

Deno.test("cacheScope() refuses tags and metadata that are no JSON, before anything runs", async () => {
  const cycle: { [name: string]: unknown } = {};
  cycle.inner = [cycle];
  let deep: unknown = 1;
  for (let level = 0; level < 20_000; level++) deep = [deep];
  const refused: [facts: unknown, path: string, state: string][] = [
    [{ a: 1n }, ".a", "a bigint"],
    [{ a: { b: [0, () => 1] } }, ".a.b[1]", "a function"],
    [{ a: undefined }, ".a", "undefined"],
    [{ a: [, 1] }, ".a[0]", "undefined"],
    [{ a: NaN }, ".a", "NaN"],
    [{ a: -Infinity }, ".a", "-Infinity"],
    [{ a: new Date(0) }, ".a", "a Date"],
    [{ a: new Map() }, ".a", "a Map"],
    [{ a: Symbol("s") }, ".a", "a symbol"],
    [cycle, ".inner[0]", "an object that contains itself"],
  ];
  let ran = false;
  for (const option of ["tags", "metadata"] as const) {
    const open = (facts: unknown) => () => cacheScope({ [option]: facts }, () => void (ran = true));
    for (const [facts, path, state] of refused) {
      const text = `Cannot open a scope as ${option}${path} must be JSON: it is ${state}`;
      const error = await assertRejects(open(facts), TypeError);
      assertEquals(error.message, text);
    }
    await assertRejects(open({ deep }), TypeError, `${option} must be JSON: it is deeper than 100`);
    await assertRejects(open(["a"]), TypeError, "must be a plain object: it is an array");
    await assertRejects(open("a"), TypeError, "must be a plain object: it is a string");
  }
  assertEquals(ran, false);
  const shared = { n: [1, "two", null, true, { three: 3 }] };
  await cacheScope({ tags: { a: shared, b: shared }, metadata: { c: shared } }, () => {
    assertEquals(currentScope().tags, { a: shared, b: shared });
  });
});

Deno.test("cacheScope() keeps tags and metadata as they were when it was called", async () => {
  const facts: { [name: string]: unknown } = { list: [1] };
  await cacheScope({ tags: facts as never, metadata: { own: facts as never } }, () => {
    facts.list = () => {};
    assertEquals(currentScope().tags, { list: [1] });
    assertEquals(currentScope().metadata, { own: { list: [1] } });
  });
});

Deno.test("cacheScope() refuses a cache in the place of options", async () => {
  const cache: object = createMemoryCache();
  await assertRejects(
    () => cacheScope(cache, () => 1),
    TypeError,
    "Cannot open a scope: the options are an object of class Cache",
  );
});
