// End-to-end: files as arguments, by their content, on every kind of worker.
import {
  cacheScope,
  ChangedArgumentError,
  createMemoryCache,
  Executor,
  file,
  FileError,
  IndigestibleError,
  openBag,
} from "@quiver/quiver";
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { encodeCheckedLine } from "../../src/disk/checked_line.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { Gate } from "../executor/gate.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Tool } from "../tools.ts";
import { CACHES, Files } from "./_files.ts";
import {
  append,
  changeAndRead,
  describe,
  giveInput,
  list,
  readByName,
  readLate,
  sizeOf,
} from "./testdata/file_tasks.ts";

leaveNothing();

const MKFIFO = Tool.find("mkfifo");

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

for (const [name, open] of Object.entries(CACHES)) {
  Deno.test(`file() counts by content, at any depth and wherever it lies, in ${name}`, async () => {
    await using files = new Files();
    const cache = await open(files.root);
    const [one, two] = [files.at("one"), files.at("two")];
    Deno.writeTextFileSync(one, "a,b");
    const call = (path: string) => describe({ tables: [file(path)] }, files.log);
    await cacheScope({ cache }, async () => {
      const bytes = new TextEncoder().encode("a,b");
      const known = { digest: sha256("a,b"), size: 3, text: "a,b", bytes, streamed: "a,b" };
      assertEquals(await call(one), { path: one, ...known });
      // The same bytes elsewhere, at another time, by another name.
      Deno.renameSync(one, two);
      files.age(two);
      assertEquals(await call(two), { path: one, ...known });
      assert(await describe.contains({ tables: [file(two)] }, "another log"));
      assertEquals((await describe.load({ tables: [file(two)] }, files.log))?.text, "a,b");
      assertEquals(files.runs, 1);
      Deno.writeTextFileSync(two, "a,c");
      assertEquals((await call(two))?.text, "a,c");
      assertEquals(files.runs, 2);
      Deno.writeTextFileSync(two, "a,b");
      assertEquals((await call(two))?.text, "a,b");
      assertEquals(files.runs, 2);
    });
    await cache[Symbol.asyncDispose]?.();
  });
}

for (const workerType of WORKER_TYPES) {
  for (const name of ["a memory cache", "a bag"]) {
    Deno.test(`${workerType}: a handle reads what its key was made of, with ${name}`, async () => {
      await using files = new Files();
      const cache = await CACHES[name]?.(files.root);
      const path = files.at("table");
      await cacheScope({ cache }, async () => {
        await using executor = new Executor({ workerType, maxWorkers: 1 });
        for (const text of ["one", "two", "one"]) {
          Deno.writeTextFileSync(path, text);
          const future = executor.submit(describe, { tables: [file(path)] }, files.log);
          const seen = await future;
          assertEquals([seen?.text, seen?.streamed, seen?.digest], [text, text, sha256(text)]);
        }
      });
      assertEquals(files.runs, 2);
      await cache?.[Symbol.asyncDispose]?.();
    });
  }

  Deno.test(`${workerType}: a file that changes before the body begins is an error`, async () => {
    await using files = new Files();
    const path = files.at("table");
    Deno.writeTextFileSync(path, "before");
    await using bag = await openBag(files.at("results.bag"));
    await cacheScope({ cache: bag }, async () => {
      await using gate = new Gate();
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const busy = executor.submit(readLate, file(files.writeOld("busy", "")), gate.path);
      await gate.reached(1);
      const waiting = executor.submit(sizeOf, file(path), files.log);
      // Its key is made as soon as the file was looked at.
      const key = await sizeOf.digest(file(path), files.log);
      while (waiting.key === undefined) await new Promise((resolve) => setTimeout(resolve));
      assertEquals(waiting.key, key);
      Deno.writeTextFileSync(path, "behind");
      gate.open();
      const error = await assertRejects(() => waiting, ChangedArgumentError);
      assertEquals(error.path, "args[0]");
      assert(error.message.includes(path), error.message);
      await busy;
      assertEquals(files.runs, 0);
      assertEquals(await bag.contains(key), false);
      assertEquals(await executor.submit(sizeOf, file(path), files.log), 6);
    });
  });

  Deno.test(`${workerType}: a body that changes its own file is not remembered`, async () => {
    await using files = new Files();
    const path = files.at("table");
    await using bag = await openBag(files.at("results.bag"));
    await cacheScope({ cache: bag }, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      for (let i = 0; i < 2; i++) {
        Deno.writeTextFileSync(path, "text");
        const key = await append.digest(file(path));
        await assertRejects(() => executor.submit(append, file(path)), ChangedArgumentError, path);
        assertEquals(await bag.contains(key), false);
        Deno.writeTextFileSync(path, "text");
        await assertRejects(() => executor.submit(changeAndRead, file(path)), FileError, "changed");
      }
    });
  });
}

Deno.test("file() counts a change that leaves size and time as they were", async () => {
  await using files = new Files();
  await using bag = await openBag(files.at("results.bag"));
  const path = files.writeOld("table", "one");
  await cacheScope({ cache: bag }, async () => {
    const keys = new Set<string>();
    for (const text of ["one", "two", "six"]) {
      files.writeOld("table", text);
      keys.add(await sizeOf.digest(file(path), files.log));
    }
    assertEquals(keys.size, 3);
  });
});

/** What the bag remembers of files. */
function readDigests(bag: string): string[] {
  const text = Deno.readTextFileSync(`${bag}/files.jsonl`);
  return text.split("\n").filter((line) => line !== "");
}

/** A file whose times are all so long ago that its digest is remembered: one that is there anyway. */
const OLD = new URL("../../LICENSE", import.meta.url);

Deno.test("file() hashes an unchanged file once, for all programs that use the bag", async () => {
  await using files = new Files();
  const path = files.at("results.bag");
  const digest = async (hash: "changed" | "always" = "changed") => {
    await using bag = await openBag(path);
    return await cacheScope({ cache: bag }, () => sizeOf.digest(file(OLD, { hash }), files.log));
  };
  const key = await digest();
  const [line = "", ...more] = readDigests(path);
  assertEquals(more, []);
  assertEquals(JSON.parse(line).digest, sha256(Deno.readTextFileSync(OLD)));
  assertEquals(await digest(), key);
  assertEquals(await digest("always"), key);
  assertEquals(readDigests(path), [line]);
  // A lie that would be believed: who asks again does not read the file.
  lie(path, line);
  assertNotEquals(await digest(), key);
  assertEquals(await digest("always"), key);
  // What is damaged, or something else, is hashed again.
  for (const damage of [line.slice(0, 40), line.replace('"size"', '"sice"'), "\0\n{}\n"]) {
    Deno.writeTextFileSync(`${path}/files.jsonl`, `\n${damage}\n`);
    assertEquals(await digest(), key);
  }
});

/** Has a bag say of a file that it holds something else. */
function lie(bag: string, line: string): void {
  const { crc: _, ...fields } = JSON.parse(line);
  const text = JSON.stringify({ ...fields, digest: "0".repeat(64) }).slice(0, -1);
  Deno.writeFileSync(`${bag}/files.jsonl`, encodeCheckedLine(text));
}

for (const workerType of WORKER_TYPES) {
  Deno.test(`${workerType}: a worker does not hash again what was hashed`, async () => {
    await using files = new Files();
    const path = files.at("results.bag");
    {
      await using bag = await openBag(path);
      await cacheScope({ cache: bag }, () => sizeOf.digest(file(OLD), files.log));
    }
    lie(path, readDigests(path)[0] ?? "");
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      await using executor = new Executor({ workerType, maxWorkers: 1 });
      const { size } = Deno.statSync(OLD);
      // Who hashed it would find that it is not what the key was made of, as who reads it does.
      assertEquals(await executor.submit(sizeOf, file(OLD), files.log), size);
      const future = executor.submit(describe, { tables: [file(OLD)] }, files.log);
      await assertRejects(() => future, FileError, "has changed");
    });
    assertEquals(files.runs, 2);
  });
}

Deno.test("a bag that is only read takes no note of files", async () => {
  await using files = new Files();
  const path = files.at("results.bag");
  await (await openBag(path)).close();
  await using bag = await openBag(path, { mode: "read" });
  await cacheScope({ cache: bag }, () => sizeOf.digest(file(OLD), files.log));
  assertThrows(() => readDigests(path), Deno.errors.NotFound);
});

Deno.test("a link in the place of a bag's note of files costs a warning, not the call", async () => {
  await using files = new Files();
  const path = files.at("results.bag");
  await (await openBag(path)).close();
  Deno.writeTextFileSync(files.at("precious"), "precious");
  Deno.symlinkSync(files.at("precious"), `${path}/files.jsonl`);
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await using bag = await openBag(path);
  await cacheScope({ cache: bag, onWarning }, async () => {
    assertEquals(await sizeOf(file(OLD), files.log), Deno.statSync(OLD).size);
  });
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes("files.jsonl"), warnings[0]);
  assertEquals(Deno.readTextFileSync(files.at("precious")), "precious");
});

Deno.test("file() of a directory counts names, contents, what may run, and where links lead", async () => {
  await using files = new Files();
  const root = files.at("folder");
  Deno.mkdirSync(`${root}/deep/empty`, { recursive: true });
  Deno.writeTextFileSync(`${root}/deep/a`, "a");
  Deno.symlinkSync("deep/a", `${root}/link`);
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const key = () => list.digest(file(root), files.log);
    const first = await key();
    assertEquals(await list(file(root), files.log), ["deep", "link"]);
    // Times do not count, nor where the directory is.
    files.age(`${root}/deep/a`);
    Deno.renameSync(root, files.at("moved"));
    Deno.renameSync(files.at("moved"), root);
    assertEquals(await key(), first);
    const keys = [first];
    const changes: (() => void)[] = [
      () => Deno.writeTextFileSync(`${root}/deep/a`, "b"),
      () => Deno.renameSync(`${root}/deep/a`, `${root}/deep/b`),
      () => Deno.chmodSync(`${root}/deep/b`, 0o755),
      () => Deno.mkdirSync(`${root}/deep/empty/more`),
      () => {
        Deno.removeSync(`${root}/link`);
        Deno.symlinkSync("deep/b", `${root}/link`);
      },
      () => Deno.removeSync(`${root}/link`),
      () => Deno.writeTextFileSync(`${root}/link`, "deep/b"),
    ];
    for (const change of changes) {
      change();
      keys.push(await key());
    }
    assertEquals(new Set(keys).size, keys.length);
    await assertRejects(
      () => describe({ tables: [file(root)] }, files.log),
      FileError,
      "is a directory",
    );
  });
});

Deno.test("a path is a text, whatever becomes of the file", async () => {
  await using files = new Files();
  const path = files.at("table");
  await cacheScope({ cache: createMemoryCache() }, async () => {
    Deno.writeTextFileSync(path, "one");
    assertEquals(await readByName(path), "one");
    Deno.writeTextFileSync(path, "two");
    assertEquals(await readByName(path), "one");
  });
});

Deno.test("file() needs no cache: then the body reads what is there", async () => {
  await using files = new Files();
  const path = files.at("table");
  Deno.writeTextFileSync(path, "one");
  const { text, digest } = await describe({ tables: [file(path)] }, files.log) ?? {};
  assertEquals([text, digest], ["one", undefined]);
});

Deno.test("file() refuses what is no path, and options that it does not have", () => {
  for (const path of ["", "a\0b", "https://example.com/a", new URL("data:,a")]) {
    if (path === "https://example.com/a") assertEquals(file(path).path.endsWith(path), true);
    else assertThrows(() => file(path), TypeError, "Cannot take a file as an argument");
  }
  assertThrows(() => file(new URL("https://example.com/a")), TypeError, "no file of this machine");
  // @ts-expect-error: types do not hold in JavaScript.
  assertThrows(() => file(1), TypeError, "number is no path");
  // @ts-expect-error: types do not hold in JavaScript.
  assertThrows(() => file("a", { hash: "never" }), TypeError, "hash");
  // @ts-expect-error: types do not hold in JavaScript.
  assertThrows(() => file("a", { hsah: "always" }), TypeError, "hsah");
});

Deno.test({
  ...MKFIFO.forTest("file() fails the call, and only that, of what is no file that can be read"),
  fn: refuseOthers,
});

async function refuseOthers(): Promise<void> {
  await using files = new Files();
  const missing = files.at("missing");
  const fifo = files.at("fifo");
  const socket = files.at("socket");
  const folder = files.at("folder");
  Deno.mkdirSync(folder);
  assertEquals(MKFIFO.run(fifo).code, 0);
  const listen = `Deno.listen({ transport: "unix", path: ${JSON.stringify(socket)} }); Deno.exit()`;
  await new Deno.Command(Deno.execPath(), { args: ["eval", listen] }).output();
  Deno.symlinkSync(missing, files.at("dangling"));
  Deno.symlinkSync(fifo, `${folder}/ok`);
  await cacheScope({ cache: createMemoryCache() }, async () => {
    const cases: (readonly [path: string, says: string])[] = [
      [missing, "there is no such file"],
      [files.at("dangling"), "there is no such file"],
      [`${missing}/below`, "there is no such file"],
      [fifo, "it is a pipe"],
      [socket, "it is a socket"],
      ["/dev/null", "it is a device"],
    ];
    for (const [path, says] of cases) {
      const error = await assertRejects(() => sizeOf(file(path), files.log), FileError, says);
      assertEquals(error.path, path);
      assert(error.message.includes(path), error.message);
    }
    // A link is not followed, so that it does not matter where it leads; what is there does.
    assertEquals(await list(file(folder), files.log), ["ok"]);
    Deno.renameSync(fifo, `${folder}/pipe`);
    await assertRejects(() => list(file(folder), files.log), FileError, "it is a pipe");
  });
  assertEquals(files.runs, 1);
}

Deno.test("file() is no result, as nobody has its bytes: outputFile() is", async () => {
  await using files = new Files();
  const warnings: unknown[] = [];
  const onWarning = ({ cause }: { cause?: unknown }) => void warnings.push(cause);
  const path = files.at("table");
  await cacheScope({ cache: createMemoryCache(), onWarning }, async () => {
    assertEquals((await giveInput(path)).path, path);
  });
  assert(warnings[0] instanceof IndigestibleError);
  assert(warnings[0].message.includes("outputFile(path)"), warnings[0].message);
});

Deno.test("a file that may not be read is an error that names the flag, and nothing else is", async () => {
  await using files = new Files();
  const path = files.writeOld("table", "text");
  const program = files.at("program.ts");
  await Deno.writeTextFile(
    program,
    `import { cacheScope, createMemoryCache, file, task } from ${
      JSON.stringify(new URL("../../mod.ts", import.meta.url))
    };
    const sizeOf = task(import.meta, (table) => table.size, { name: "sizeOf" });
    await cacheScope({ cache: createMemoryCache() }, async () => {
      console.log(await sizeOf(file(new URL(${JSON.stringify(OLD)}))));
      await sizeOf(file(${JSON.stringify(path)}));
    });`,
  );
  const config = new URL("../../deno.json", import.meta.url).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-check",
      `--config=${config}`,
      "--allow-read",
      `--deny-read=${path}`,
      program,
    ],
  }).output();
  const [out, text] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  assertEquals(success, false);
  assertEquals(out, `${Deno.statSync(OLD).size}\n`);
  assert(text?.includes(`Requires read access to "${path}"`), text);
});
