// End-to-end: every kind of cache on disk, with tasks, web workers and several processes.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { cacheScope, Executor } from "../../mod.ts";
import { mix } from "../../src/caches.ts";
import { OPEN, outer, type SweepOptions } from "./testdata/sweep.ts";

const CALLS = 12;
const KEY = "a key for nobody else";

/** The paths that one test uses. */
class Trial implements Disposable {
  readonly directory: string = Deno.makeTempDirSync({ prefix: "quiver_cache_" });
  readonly path: string = `${this.directory}/here`;
  readonly log: string = `${this.directory}/log`;

  /** The lines that bodies left, in order. */
  get runs(): string[] {
    return Deno.readTextFileSync(this.log).trim().split("\n").sort();
  }

  start(
    options: Pick<SweepOptions, "kind"> & Partial<SweepOptions>,
    flags: readonly string[] = ["--allow-read", "--allow-write"],
    env: Record<string, string> = {},
  ): Deno.ChildProcess {
    const { path, log } = this;
    const settings = { path, log, calls: CALLS, workerType: "inline", ...options };
    const program = new URL("./testdata/sweep.ts", import.meta.url).href;
    return new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-prompt", ...flags, program, JSON.stringify(settings)],
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.directory, { recursive: true });
  }
}

async function toReport(child: Deno.ChildProcess): Promise<Record<string, unknown>> {
  const { stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  assertEquals(decoder.decode(stderr), "");
  return JSON.parse(decoder.decode(stdout));
}

const EXPECTED_RUNS = [
  ...Array.from({ length: CALLS / 2 }, (_, n) => `inner ${n}`),
  ...Array.from({ length: CALLS }, (_, n) => `outer ${n}`),
].sort();

for (const kind of ["bag", "files", "sqlite"] as const) {
  const openCache = OPEN[kind];

  Deno.test(`a ${kind} cache remembers what workers compute, and what they call`, async () => {
    using trial = new Trial();
    const sweep = async () => {
      await using cache = await openCache(trial.path);
      await using executor = new Executor({ maxWorkers: 2 });
      await cacheScope({ cache, strict: true }, async () => {
        const all = Array.from({ length: CALLS }, (_, n) => n);
        const results = await Promise.all(all.map((n) => executor.submit(outer, trial.log, n)));
        assertEquals(results.map(({ n, part }) => [n, part[999]]), all.map((n) => [n, n >> 1]));
      });
      const { hits, misses, rejectedSignatures, rejectedValues } = cache.statistics();
      assertEquals([rejectedSignatures, rejectedValues], [0, 0]);
      return [hits, misses];
    };
    assertEquals(await sweep(), [0, CALLS]);
    assertEquals(trial.runs, EXPECTED_RUNS);
    assertEquals(await sweep(), [CALLS, 0]);
    assertEquals(trial.runs, EXPECTED_RUNS);
  });

  Deno.test(`a ${kind} cache computes each key once among processes and workers`, async () => {
    using trial = new Trial();
    const children = (["web", "inline"] as const).map((workerType) =>
      trial.start({ kind, workerType })
    );
    const reports = await Promise.all(children.map(toReport));
    for (const { wrong, warnings, hits, misses } of reports) {
      assertEquals([wrong, warnings], [0, []]);
      assert(Number(hits) + Number(misses) >= CALLS);
    }
    assertEquals(trial.runs, EXPECTED_RUNS);
  });

  Deno.test(`a ${kind} cache frees the lease of a process that is killed`, async () => {
    using trial = new Trial();
    const child = trial.start({ kind, calls: 0 });
    const reader = child.stdout.getReader();
    const { value } = await reader.read();
    assertEquals(new TextDecoder().decode(value), "computing\n");
    await using cache = await openCache(trial.path);
    const [key = ""] = [...Deno.readDirSync(cacheLeases(kind, trial.path))]
      .map(({ name }) => name).filter((name) => name.length === 64);
    assertMatch(key, /^[0-9a-f]{64}$/);
    assertEquals(cache.stores.leases.tryAcquire(key), undefined);
    const freed = cache.stores.leases.changed(key);
    child.kill("SIGKILL");
    await freed;
    using lease = cache.stores.leases.tryAcquire(key);
    assert(lease !== undefined);
    await reader.cancel();
    await child.stderr.cancel();
    await child.status;
  });

  // fleche 57
  Deno.test(`a signed ${kind} cache believes its workers, and nobody without the key`, async () => {
    using trial = new Trial();
    const signed = { kind, options: { signingKey: KEY } };
    const computed = { wrong: 0, rejected: [0, 0], warnings: [] };
    const { hits: _, misses, ...report } = await toReport(
      trial.start({ ...signed, workerType: "web" }),
    );
    assertEquals([misses, report], [CALLS, computed]);
    const unsigned = await toReport(trial.start({ kind }));
    assertEquals(unsigned, { ...computed, hits: CALLS, misses: 0 });
    const again = await toReport(trial.start(signed));
    assertEquals(again, { ...computed, hits: CALLS, misses: 0 });
    assertEquals(trial.runs, EXPECTED_RUNS);
    const options = { signingKey: ["another key of somebody"] };
    const other = await toReport(trial.start({ kind, options }));
    const [signatures = 0, values] = other.rejected as number[];
    assertEquals([other.wrong, other.misses, values], [0, CALLS, 0]);
    assert(signatures >= CALLS);
    assertEquals(trial.runs.length, 2 * EXPECTED_RUNS.length);
  });
}

function cacheLeases(kind: keyof typeof OPEN, path: string): string {
  return kind === "sqlite" ? `${path}-leases` : `${path}/leases`;
}

Deno.test("mix() of caches on disk travels to workers", async () => {
  using trial = new Trial();
  await using values = await OPEN.files(`${trial.path}.files`, { signingKey: KEY });
  await using calls = await OPEN.sqlite(`${trial.path}.db`);
  const cache = mix({ values, calls });
  assert(!JSON.stringify(cache.description).includes(KEY));
  await using executor = new Executor({ maxWorkers: 1 });
  await cacheScope({ cache, strict: true }, async () => {
    const { part } = await executor.submit(outer, trial.log, 5);
    assertEquals(part[0], 2);
    const again = executor.submit(outer, trial.log, 5);
    assertEquals((await again).n, 5);
    assertEquals(again.hit, true);
  });
  // The inner call was remembered on the worker.
  assertEquals((await Array.fromAsync(calls.records())).length, 2);
  assertEquals(await Array.fromAsync(values.records()), []);
});

Deno.test("QUIVER_SIGNING_KEY signs where it may be read, and no permission is asked for", async () => {
  using trial = new Trial();
  const kind = "files";
  const env = { QUIVER_SIGNING_KEY: ` ${KEY} , an older key of mine ` };
  const flags = ["--allow-read", "--allow-write"];
  const permitted = [...flags, "--allow-env=QUIVER_SIGNING_KEY"];
  const report = await toReport(trial.start({ kind }, permitted, env));
  assertEquals(report.misses, CALLS);
  await using cache = await OPEN.files(trial.path, { signingKey: KEY });
  assertEquals((await Array.fromAsync(cache.records())).length, EXPECTED_RUNS.length);
  // Without the permission the cache is read unsigned; with an empty list too.
  assertEquals((await toReport(trial.start({ kind }, flags, env))).hits, CALLS);
  const none = { kind, options: { signingKey: [] } } as const;
  assertEquals((await toReport(trial.start(none, permitted, env))).hits, CALLS);
  const other = { QUIVER_SIGNING_KEY: "a key of somebody else" };
  assertEquals((await toReport(trial.start({ kind }, permitted, other))).hits, 0);
});

Deno.test("a signing key that is asked for from the environment needs the permission", async () => {
  using trial = new Trial();
  const options = { signingKey: { environment: "MY_KEY" } };
  const child = trial.start({ kind: "files", options });
  const { stderr, code } = await child.output();
  assertEquals(code, 1);
  const text = new TextDecoder().decode(stderr);
  assertStringIncludes(text, 'NotCapable: Requires env access to "MY_KEY"');
  const flags = ["--allow-read", "--allow-write", "--allow-env=MY_KEY"];
  const report = await toReport(
    trial.start({ kind: "files", options }, flags, { MY_KEY: "a key that is mine" }),
  );
  assertEquals([report.wrong, report.misses, report.rejected], [0, CALLS, [0, 0]]);
});

for (const kind of ["files", "sqlite"] as const) {
  const READ = "--allow-read=<quiver>,<here>";
  for (
    const [flags, missing] of [
      [["--allow-read=<quiver>"], "read"],
      [[READ], "write"],
      [[READ, "--allow-write=<elsewhere>"], "write"],
    ] as const
  ) {
    Deno.test(`a ${kind} cache with "${flags.join(" ")}" asks for --allow-${missing}`, async () => {
      using trial = new Trial();
      const { code, stderr } = await trial.start({ kind }, fill(flags, trial)).output();
      assertEquals(code, 1);
      const text = new TextDecoder().decode(stderr);
      assertMatch(text, new RegExp(`NotCapable: Requires ${missing} access to .*here`));
      assertStringIncludes(text, `--allow-${missing}`);
      assertEquals([...Deno.readDirSync(trial.directory)], []);
    });
  }

  Deno.test(`a ${kind} cache needs no more than its documentation says`, async () => {
    using trial = new Trial();
    const write = kind === "sqlite"
      ? "--allow-write=<here>,<here>-leases,<log>"
      : "--allow-write=<here>,<log>";
    const read = kind === "sqlite" ? `${READ},<here>-leases` : READ;
    const report = await toReport(trial.start({ kind }, fill([read, write], trial)));
    assertEquals([report.wrong, report.misses, report.warnings], [0, CALLS, []]);
    const options = { mode: "read" };
    const again = await toReport(trial.start({ kind, options }, fill([READ], trial)));
    assertEquals([again.wrong, again.hits, again.warnings], [0, CALLS, []]);
  });
}

function fill(flags: readonly string[], { path, log, directory }: Trial): string[] {
  return flags.map((flag) =>
    flag.replaceAll("<here>", path).replace("<log>", log)
      .replace("<quiver>", new URL("../../", import.meta.url).pathname)
      .replace("<elsewhere>", `${directory}/elsewhere`)
  );
}
