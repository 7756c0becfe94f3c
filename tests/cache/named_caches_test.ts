// end-to-end: caches that a configuration names
import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { Bag } from "../../src/cache/stored_cache.ts";
import { listCaches, query } from "@quiver/quiver/caches";
import {
  BagFormatError,
  cacheScope,
  closeCaches,
  createMemoryCache,
  currentScope,
  Executor,
  openBag,
  openScope,
  setDefaultScope,
  task,
  useCache,
  withTags,
} from "@quiver/quiver";

const double = task(import.meta, (n: number) => 2 * n, { name: "double" });

const tellsCache = task(
  import.meta,
  () => withTags({ inner: true }, () => currentScope().cache !== undefined),
  { name: "tellsCache" },
);

/** A folder with configurations, which is the working directory if that is asked for. */
class Folder implements AsyncDisposable {
  readonly path = Deno.realPathSync(Deno.makeTempDirSync());
  readonly #before = Deno.cwd();

  constructor(files: Readonly<Record<string, unknown>>) {
    for (const [path, content] of Object.entries(files)) {
      const file = `${this.path}/${path}`;
      Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(
        file,
        typeof content === "string" ? content : JSON.stringify(content),
      );
    }
  }

  enter(path = "."): void {
    Deno.chdir(`${this.path}/${path}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await closeCaches();
    Deno.chdir(this.#before);
    Deno.removeSync(this.path, { recursive: true });
  }
}

const MEMORY = { type: "memory" };
const caches = (caches: object, rest: object = {}) => ({ root: true, caches, ...rest });

Deno.test("useCache() and cacheScope() by a name give one object, opened once", async () => {
  await using folder = new Folder({
    "quiver.json": caches({
      mine: { type: "bag", path: "a b/100%.bag", fold: "manual" },
      test: MEMORY,
    }, { default: "mine" }),
    "a b/deep/x": "",
  });
  folder.enter("a b/deep");
  const opened = await Promise.all([useCache("mine"), useCache(), useCache("mine")]);
  assertEquals(new Set(opened).size, 1);
  const [mine] = opened;
  assert(mine instanceof Bag);
  assertEquals(mine.path, `${folder.path}/a b/100%.bag`);
  // It holds outside of scopes, beside what else was set there, and names in scopes go before it.
  assertStrictEquals(currentScope().cache, mine);
  await double(1);
  await cacheScope({ cache: "test", tags: { a: 1 } }, async () => {
    assertEquals([await double.contains(1), currentScope().tags], [false, { a: 1 }]);
    await double(2);
  });
  await cacheScope({ cache: "test" }, async () => assertEquals(await double.contains(2), true));
  await cacheScope({ cache: "mine" }, () => {
    assertStrictEquals(currentScope().cache, mine);
    return cacheScope({ cache: undefined }, () => assertEquals(currentScope().cache, undefined));
  });
  // Another folder is another file's name.
  const other = new Folder({ "quiver.json": caches({ mine: MEMORY }) });
  assert(
    await useCache("mine", { from: `${other.path}/../${other.path.split("/").at(-1)}` }) !== mine,
  );
  Deno.removeSync(other.path, { recursive: true });
  // Who closes it has it opened anew, for all who name it from then on.
  await useCache("mine");
  await mine.close();
  const again = await useCache("mine");
  assert(again !== mine && !(again as Bag).closed);
  assertEquals(await double.contains(1), true);
  await closeCaches();
  assertEquals([(again as Bag).closed, currentScope().cache], [true, undefined]);
});

Deno.test("useCache() keeps what else holds outside of scopes", async () => {
  await using folder = new Folder({ "quiver.json": caches({ test: MEMORY }) });
  try {
    setDefaultScope({ tags: { project: "argon" } });
    const cache = await useCache("test", { from: new URL(`file://${folder.path}/`) });
    assertEquals([currentScope().cache, currentScope().tags], [cache, { project: "argon" }]);
    const own = createMemoryCache();
    setDefaultScope({ cache: own });
    await closeCaches();
    assertStrictEquals(currentScope().cache, own);
  } finally {
    setDefaultScope({});
  }
});

Deno.test("useCache() from two folders gives a stack of what its names stand for in each", async () => {
  const layers = { type: "stack", caches: [{ type: "stack", caches: ["mine"] }, "ours"] };
  await using folder = new Folder({
    "quiver.json": caches({ mine: MEMORY, ours: MEMORY, all: layers }),
    "a/quiver.json": { caches: { mine: MEMORY } },
    "a/b/quiver.json": { caches: { other: MEMORY } },
  });
  const use = (name: string, path: string) => useCache(name, { from: `${folder.path}/${path}` });
  const inner = await use("all", "a");
  const outer = await use("all", ".");
  assert(inner !== outer);
  assertStrictEquals(await use("all", "a/b"), inner);
  assertStrictEquals(await use("ours", "a"), await use("ours", "."));
  const digest = await outer.putValue("outer");
  assertEquals((await (await use("mine", ".")).value(digest)).hit, true);
  assertEquals((await (await use("mine", "a")).value(digest)).hit, false);
});

Deno.test("the closest file wins, and paths are seen from their own", async () => {
  await using folder = new Folder({
    "quiver.json": caches({
      mine: { type: "files", path: "outer" },
      far: { type: "files", path: "./far/" },
    }, { default: "far" }),
    "project/deno.jsonc": `{
      // Beside what Deno reads.
      "quiver": {"caches": {"mine": {"type": "files", "path": "inner"}, "both": {"type": "stack", "caches": ["mine", "far"]}}},
    }`,
    "project/root/quiver.json": caches({ only: MEMORY }),
    "project/plain/deno.json": `{"imports": {}}`,
    "project/broken/deno.json": `{"imports": `,
  });
  const pathOf = async (from: string, name?: string) =>
    String(Reflect.get(await useCache(name, { from: `${folder.path}/${from}` }), "path"))
      .replace(folder.path, "~");
  assertEquals(await pathOf("."), "~/far");
  assertEquals(await pathOf(".", "mine"), "~/outer");
  for (const from of ["project", "project/plain", "project/broken"]) {
    assertEquals([await pathOf(from, "mine"), await pathOf(from)], ["~/project/inner", "~/far"]);
  }
  const both = await useCache("both", { from: `${folder.path}/project` });
  await double(3);
  for (const name of ["mine", "far"]) {
    const cache = await useCache(name, { from: `${folder.path}/project` });
    assertEquals(await cache.contains(await double.digest(3)), name === "mine");
  }
  assertEquals(await both.contains(await double.digest(3)), true);
  await assertRejects(
    () => useCache("far", { from: `${folder.path}/project/root` }),
    TypeError,
    `there is none of that name in "${folder.path}/project/root/quiver.json"; the caches are only`,
  );
});

Deno.test("the guide's configuration opens, whatever it names", async () => {
  const guide = new URL("../../examples/guides/configuration.md", import.meta.url);
  const [, json = ""] = /```json\n([^]*?)```/.exec(Deno.readTextFileSync(guide)) ?? [];
  await using folder = new Folder({ "quiver.json": json });
  // What is only read has to be there.
  await using _ours = await openBag(`${folder.path}/shared/ours.bag`, { fold: "manual" });
  Deno.env.set("LAB_KEY", "a key that nobody guesses");
  try {
    for (const name of Object.keys(JSON.parse(json).caches)) {
      const cache = await useCache(name, { from: folder.path });
      await double(4);
      const isRead = name === "ours" || name === "all";
      assertEquals([name, await double.contains(4)], [name, !isRead || name === "all"]);
      assertEquals([name, cache.readOnly], [name, isRead]);
    }
    assertEquals(
      await useCache(undefined, { from: folder.path }),
      await useCache("mine", {
        from: folder.path,
      }),
    );
  } finally {
    Deno.env.delete("LAB_KEY");
  }
});

Deno.test("a cache that has a name travels to workers", async () => {
  await using folder = new Folder({
    "quiver.json": caches({ mine: { type: "bag", path: "r.bag", fold: "manual" } }),
  });
  folder.enter();
  await using executor = new Executor({ maxWorkers: 1 });
  await cacheScope({ cache: "mine" }, async () => {
    const call = executor.submit(double, 21);
    assertEquals([await call, await double.contains(21)], [42, true]);
  });
});

const IN = "<config>";
const wrong: readonly (readonly [string, unknown, string])[] = [
  ["mine", "{", "Cannot read the configuration <config>: it is no JSON: "],
  [
    "mine",
    "[]",
    "Cannot read the configuration <config>: it is no object; the keys are root, default",
  ],
  ["mine", "null", "it is no object; the keys are root, default, caches, collectors"],
  ["mine", { cache: {} }, '"cache" is no field; the fields are root, default, caches, collectors'],
  ["mine", { root: 1 }, "as `root` must be true or false: it is number"],
  ["mine", { caches: [] }, "as `caches` must be an object: an array"],
  ["mine", { default: 1 }, "as `default` must be a string: 1"],
  [
    "mine",
    { collectors: ["git", "gpu"] },
    'there is no collector "gpu"; they are runtime, environment, git, and your own are for',
  ],
  [
    "mine",
    { root: true },
    'Cannot use cache "mine": there is none of that name in <config>, which name',
  ],
  [
    "nine",
    caches({ mine: MEMORY, a: MEMORY }),
    '"nine": there is none of that name in <config>; the caches are mine, a',
  ],
  ["toString", caches({ mine: MEMORY }), "there is none of that name"],
  [
    "mine",
    caches({ mine: "bag" }),
    'Cannot use cache "mine" of <config>: it is no object; write one such',
  ],
  [
    "mine",
    caches({ mine: {} }),
    "it has no `type`; the types are bag, files, sqlite, memory, stack, union, limited, remote",
  ],
  ["mine", caches({ mine: { type: "bags" } }), 'there is no type "bags"; the types are bag'],
  ["mine", caches({ mine: { type: "constructor" } }), "there is no type"],
  [
    "mine",
    caches({ mine: { type: "remote", url: "x" } }),
    'Cannot use cache "mine" of <config>: there are no remote caches yet',
  ],
  [
    "mine",
    caches({ mine: { type: "bag" } }),
    'Cannot use cache "mine" of <config>: its `path` is the path',
  ],
  [
    "mine",
    caches({ mine: { type: "bag", path: "https://x/y" } }),
    '"https://x/y" is no file of this machine',
  ],
  [
    "mine",
    caches({ mine: { type: "bag", path: "x", paths: 1 } }),
    'Cannot use cache "mine" of <config>: Cannot open a bag',
  ],
  [
    "mine",
    caches({ mine: { type: "files", path: "x", durability: "all" } }),
    'Cannot use cache "mine" of <config>: ',
  ],
  ["mine", caches({ mine: { type: "memory", path: "x" } }), '"path" is not an option'],
  [
    "mine",
    caches({ mine: { type: "memory", readOnly: "yes" } }),
    "as `readOnly` must be true or false",
  ],
  ["mine", caches({ mine: { type: "limited" } }), "its `cache` is the name of another"],
  [
    "mine",
    caches({ mine: { type: "limited", cache: "m", maxItems: -1 }, m: MEMORY }),
    'Cannot use cache "mine" of <config>: Cannot limit a cache as "maxItems" must be',
  ],
  ["mine", caches({ mine: { type: "stack" } }), "its `caches` are an array"],
  ["mine", caches({ mine: { type: "stack", caches: [] } }), "its `caches` are an array"],
  [
    "mine",
    caches({ mine: { type: "stack", caches: ["m", "m"] }, m: MEMORY }),
    "it names one cache twice",
  ],
  [
    "mine",
    caches({
      mine: { type: "union", caches: [{ type: "bag", path: "t" }, { type: "bag", path: "./t/" }] },
    }),
    "it names one cache twice",
  ],
  [
    "mine",
    caches({ mine: { type: "union", caches: ["gone"] } }),
    'Cannot use cache "gone", which "mine" of <config> names: there is none',
  ],
  [
    "mine",
    caches({ mine: { type: "stack", caches: [7] } }),
    'inside of "mine" of <config>: it is no object',
  ],
  [
    "a",
    caches({
      a: { type: "stack", caches: ["b"] },
      b: { type: "limited", cache: { type: "union", caches: ["a"] } },
    }),
    "it stands on itself: a → b → a",
  ],
  ["a", caches({ a: { type: "stack", caches: ["a"] } }), "it stands on itself: a → a"],
  [
    "mine",
    caches({ mine: { type: "bag", path: "x", signingKey: "a key in the file" } }),
    "a key in a file is no secret",
  ],
  [
    "mine",
    caches({ mine: { type: "bag", path: "x", signingKey: { environment: "QUIVER_UNSET" } } }),
    "QUIVER_UNSET",
  ],
];

Deno.test("what is wrong with a configuration is said, with what there is, and nothing is made", async () => {
  for (const [name, config, sentence] of wrong) {
    await using folder = new Folder({ "quiver.json": config });
    const error = await useCache(name, { from: folder.path }).then(
      () => undefined,
      (error) => error,
    );
    assert(error instanceof Error, `${JSON.stringify(config)}: no error`);
    const isKind = [TypeError, RangeError, SyntaxError].some((kind) => error instanceof kind);
    const message = error.message.replaceAll(`"${folder.path}/quiver.json"`, IN);
    assert(
      isKind && message.includes(sentence),
      `${JSON.stringify(config)}: ${error.name} ${message}`,
    );
    // A bag that was opened before something else was refused may be there.
    const made = Array.from(Deno.readDirSync(folder.path), ({ name }) => name);
    assertEquals(made.filter((name) => !["quiver.json", "t"].includes(name)), []);
  }
});

Deno.test("cacheScope() without a cache has the default one where no scope is around it", async () => {
  await using folder = new Folder({
    "quiver.json": caches({ mine: MEMORY }, { default: "mine", collectors: ["git"] }),
    "none/quiver.json": caches({ mine: MEMORY }),
    "wrong/quiver.json": caches({}, { default: "gone" }),
    "broken/quiver.json": "{",
  });
  folder.enter();
  await double(4);
  const mine = await cacheScope({}, async () => {
    const { cache, collect } = currentScope();
    assert(cache !== undefined);
    assertEquals([collect, await double.contains(4)], [["git"], false]);
    await double(4);
    return cache;
  });
  await withTags({ run: 7 }, async () => {
    assertStrictEquals(currentScope().cache, mine);
    assertEquals(await double.contains(4), true);
  });
  // Who says so has none, with all that is beneath; and who has another one keeps it.
  await cacheScope({ cache: undefined }, async () => {
    assertEquals(currentScope().cache, undefined);
    await withTags({ run: 8 }, () => assertEquals(currentScope().cache, undefined));
  });
  const other = createMemoryCache();
  await cacheScope(
    { cache: other },
    () => withTags({ run: 9 }, () => assertStrictEquals(currentScope().cache, other)),
  );
  await using executor = new Executor({ workerType: "inline" });
  const inner = cacheScope({ cache: undefined }, () => executor.submit(tellsCache));
  assertEquals(await inner, false);
  folder.enter("none");
  await cacheScope({}, () => assertEquals(currentScope().cache, undefined));
  folder.enter("wrong");
  await assertRejects(() => cacheScope({}, () => {}), TypeError, "there is none of that name");
  folder.enter("broken");
  await assertRejects(() => withTags({}, () => {}), SyntaxError, "it is no JSON");
});

Deno.test("no configuration, two in one folder, and names where none can be opened", async () => {
  await using folder = new Folder({
    "two/quiver.json": caches({}),
    "two/deno.json": { quiver: {} },
    "none/quiver.json": caches({ a: MEMORY }),
  });
  const from = `${folder.path}/none`;
  await assertRejects(
    () => useCache(undefined, { from }),
    TypeError,
    `Cannot use the default cache: there is no \`default\` in "${from}/quiver.json"; the caches are a`,
  );
  await assertRejects(
    () => useCache("a", { from: `${folder.path}/two` }),
    TypeError,
    `both "${folder.path}/two/quiver.json" and "${folder.path}/two/deno.json" have one; keep one`,
  );
  folder.enter();
  await assertRejects(
    () => cacheScope({ cache: "a" }, () => {}),
    TypeError,
    'Cannot use cache "a": there is no quiver.json, and no key `quiver` of a deno.json, in ' +
      `"${folder.path}" or above it`,
  );
  const named = { cache: "a" } as unknown as { cache: undefined };
  for (const open of [openScope, setDefaultScope, (options: object) => double.bind(options)]) {
    await assertRejects(
      async () => await open(named),
      TypeError,
      '`cache` must be a cache: "a" is a name; give it what `await useCache("a")` returns',
    );
  }
  await assertRejects(() => useCache(7 as unknown as string), TypeError, "`name` must be a string");
  await assertRejects(
    () => useCache("a", { form: "." } as object),
    TypeError,
    '"form" is not an option',
  );
});

Deno.test("useCache() with mode: read makes nothing, changes nothing, and is another handle", async () => {
  const caches = {
    mine: { type: "bag", path: "mine.bag" },
    both: { type: "stack", caches: ["mine", { type: "files", path: "files" }] },
  };
  await using folder = new Folder({ "quiver.json": { root: true, default: "mine", caches } });
  folder.enter();
  for (const name of ["mine", "both"]) {
    await assertRejects(
      () => useCache(name, { mode: "read" }),
      BagFormatError,
      "it has no bag.json",
    );
  }
  assertEquals(Array.from(Deno.readDirSync("."), ({ name }) => name), ["quiver.json"]);
  const written = await useCache("mine");
  await cacheScope({ cache: written }, () => double(4));
  const read = await useCache("mine", { mode: "read" });
  assertEquals([read.readOnly, await query(read).count()], [true, 1]);
  assertEquals(listCaches(), [
    { name: "mine", type: "bag", isDefault: true },
    { name: "both", type: "stack", isDefault: false },
  ]);
  await assertRejects(
    // @ts-expect-error There is no such mode.
    () => useCache("mine", { mode: "write" }),
    TypeError,
    "`mode` is one of readwrite, read",
  );
});
