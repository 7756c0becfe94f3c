// End-to-end: two copies of Quiver in one program, a library's and its own; real workers.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import * as quiver from "@quiver/quiver";

leaveNothing();

const ROOT = new URL("../../", import.meta.url);

interface Program extends AsyncDisposable {
  readonly path: string;
  run(): Promise<{ code: number; stdout: string; stderr: string }>;
}

/** What a program does with a copy that it shares nothing with. */
const APART = `
import { cacheScope, createMemoryCache, Executor, task } from "@quiver/quiver";
import { square } from "./copies_library.ts";
export const twice = task(import.meta, async function twice(n: number) {
  return 2 * await square(n);
});
if (import.meta.main) {
  await cacheScope({ cache: createMemoryCache() }, async () => {
    for (const workerType of ["web", "process"] as const) {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      console.log(await executor.submit(twice, 3));
      try {
        await executor.submit(square, 3);
      } catch (error) {
        console.log(String(error));
      }
    }
  });
}`;

async function copyFolder(from: URL, to: string): Promise<void> {
  await Deno.mkdir(to, { recursive: true });
  for await (const { name, isDirectory } of Deno.readDir(from)) {
    if (isDirectory) await copyFolder(new URL(`${name}/`, from), `${to}/${name}`);
    else await Deno.copyFile(new URL(name, from), `${to}/${name}`);
  }
}

/** A program that uses this copy of Quiver, and a library with one at another URL. */
async function openProgram(change?: (ambient: string) => string): Promise<Program> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  await copyFolder(new URL("src/", ROOT), `${path}/quiver/src`);
  await Deno.copyFile(new URL("mod.ts", ROOT), `${path}/quiver/mod.ts`);
  if (change !== undefined) {
    const file = `${path}/quiver/src/base/ambient.ts`;
    const before = await Deno.readTextFile(file);
    const after = change(before);
    if (after === before) throw new Error("nothing was changed");
    await Deno.writeTextFile(file, after);
  }
  const config = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  const imports = Object.fromEntries(
    Object.entries<string>(config.imports).map(([name, target]) => [
      name,
      target.startsWith("./") ? new URL(target, ROOT).href : target,
    ]),
  );
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify({ imports }));
  await Deno.copyFile(new URL("deno.lock", ROOT), `${path}/deno.lock`);
  for (const name of ["copies_app.ts", "copies_library.ts"]) {
    const text = await Deno.readTextFile(new URL(`testdata/${name}`, import.meta.url));
    await Deno.writeTextFile(`${path}/${name}`, text.replaceAll("../../../", "./quiver/"));
  }
  return {
    path,
    async run() {
      const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--quiet", "--allow-all", `${path}/copies_app.ts`, `${path}/results.bag`],
        env: { NO_COLOR: "1" },
      }).output();
      const decoder = new TextDecoder();
      return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
    },
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

Deno.test("two copies of Quiver in one program share tasks, scopes and caches", async () => {
  await using program = await openProgram();
  const { code, stdout, stderr } = await program.run();
  assertEquals(code, 0, stderr);
  assertEquals(stderr.trim().split("\n").length, 1, stderr);
  assertStringIncludes(stderr, 'Cannot remember a call of "count"');
  const onWorkers = (n: number) => [
    n * n,
    n * n + (n + 1) ** 2,
    [n * n, (n + 20) ** 2],
    (n + 40) ** 2,
    2 * (n + 60) ** 2,
    n + 1,
    true,
  ];
  const failure = ["CacheMissError", "Cannot find it", "key"];
  assertEquals(JSON.parse(stdout), {
    tags: { by: "app" },
    here: [4, 4, 10],
    hit: [4, true],
    unkeyed: 1,
    inline: onWorkers(16),
    "inline fails": failure,
    web: onWorkers(13),
    "web fails": failure,
    process: onWorkers(17),
    "process fails": failure,
    context: 32,
    errors: {
      known: [true, true],
      base: true,
      other: false,
      future: true,
      same: false,
      kept: [true, true],
    },
    scopeAfter: true,
    remembered: ["apply", "nested", "square", "sum", "twice"],
  });
});

Deno.test("two copies of Quiver that do not fit together say so in one sentence", async () => {
  await using program = await openProgram((text) =>
    text.replace(/const PROTOCOL = \d+;/, "const PROTOCOL = 1;")
  );
  await Deno.writeTextFile(`${program.path}/copies_app.ts`, APART);
  const { code, stdout, stderr } = await program.run();
  assertEquals(code, 0, stderr);
  const [own, other] = [new URL("mod.ts", ROOT).href, `file://${program.path}/quiver/mod.ts`];
  const sentence = (first: string, second: string) =>
    "Cannot share tasks, scopes and caches between two copies of Quiver as they do not fit together: " +
    `"${first}" and "${second}"; have all modules import one of them, by the import map, say`;
  assertEquals(stderr, `Warning: ${sentence(own, other)}\n`);
  const refusal = 'TypeError: Cannot submit "square": it is not a task; make it one with ' +
    `\`task(import.meta, fn)\` at the top level of a module. ${sentence(other, own)}`;
  assertEquals(stdout.trim().split("\n"), ["18", refusal, "18", refusal]);
});

Deno.test("instanceof tells each class of errors from others, and classes that extend it", () => {
  class Own extends quiver.WorkerDiedError {}
  const death = { reason: "it ended" };
  const [own, died] = [new Own("own", death), new quiver.WorkerDiedError("died", death)];
  assertEquals([own instanceof Own, died instanceof Own], [true, false]);
  const classes = Object.entries(quiver).filter(([, value]) =>
    typeof value === "function" && value.prototype instanceof Error
  );
  const known = (error: unknown) =>
    classes.filter(([, Class]) => error instanceof (Class as typeof Error)).map(([name]) => name)
      .sort();
  for (const error of [own, died]) assertEquals(known(error), ["QuiverError", "WorkerDiedError"]);
  assertEquals(known(new Error("plain")), []);
  for (const [name, Class] of classes) {
    const marked = Object.getOwnPropertyDescriptor(
      (Class as typeof Error).prototype,
      Symbol.for("quiver.error"),
    );
    assertEquals(marked?.value, name);
  }
});
