// end-to-end: tasks that are defined in a REPL or notebook, where they may be defined again
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import {
  cacheScope,
  createMemoryCache,
  Executor,
  task,
  UnclonableError,
  WorkerInitError,
} from "@quiver/quiver";
import { restoreBound } from "@quiver/quiver/workers";

Deno.test("task() of a REPL may be defined again: the new one counts, and has other keys", async () => {
  const cache = createMemoryCache();
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  let [runs, rate] = [0, 2];
  await cacheScope({ cache, strict: true, onWarning }, async () => {
    const first = task("repl:twice", (n: number) => n * 2);
    assertEquals([first.name, first.identity], ["twice", { module: "repl:twice", task: "twice" }]);
    const before = await first.digest(1);
    assertEquals(await first(1), 2);
    const second = task("repl:twice", (n: number) => n + 1);
    assertNotEquals(await second.digest(1), before);
    assertEquals(await second(1), 2);
    assertEquals(await second(5), 6);
    // The old one stays what it was, and what is defined again as it was is known.
    assertEquals(await first(1), 2);
    const third = task("repl:twice", (n: number) => n * 2);
    assertEquals([await third.digest(1), await third.contains(1)], [before, true]);
    assertEquals(warnings, []);

    // What it names may be anything by now.
    const define = () => task("repl:scale", (n: number) => (runs++, Math.sqrt(n * n) * rate));
    const old = define();
    assertEquals([await old(4), await old(4), runs], [8, 8, 1]);
    rate = 3;
    const scale = define();
    assertNotEquals(await scale.digest(4), await old.digest(4));
    assertEquals([await scale(4), await scale(4), runs], [12, 12, 2]);
    assertEquals(
      warnings[0],
      'Cannot see what "runs" and "rate" in task "scale" of a REPL or notebook is: calls are ' +
        "remembered until the task is defined again, which is to be done when that changes; pass it " +
        "as an argument, or define the task in a module",
    );
  });
});

const here = task(import.meta, (n: number) => n, { name: "here" });

for (const workerType of ["web", "process", "inline"] as const) {
  Deno.test(`an executor runs tasks of a REPL here, and says so once, ${workerType}`, async () => {
    const warnings: string[] = [];
    const onWarning = ({ message }: { message: string }) => void warnings.push(message);
    let count = 0;
    const added = task("repl:added", (n: number) => n + ++count);
    await using executor = new Executor({ workerType, maxWorkers: 1 });
    for (const cache of [undefined, createMemoryCache()]) {
      count = 0;
      warnings.length = 0;
      await cacheScope({ cache, onWarning }, async () => {
        assertEquals(await executor.submit(added, 10), 11);
        assertEquals(await Array.fromAsync(executor.map(added, [20, 30])), [22, 33]);
        assertEquals(await executor.with({ priority: 1 }).submit(added, 40), 44);
        const failed = task("repl:failed", () => {
          throw new RangeError("no");
        });
        await assertRejects(async () => await executor.submit(failed), RangeError, "no");
      });
      const sentence =
        'Cannot send task "added" to a worker: it was defined in a REPL or notebook, ' +
        "which no worker can import; define it in a module by `task(import.meta, fn)`, and import " +
        "that; it runs here meanwhile";
      assertEquals(warnings.filter((one) => one === sentence).length, 1, warnings.join("\n"));
    }
  });
}

Deno.test("a task of a REPL goes nowhere as an argument, a hook or a description", async () => {
  const lost = task("repl:lost", (n: number) => n);
  const sentence = 'Cannot send task "lost" to a worker: it was defined in a REPL';
  {
    await using executor = new Executor({ workerType: "web", maxWorkers: 1 });
    const call = executor.submit(here, lost as unknown as number);
    await assertRejects(async () => await call, UnclonableError, sentence);
  }
  {
    await using executor = new Executor({ workerType: "web", maxWorkers: 1, init: lost });
    await assertRejects(async () => await executor.submit(here, 1), WorkerInitError, "in a REPL");
  }
  const description = JSON.parse(JSON.stringify(lost.bind()).replaceAll("repl:lost", "repl:gone"));
  await assertRejects(() => restoreBound(description), WorkerInitError, "in a REPL or notebook");
});

Deno.test("cells of a REPL: tasks, caches and executors", async () => {
  const quiver = new URL("../../mod.ts", import.meta.url).href;
  const cells = [
    `import { createMemoryCache, Executor, setDefaultScope, task } from "${quiver}";`,
    `setDefaultScope({ cache: createMemoryCache() });`,
    `var told = [];`,
    `const half = task("repl:half", (n: number): number => n / 2);`,
    `told.push(await half(5), (await half.contains(5)));`,
    `const factor = 3;`,
    `const half2 = task("repl:half", (n: number): number => n / factor);`,
    `told.push(await half2(6), await half2.contains(5));`,
    `const executor = new Executor({ maxWorkers: 1 });`,
    `told.push(await executor.submit(half2, 9), ...(await Array.fromAsync(executor.map(half, [1, 2]))));`,
    `await executor.shutdown();`,
    `"told " + JSON.stringify(told)`,
  ];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["repl", "--quiet", "--allow-all"],
    cwd: new URL("../../", import.meta.url),
    ...{ stdin: "piped", stdout: "piped", stderr: "piped" },
  }).spawn();
  const input = child.stdin.getWriter();
  await input.write(new TextEncoder().encode(`${cells.join("\n")}\n`));
  await input.close();
  const { stdout, stderr } = await child.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assert(out?.includes('"told [2.5,true,2,false,3,0.5,1]"'), `${out}\n${err}`);
  assert(err?.includes('Cannot see what "factor" in task "half" of a REPL'), err);
  assert(err?.includes("it runs here meanwhile"), err);
});
