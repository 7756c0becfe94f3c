// end-to-end: what records say of how a call came to its result, on each kind of worker and cache.
import {
  assert,
  assertEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  annotate,
  bind,
  type Cache,
  cacheScope,
  closeCaches,
  type Collector,
  createMemoryCache,
  currentScope,
  Executor,
  openBag,
  setDefaultScope,
  task,
  useCache,
} from "@quiver/quiver";
import { openFileCache, openSqliteCache, query, where } from "@quiver/quiver/caches";
import deno from "../../deno.json" with { type: "json" };
import type { CallRecord } from "../../src/call/call_record.ts";
import { readGit } from "../../src/task/collect_git.ts";
import { QUIVER_VERSION, readEnvironment } from "../../src/task/collect_runtime.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { around, failing, fit, power, study } from "./testdata/provenance_tasks.ts";

type Metadata = CallRecord["metadata"];

/** What of a record is to be there, whatever else is. */
interface Provenance {
  readonly runtime?: {
    readonly start: number;
    readonly end: number;
    readonly wall: number;
    readonly cpu: number;
    readonly peakMemory: number;
    readonly worker?: { readonly type: string; readonly name?: string };
  };
  readonly calls?: { readonly by?: string; readonly made?: string[]; readonly more?: number };
  readonly [name: string]: unknown;
}

async function provenanceOf(cache: Cache, key: string): Promise<Provenance> {
  const metadata: Metadata | undefined = (await cache.record(key))?.metadata;
  assert(metadata !== undefined, "it is recorded");
  return metadata as unknown as Provenance;
}

function fitted(rate: number) {
  return { loss: 1 / rate, steps: 1, fitted: { rate: [rate] } };
}

/** Opens each kind of cache in a folder, one after another. */
async function withCaches(check: (cache: Cache, kind: string) => Promise<void>): Promise<void> {
  const path = await Deno.makeTempDir();
  const signingKey = "a key of sixteen bytes, or of more than that";
  await check(createMemoryCache(), "memory");
  {
    await using bag = await openBag(`${path}/signed`, { fold: "manual", signingKey });
    await check(bag, "signed bag");
  }
  {
    await using files = await openFileCache(`${path}/files`);
    await check(files, "files");
  }
  {
    await using sqlite = await openSqliteCache(`${path}/calls.db`);
    await check(sqlite, "sqlite");
  }
  await Deno.remove(path, { recursive: true });
}

Deno.test("annotate() adds to the record of its own call, in all caches, and queries find it", async () => {
  await withCaches(async (cache, kind) => {
    await cacheScope({ cache, tags: { kind } }, () => study(2));
    const [outer, one, other] = [await study.digest(2), await fit.digest(2), await fit.digest(3)];
    assertEquals(await provenanceOf(cache, outer), {
      tags: { kind },
      annotations: { phase: "begun", fits: 3 },
      calls: { made: [one, other] },
    });
    assertEquals(await provenanceOf(cache, other), {
      tags: { kind },
      annotations: fitted(3),
      calls: { by: outer },
    });
    const good = { annotations: { loss: where.below(0.4), steps: 1 } };
    assertEquals(await query(cache, { metadata: good }).count(), 1, kind);
    const fewer = { annotations: { fits: (n: unknown) => n === 3, loss: where.absent } };
    assertEquals(await query(cache, { metadata: fewer }).count(), 1, kind);
    assertEquals(await query(cache, { metadata: { annotations: where.present } }).count(), 3, kind);
    assertEquals(await query(cache, { metadata: { calls: { by: outer } } }).count(), 2, kind);
  });
});

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: records say who ran a call, what it said, and what tasks have collected`, async () => {
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    const path = await Deno.makeTempDir();
    {
      await using bag = await openBag(path, { fold: "manual" });
      for (const cache of [createMemoryCache(), bag]) {
        const warnings: string[] = [];
        const onWarning = ({ message }: { message: string }) => void warnings.push(message);
        const here: Collector = () => ({ is: "here" });
        Object.defineProperty(here, "name", { value: "here" });
        const before = Date.now();
        await cacheScope({ cache, onWarning, collect: ["runtime", power, here] }, async () => {
          await executor.submit(study, 2);
          await Array.fromAsync(executor.map(fit, [7, 8, 9]));
        });
        const [outer, inner] = [await study.digest(2), await fit.digest(2)];
        for (
          const [key, rate] of [[outer], [await fit.digest(7), 7], [
            await fit.digest(9),
            9,
          ]] as const
        ) {
          const { annotations, here, power, runtime } = await provenanceOf(cache, key);
          assertEquals(
            annotations,
            rate === undefined ? { phase: "begun", fits: 3 } : fitted(rate),
          );
          assertEquals(power, { watts: 7, of: rate === undefined ? "study" : "fit" });
          // Who records a call asks the functions of its own.
          assertEquals(here, cache === bag ? undefined : { is: "here" });
          assert(runtime !== undefined);
          assert(runtime.start >= before - 100 && runtime.end >= runtime.start);
          assert(runtime.wall >= 0 && runtime.cpu >= 0 && runtime.peakMemory > 2 ** 20);
          assertEquals(runtime.worker?.type, workerType);
          assertEquals(runtime.worker?.name !== undefined, workerType !== "inline");
        }
        assertEquals(warnings.length, cache === bag ? 1 : 0);
        if (cache !== bag) continue;
        assertStringIncludes(warnings[0] ?? "", 'Cannot collect "here" of calls on workers');
        assertEquals((await provenanceOf(bag, outer)).calls, {
          made: [inner, await fit.digest(3)],
        });
        const nested = await provenanceOf(bag, inner);
        assertEquals([nested.calls, nested.runtime?.worker?.type], [{ by: outer }, workerType]);
      }
    }
    await Deno.remove(path, { recursive: true });
  });
}

Deno.test("a call beneath one that is not remembered belongs to the one around that", async () => {
  const cache = createMemoryCache();
  const inner = { cache };
  const outer = task(import.meta, async (n: number) => {
    await cacheScope({ cache: undefined }, () => middle(n));
    return n;
  }, { name: "outer" });
  const middle = task(import.meta, (n: number) => {
    annotate({ lost: true });
    return cacheScope(inner, () => fit(n));
  }, { name: "middle" });
  await cacheScope({ cache }, () => outer(5));
  const [above, below] = [await outer.digest(5), await fit.digest(5)];
  assertEquals(await provenanceOf(cache, above), { tags: {}, calls: { made: [below] } });
  assertEquals((await provenanceOf(cache, below)).calls, { by: above });
  await cacheScope({ cache }, () => around(5));
  assertEquals(await provenanceOf(cache, await around.digest(5)), { tags: {} });
});

Deno.test("a bound task is a call of the body that calls it, and so are hits", async () => {
  const cache = createMemoryCache();
  const bound = fit.bind({ cache });
  await bound(4);
  const later = task(import.meta, (n: number) => bound(n), { name: "later" });
  const plain = bind(() => annotate({ said: 1 }));
  const through = task(import.meta, () => plain(), { name: "through" });
  await cacheScope({ cache }, () => Promise.all([later(4), through()]));
  const made = [await fit.digest(4)];
  assertEquals((await provenanceOf(cache, await later.digest(4))).calls, { made });
  assertEquals((await provenanceOf(cache, await through.digest())).annotations, { said: 1 });
  assertEquals((await provenanceOf(cache, made[0] ?? "")).calls, undefined);
});

Deno.test("a record names 100 of the calls that its call has made, and how many more there were", async () => {
  const cache = createMemoryCache();
  const one = task(import.meta, (n: number) => n, { name: "one" });
  const many = task(import.meta, (n: number) => {
    return Promise.all(Array.from({ length: n }, (_, index) => one(index)));
  }, { name: "many" });
  await cacheScope({ cache }, () => many(107));
  const { calls } = await provenanceOf(cache, await many.digest(107));
  assertEquals([calls?.made?.length, calls?.more], [100, 7]);
  assertEquals(calls?.made?.[99], await one.digest(99));
});

Deno.test("annotate() outside of a body is refused, and costs no result inside", async () => {
  assertThrows(
    () => annotate({ loss: 1 }),
    TypeError,
    "Cannot annotate a call: none runs here; call `annotate` in the function of a task",
  );
  const cache = createMemoryCache();
  const warnings: string[] = [];
  const diverging = task(import.meta, (loss: unknown) => {
    annotate({ loss: loss as number, steps: 3 });
    return "a result";
  }, { name: "diverging" });
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, strict: true, onWarning }, async () => {
    for (const loss of [NaN, 2n, new Date(0)]) assertEquals(await diverging(loss), "a result");
  });
  assertEquals(warnings.length, 3);
  assertStringIncludes(
    warnings[0] ?? "",
    'Cannot annotate "diverging" as annotations.loss must be JSON: it is NaN; it is left out',
  );
  const { annotations } = await provenanceOf(cache, await diverging.digest(NaN));
  assertEquals(annotations, { steps: 3 });

  const wrong = task(import.meta, () => annotate([1] as never), { name: "wrong" });
  await assertRejects(() => wrong(), TypeError, "what is to be noted is a plain object");
  // Not remembered: nothing takes it, and nothing fails.
  assertEquals(await fit(3), 3);
});

Deno.test("nothing is noted of a call that fails, and of those before it what they said", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache, collect: ["runtime"] }, async () => {
    await assertRejects(() => failing(), RangeError, "as it must");
  });
  assertEquals(await query(cache).count(), 0);
});

Deno.test("a collector that throws, hangs or finds no JSON is a warning, and the result is there", async () => {
  const cache = createMemoryCache();
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  let asked = 0;
  const collect: Collector[] = [
    function throws() {
      throw new Error("no sensor");
    },
    async function rejects() {
      await Promise.resolve();
      throw new Error("no sensor");
    },
    function throwsLater() {
      return () => {
        throw new Error("no sensor");
      };
    },
    function hangs() {
      asked++;
      return new Promise(() => {});
    },
    function hangsLater() {
      return () => new Promise<undefined>(() => {});
    },
    function finds() {
      return { big: 2n as unknown as number };
    },
    function findsText() {
      return "text" as never;
    },
    function findsNothing() {},
    async function works() {
      await Promise.resolve();
      return async () => {
        await Promise.resolve();
        return { is: "there" };
      };
    },
  ];
  await cacheScope({ cache, collect, onWarning, strict: true }, async () => {
    assertEquals(await fit(2), 2);
    assertEquals(await fit(3), 3);
  });
  for (const rate of [2, 3]) {
    const found = await provenanceOf(cache, await fit.digest(rate));
    assertEquals(found, { tags: {}, works: { is: "there" }, annotations: fitted(rate) });
  }
  assertEquals(asked, 1);
  assertEquals(warnings.sort(), [
    ...["finds", "findsText", "rejects", "throws", "throwsLater"].map((name) =>
      `Cannot record what the collector "${name}" has found: it has failed, and is left out`
    ),
    ...["hangs", "hangsLater"].map((name) =>
      `Cannot wait longer than 2000 ms for the collector "${name}": calls are recorded without it ` +
      "from now on"
    ),
  ]);
});

Deno.test("calls that a collector makes are remembered, and are nobody's", async () => {
  const cache = createMemoryCache();
  const probe = task(import.meta, (n: number) => n, { name: "probe" });
  const warnings: string[] = [];
  const collect: Collector[] = [
    async function probes() {
      return { found: await probe(1), again: await probe(2) };
    },
    function says() {
      annotate({ of: "nobody" });
    },
  ];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache, collect, onWarning }, () => fit(2));
  assertEquals(await provenanceOf(cache, await fit.digest(2)), {
    tags: {},
    probes: { found: 1, again: 2 },
    annotations: fitted(2),
  });
  assertEquals(await provenanceOf(cache, await probe.digest(1)), { tags: {} });
  assertEquals(warnings.length, 1);
  assertStringIncludes(warnings[0] ?? "", 'the collector "says" has found');
});

Deno.test("collectors are those of the innermost scope that sets some, and no part of a key", async () => {
  const cache = createMemoryCache();
  await cacheScope({ cache, collect: ["runtime", "environment"] }, async () => {
    await fit(1);
    await cacheScope({ tags: { inner: true } }, () => fit(2));
    await cacheScope({ collect: ["git"] }, () => fit(3));
    await cacheScope({ collect: [] }, () => fit(4));
  });
  const names = await Promise.all([1, 2, 3, 4].map(async (rate) => {
    const found = await provenanceOf(cache, await fit.digest(rate));
    return ["environment", "git", "runtime"].filter((name) => found[name] !== undefined);
  }));
  assertEquals(names.map((each) => each.filter((name) => name !== "git")), [
    ["environment", "runtime"],
    ["environment", "runtime"],
    [],
    [],
  ]);
  const future = cacheScope({ cache }, () => fit(1));
  assertEquals(await future, 1);
  assertEquals((await cache.record(await fit.digest(1)))?.metadata.runtime !== undefined, true);
});

Deno.test("what is no collector is refused, and so are names that are taken", async () => {
  const named = (name: string): Collector =>
    Object.defineProperty(() => ({}), "name", { value: name });
  const wrong: readonly (readonly [object, string])[] = [
    [
      { collect: ["gpu"] },
      '"gpu" in `collect` is no collector; they are runtime, environment, git',
    ],
    [{ collect: "git" }, "as `collect` must be an array of collectors: it is a string"],
    [{ collect: [7] }, "7 in `collect` is no collector"],
    [
      { collect: [{ name: "x" }] },
      "an object without `module` and `name` in `collect` is no collector",
    ],
    [{ collect: [() => ({})] }, "a collector is to have a name of its own"],
    [{ collect: [named("tags")] }, "a collector is to have a name of its own"],
    [{ collect: [named("git"), "git"] }, 'a collector is called "git", and so is something else'],
    [{ collect: [named("calls")] }, 'a collector is called "calls"'],
    [
      { metadata: { calls: 1 } },
      'the metadata "calls" are noted by Quiver; give yours another name',
    ],
    [{ metadata: { annotations: {} } }, 'the metadata "annotations" are noted by Quiver'],
    [
      { metadata: { git: 1 }, collect: ["git"] },
      'the metadata "git" are of a collector of the scope',
    ],
  ];
  for (const [options, message] of wrong) {
    await assertRejects(() => cacheScope(options, () => {}), TypeError, message);
  }
  await cacheScope({ collect: ["git"] }, async () => {
    const metadata = { git: 1 };
    await assertRejects(() => cacheScope({ metadata }, () => {}), TypeError, "of a collector");
  });
});

Deno.test("a configuration says what is collected of calls in the caches that it names", async () => {
  const from = await Deno.makeTempDir();
  const caches = { mine: { type: "memory" } };
  const write = (file: string, config: object) =>
    Deno.writeTextFile(`${from}/${file}`, JSON.stringify(config));
  await write("quiver.json", { collectors: ["runtime"], root: true });
  await Deno.mkdir(`${from}/inner`);
  await write("inner/quiver.json", { caches });
  const cache = await useCache("mine", { from: `${from}/inner` });
  assertEquals(currentScope().collect, ["runtime"]);
  await fit(6);
  const found = await provenanceOf(cache, await fit.digest(6));
  assert(found.runtime !== undefined);
  await closeCaches();
  setDefaultScope({});
  await Deno.remove(from, { recursive: true });
});

Deno.test("the environment has the versions, and those of the packages in the lock file", () => {
  assertEquals(QUIVER_VERSION, deno.version);
  const { deno: runtime, quiver, packages } = readEnvironment();
  assertEquals([runtime, quiver], [Deno.version.deno, deno.version]);
  const [acorn] = Object.entries(Object(packages)).filter(([name]) =>
    name.startsWith("npm:acorn@")
  );
  assert(/^\d+\.\d+\.\d+$/.test(String(acorn?.[1])), "acorn is locked");
});

Deno.test("what may not be read is left out of the environment, and nobody is asked", async () => {
  const root = new URL("../../", import.meta.url).pathname;
  const program = `
    import { cacheScope, createMemoryCache, task } from "@quiver/quiver";
    const one = task(import.meta, () => 1, { name: "one", code: "none" });
    const cache = createMemoryCache();
    await cacheScope({ cache, collect: ["runtime", "environment", "git"] }, () => one());
    console.log(JSON.stringify((await cache.record(await one.digest())).metadata));`;
  const folder = await Deno.makeTempDir();
  await Deno.writeTextFile(`${folder}/main.js`, program);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      ...["run", "--no-check", "--config", `${root}deno.json`, `--allow-read=${root}src`],
      `${folder}/main.js`,
    ],
    cwd: folder,
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  const { runtime, environment, ...rest } = JSON.parse(decoder.decode(stdout));
  assertEquals(Object.keys(environment).sort(), ["cwd", "deno", "quiver"]);
  assertEquals(typeof runtime.wall, "number");
  assertEquals(rest, { tags: {} });
  await Deno.remove(folder, { recursive: true });
});

Deno.test("git's commit and branch are read from its files", async () => {
  const root = await Deno.makeTempDir();
  const commit = "0123456789abcdef0123456789abcdef01234567";
  const write = async (path: string, text: string) => {
    await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${root}/${path}`, `${text}\n`);
  };
  const read = async (path: string) => {
    await Deno.mkdir(`${root}/${path}`, { recursive: true });
    return await readGit(new URL(`file://${root}/${path}/`));
  };
  await write("loose/.git/HEAD", "ref: refs/heads/topic/a");
  await write("loose/.git/refs/heads/topic/a", commit);
  assertEquals(await read("loose/some/folder"), { commit, branch: "topic/a" });

  await write("packed/.git/HEAD", "ref: refs/heads/main");
  await write("packed/.git/packed-refs", `# pack-refs\n${"f".repeat(40)} refs/heads/not/main`);
  assertEquals(await read("packed"), { branch: "main" });
  await write(
    "packed/.git/packed-refs",
    `# pack-refs\n^${"f".repeat(40)}\n${commit} refs/heads/main`,
  );
  assertEquals(await read("packed"), { commit, branch: "main" });

  await write("detached/.git/HEAD", commit);
  assertEquals(await read("detached"), { commit });

  await write("tree/.git", `gitdir: ${root}/packed/.git/worktrees/tree`);
  await write("packed/.git/worktrees/tree/HEAD", "ref: refs/heads/main");
  await write("packed/.git/worktrees/tree/commondir", "../..");
  assertEquals(await read("tree"), { commit, branch: "main" });

  await write("broken/.git", "nothing that is known");
  await write("broken/inner/.git/config", "");
  assertEquals(await read("broken/inner"), undefined);
  await write("broken/.git", "gitdir: ../loose/.git");
  await write("broken/secret", "not to be told");
  await write("loose/.git/HEAD", "ref: ../../broken/secret");
  assertEquals(await read("broken"), { branch: "../../broken/secret" });

  // A failure that nobody looks at would end the program.
  await write("broken/.git", "gitdir: http://[");
  const before = Deno.cwd();
  Deno.chdir(`${root}/broken`);
  const fresh = new URL("../../src/task/collect_git.ts?fresh", import.meta.url).href;
  const { collectGit }: { readonly collectGit: () => unknown } = await import(fresh);
  await assertRejects(async () => await collectGit(), TypeError, "Invalid URL");
  Deno.chdir(before);
  assertEquals(collectGit(), undefined);
  await Deno.remove(root, { recursive: true });
});
