// End-to-end: files as results: stored with their bytes, and put back where they are missing.
import {
  type Cache,
  cacheScope,
  ChangedArgumentError,
  createMemoryCache,
  Executor,
  file,
  FileError,
  type FileHandle,
  openBag,
  outputFile,
} from "@quiver/quiver";
import { openFileCache, query, readOnly, stack, verifyBag } from "@quiver/quiver/caches";
import { assert, assertEquals, assertNotEquals, assertRejects, assertThrows } from "@std/assert";
import { CHUNK_BYTES } from "../../src/value/file/stored_file.ts";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { CACHES, Files, openCache } from "./_files.ts";
import {
  append,
  claim,
  link,
  sizeOf,
  write,
  writeTree,
  writeWhereTold,
} from "./testdata/file_tasks.ts";

leaveNothing();

/** Runs in a scope with a directory of outputs of its own. */
function within<R>(files: Files, cache: Cache, fn: () => Promise<R>): Promise<R> {
  return cacheScope({ cache, outputs: files.root }, fn);
}

for (const [name, open] of Object.entries(CACHES)) {
  Deno.test(`outputFile() is put back where it is missing or differs, from ${name}`, async () => {
    await using files = new Files();
    const cache = await open(files.root);
    await within(files, cache, async () => {
      const call = () => write("some/out.bin", 10_000, files.log);
      const path = files.at("some/out.bin");
      const { output } = await call();
      const bytes = Deno.readFileSync(path);
      assertEquals([output.path, output.size], [path, 10_000]);
      const changes: (() => void)[] = [
        () => Deno.removeSync(path),
        () => Deno.removeSync(files.at("some"), { recursive: true }),
        () => Deno.writeTextFileSync(path, "other"),
        // As many bytes as there were.
        () => Deno.writeFileSync(path, new Uint8Array(10_000)),
        () => Deno.truncateSync(path, 0),
        () => {
          Deno.removeSync(path);
          Deno.symlinkSync(files.log, path);
        },
      ];
      for (const change of changes) {
        change();
        const again = await call();
        assertEquals(Deno.readFileSync(path), bytes);
        assertEquals(Deno.lstatSync(path).isFile, true);
        assertEquals([again.output.path, again.output.digest], [path, output.digest]);
        assertEquals(await again.output.bytes(), bytes);
      }
      assertEquals(files.runs, 1);
      assertEquals(Array.from(Deno.readDirSync(files.at("some")), ({ name }) => name), ["out.bin"]);
      // The log, to which the link led.
      assertEquals(Deno.readTextFileSync(files.log), ".");
    });
    await cache[Symbol.asyncDispose]?.();
  });
}

for (const workerType of WORKER_TYPES) {
  for (const name of ["a memory cache", "a bag"]) {
    Deno.test(`${workerType}: what a body writes there is put back here, from ${name}`, async () => {
      await using files = new Files();
      const cache = await openCache(name, files);
      await within(files, cache, async () => {
        await using executor = new Executor({ workerType, maxWorkers: 1 });
        const call = () => executor.submit(write, "out/out.bin", 5000, files.log);
        const { output } = await call();
        assertEquals((await output.bytes()).length, 5000);
        await Deno.remove(output.path);
        const [again] = await Promise.all([call(), call()]);
        assertEquals(again.output.path, files.at("out/out.bin"));
        assertEquals(Deno.statSync(again.output.path).size, 5000);
        // As an argument it is what the file is.
        assertEquals(await executor.submit(sizeOf, again.output, files.log), 5000);
        assertEquals(await executor.submit(sizeOf, file(output.path), files.log), 5000);
        assertEquals(files.runs, 2);
      });
      await cache[Symbol.asyncDispose]?.();
    });
  }
}

Deno.test("outputFile() leaves a file alone that is as it should be", async () => {
  await using files = new Files();
  await within(files, createMemoryCache(), async () => {
    const { output } = await write("out/a", 100, files.log);
    files.age(output.path);
    const before = Deno.statSync(output.path);
    await write("out/a", 100, files.log);
    const { ino, mtime } = Deno.statSync(output.path);
    assertEquals([ino, mtime], [before.ino, before.mtime]);
  });
});

Deno.test("outputFile() of any size survives a fold, gc, a transfer and a check", async () => {
  await using files = new Files();
  const path = files.at("results.bag");
  const sizes = [0, 1, 4095, CHUNK_BYTES - 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 1];
  const call = (size: number) => write(`out/${size}`, size, files.log);
  const check = async (cache: Cache) => {
    await Deno.remove(files.at("out"), { recursive: true });
    for (const size of sizes) {
      const { output } = await call(size);
      const bytes = Deno.readFileSync(output.path);
      assertEquals(bytes.length, size);
      assert(bytes.every((byte, i) => byte === i % 251));
    }
    assertEquals(cache.statistics().misses, 0);
    assertEquals(files.runs, sizes.length);
  };
  {
    await using bag = await openBag(path);
    await within(files, bag, async () => {
      for (const size of sizes) await call(size);
    });
  }
  {
    await using bag = await openBag(path);
    assertEquals((await bag.gc({ gracePeriod: 0 })).values, 0);
    await within(files, bag, () => check(bag));
  }
  const report = await verifyBag(path);
  assertEquals(report.sound, true);
  {
    await using bag = await openBag(path);
    const copy = createMemoryCache();
    assertEquals((await query(bag).transfer(copy)).copied, sizes.length);
    await within(files, copy, () => check(copy));
    // Without its calls nothing of the files is left.
    await bag.evict(write);
    assert((await bag.gc({ gracePeriod: 0 })).bytes > 3 * CHUNK_BYTES);
    assertEquals(bag.statistics().storage?.sealedValues, 0);
  }
});

Deno.test("outputFile() of a directory is put back file by file, and others in it stay", async () => {
  await using files = new Files();
  await using bag = await openBag(files.at("results.bag"));
  await within(files, bag, async () => {
    const call = () => writeTree("out/tree", files.log);
    const tree = await call();
    const root = files.at("out/tree");
    assertEquals([tree.path, tree.size], [root, 12]);
    const look = () => ({
      one: Deno.readTextFileSync(`${root}/deep/er/one`),
      link: Deno.readLinkSync(`${root}/link`),
      empty: [...Deno.readDirSync(`${root}/empty`)],
      runs: Deno.build.os === "windows" || (Deno.statSync(`${root}/run.sh`).mode ?? 0) & 0o100,
      script: Deno.readTextFileSync(`${root}/run.sh`),
    });
    const before = look();
    const changes: (() => void)[] = [
      () => Deno.removeSync(root, { recursive: true }),
      () => Deno.removeSync(`${root}/deep`, { recursive: true }),
      () => Deno.removeSync(`${root}/empty`),
      () => Deno.writeTextFileSync(`${root}/deep/er/one`, "two"),
      () => Deno.chmodSync(`${root}/run.sh`, 0o644),
      () => {
        Deno.removeSync(`${root}/link`);
        Deno.symlinkSync("run.sh", `${root}/link`);
      },
    ];
    for (const change of changes) {
      change();
      const { digest } = await call();
      assertEquals(look(), before);
      assertEquals(digest, tree.digest);
    }
    Deno.writeTextFileSync(`${root}/mine`, "mine");
    // What a process has left that was killed while it put a file back, and what one is writing now.
    Deno.removeSync(`${root}/deep/er/one`);
    Deno.writeTextFileSync(`${root}/deep/er/.quiver-0123456789ab.tmp`, "o");
    using writing = Deno.openSync(`${root}/deep/er/.quiver-ba9876543210.tmp`, {
      ...{ write: true, create: true },
    });
    writing.lockSync(true);
    await call();
    const left = Array.from(Deno.readDirSync(`${root}/deep/er`), ({ name }) => name).sort();
    assertEquals(left, [".quiver-ba9876543210.tmp", "one"]);
    assertEquals(Deno.readTextFileSync(`${root}/mine`), "mine");
    assertEquals(files.runs, 1);
  });
});

Deno.test("outputFile() fails the call whose output is not there, or is there twice", async () => {
  await using files = new Files();
  const [there, folder] = [files.at("there"), files.at("folder")];
  Deno.writeTextFileSync(there, "text");
  Deno.mkdirSync(folder);
  Deno.writeTextFileSync(`${folder}/inside`, "text");
  await within(files, createMemoryCache(), async () => {
    const cases: (readonly [names: readonly string[], says: string])[] = [
      [["missing"], "there is no such file"],
      [["there", "missing"], "there is no such file"],
      [["there", "./there"], "give each once"],
      [["there", there], "give each once"],
      [["folder", "folder/inside"], "give each once"],
    ];
    for (const [names, says] of cases) {
      await assertRejects(() => claim(...names), FileError, says);
      assertEquals(await claim.contains(...names), false);
    }
    // Once it is there, all is well.
    Deno.writeTextFileSync(files.at("missing"), "text");
    assertEquals((await claim("missing")).length, 1);
  });
});

Deno.test("outputFile() refuses a path that leads upwards, or is none", () => {
  for (const path of ["", ".", "./", "..", "../a", "a/../../b", "/a/../b", "a\0b"]) {
    assertThrows(() => outputFile(path), TypeError, "Cannot give a file as an output");
  }
  assertThrows(() => outputFile(new URL("https://example.com/a")), TypeError);
  assertEquals(outputFile("a//b/./c").path, `${Deno.cwd()}/a/b/c`);
});

Deno.test("outputFile() does not follow links out of a directory, neither there nor back", async () => {
  await using files = new Files();
  await within(files, createMemoryCache(), async () => {
    for (const target of ["/etc", "../..", "a/../../b"]) {
      await assertRejects(() => link(target), FileError, "leads out of it");
      await Deno.remove(files.at("linked"), { recursive: true });
    }
    assertEquals((await link("a/../b")).size, 0);
  });
});

Deno.test("a hit writes nothing outside of the directory of outputs, but where the caller says so", async () => {
  await using files = new Files();
  const cache = createMemoryCache();
  const path = files.at("elsewhere/out");
  const told = files.writeOld("told", path);
  Deno.mkdirSync(files.at("elsewhere"));
  Deno.mkdirSync(files.at("own"));
  const warnings: string[] = [];
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  const call = (outputs: string, ...args: string[]) =>
    cacheScope(
      { cache, outputs, onWarning },
      () => writeWhereTold(file(told), args.join() || files.log),
    );
  assertEquals((await call(files.at("own"))).path, path);
  assertEquals(warnings.length, 1);
  assert(warnings[0]?.includes("set `outputs`"), warnings[0]);
  // What is there is as it should be: nothing is to be written.
  assertEquals(await (await call(files.at("own"))).text(), "text");
  for (const change of [() => Deno.removeSync(path), () => Deno.writeTextFileSync(path, "mine")]) {
    change();
    const error = await assertRejects(() => call(files.at("own")), FileError, "is outside of");
    assertEquals(error.path, path);
    assert(error.message.includes("set `outputs`"), error.message);
  }
  assertEquals(Deno.readTextFileSync(path), "mine");
  // One that only begins alike is another one.
  await assertRejects(() => call(files.at("else")), FileError, "is outside of");
  for (const says of [path, files.at("elsewhere/"), files.at("own/../elsewhere/./out")]) {
    Deno.writeTextFileSync(path, "mine");
    assertEquals(await (await call(files.at("own"), says)).text(), "text");
  }
  Deno.removeSync(path);
  await assertRejects(() => call(files.at("own"), files.root), FileError, "is outside of");
  assertEquals(await (await call(files.root)).text(), "text");
  assertEquals(files.runs, 1);
});

Deno.test("a hit writes nothing behind a link, nor over something else", async () => {
  await using files = new Files();
  const outputs = files.at("own");
  const outside = files.at("outside");
  const cache = createMemoryCache();
  const call = () => cacheScope({ cache, outputs }, () => writeTree("sub/tree", files.log));
  await call();
  Deno.removeSync(`${outputs}/sub`, { recursive: true });
  Deno.mkdirSync(outside);
  const links = ["sub", "sub/tree", "sub/tree/deep", "sub/tree/deep/er"];
  for (const name of links) {
    Deno.mkdirSync(`${outputs}/${name.slice(0, name.lastIndexOf("/") + 1)}`, { recursive: true });
    Deno.symlinkSync(outside, `${outputs}/${name}`);
    await assertRejects(call, FileError, "symbolic link");
    assertEquals([...Deno.readDirSync(outside)], []);
    Deno.removeSync(`${outputs}/sub`, { recursive: true });
  }
  Deno.mkdirSync(`${outputs}/sub/tree/run.sh/mine`, { recursive: true });
  await assertRejects(call, FileError, "there is a directory in its place");
  Deno.removeSync(`${outputs}/sub`, { recursive: true });
  Deno.mkdirSync(`${outputs}/sub`);
  Deno.writeTextFileSync(`${outputs}/sub/tree`, "mine");
  await assertRejects(call, FileError, "there is a file in its place");
  assertEquals(Deno.readTextFileSync(`${outputs}/sub/tree`), "mine");
  assertEquals(files.runs, 1);
});

Deno.test("a piece of a file that is lost is a miss, and heals", async () => {
  await using files = new Files();
  const cache = await openCache("a file cache", files);
  await within(files, cache, async () => {
    const call = () => write("out/a", CHUNK_BYTES + 5000, files.log);
    const { output } = await call();
    const bytes = Deno.readFileSync(output.path);
    const large = [...walk(files.at("results"))].filter(({ size }) => size > 4000);
    assertEquals(large.length, 2);
    for (const { path } of large) {
      Deno.truncateSync(path, 100);
      Deno.removeSync(output.path);
      await call();
      assertEquals(Deno.readFileSync(output.path), bytes);
    }
    assertEquals(files.runs, 3);
  });
  await cache[Symbol.asyncDispose]?.();
});

Deno.test("stack() takes a piece of a file that mine has lost from theirs, and gives it back to mine", async () => {
  await using files = new Files();
  await using theirs = await openFileCache(files.at("theirs"));
  await using mine = await openFileCache(files.at("mine"));
  const call = (cache: Cache) => within(files, cache, () => write("out/a", 5000, files.log));
  const { output } = await call(theirs);
  const bytes = Deno.readFileSync(output.path);
  const both = stack(mine, readOnly(theirs));
  await call(both);
  for (const damage of [Deno.removeSync, (path: string) => Deno.truncateSync(path, 100)]) {
    for (const { path } of [...walk(files.at("mine"))].filter(({ size }) => size > 4000)) {
      damage(path);
      Deno.removeSync(output.path);
      const { output: again } = await call(both);
      assertEquals(await again.bytes(), bytes);
      assertEquals(Deno.readFileSync(output.path), bytes);
      Deno.removeSync(output.path);
      await call(mine);
      assertEquals(Deno.readFileSync(output.path), bytes);
    }
  }
  assertEquals(files.runs, 1);
});

Deno.test("a transfer leaves out a call whose file has lost a piece, and goes on", async () => {
  await using files = new Files();
  await using cache = await openFileCache(files.at("results"));
  await within(files, cache, async () => {
    for (const name of ["a", "b", "c"]) await write(name, 5000 + name.charCodeAt(0), files.log);
  });
  const [piece] = [...walk(files.at("results"))].filter(({ size }) => size > 4000);
  Deno.removeSync(piece?.path ?? "");
  const other = createMemoryCache();
  assertEquals(await query(cache).transfer(other), { copied: 2, kept: 0, failed: 1 });
  assertEquals((await Array.fromAsync(other.records())).length, 2);
});

function* walk(folder: string): Generator<{ readonly path: string; readonly size: number }> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    const path = `${folder}/${name}`;
    if (isDirectory) yield* walk(path);
    else yield { path, size: Deno.statSync(path).size };
  }
}

Deno.test("FileHandle.copyTo() puts a file or directory elsewhere", async () => {
  await using files = new Files();
  await within(files, createMemoryCache(), async () => {
    const { output } = await write("out/a", 5000, files.log);
    const tree = await writeTree("out/tree", files.log);
    await output.copyTo(files.at("copies/a"));
    await tree.copyTo(new URL(`file://${files.at("copies/tree")}`));
    await file(files.at("out")).copyTo(files.at("copies/whole"));
    assertEquals(Deno.readFileSync(files.at("copies/a")), await output.bytes());
    assertEquals(Deno.readTextFileSync(files.at("copies/whole/tree/link")), "one");
    const digest = (path: string) => sizeOf.digest(file(path), files.log);
    assertEquals(
      await digest(files.at("copies/tree")),
      await digest(files.at("copies/whole/tree")),
    );
    assertNotEquals(await digest(files.at("copies/tree")), await digest(files.at("copies/whole")));
    Deno.writeTextFileSync(output.path, "other");
    await assertRejects(() => output.copyTo(files.at("copies/b")), FileError, "has changed");
    assertEquals(Array.from(Deno.readDirSync(files.at("copies")), ({ name }) => name).sort(), [
      "a",
      "tree",
      "whole",
    ]);
  });
});

Deno.test("a stored file is read out of its cache where it was not put back, until that is closed", async () => {
  await using files = new Files();
  const bag = await openBag(files.at("results.bag"));
  const key = await within(files, bag, async () => {
    await write("out/a", 5000, files.log);
    return await write.digest("out/a", 5000, files.log);
  });
  await Deno.remove(files.at("out"), { recursive: true });
  const found = await bag.lookup(key);
  assert(found.hit);
  const { output } = found.value as { output: FileHandle };
  assertEquals((await output.bytes()).length, 5000);
  const record = await bag.record(key);
  const part = await bag.read(record?.result ?? "", "output");
  assertEquals((await (part as FileHandle).bytes()).length, 5000);
  await output.copyTo(files.at("copy"));
  assertEquals(Deno.statSync(files.at("copy")).size, 5000);
  await bag.close();
  await assertRejects(() => output.bytes(), Error, "it is closed");
});

Deno.test("a result that has changed since is an error as an argument, and its body runs once", async () => {
  await using files = new Files();
  await within(files, createMemoryCache(), async () => {
    const { output } = await write("out/a", 100, files.log);
    Deno.writeTextFileSync(output.path, "other");
    const before = files.runs;
    const error = await assertRejects(() => sizeOf(output, files.log), ChangedArgumentError);
    assertEquals(error.path, "args[0]");
    assertEquals(files.runs, before);
    // It is put back by the call that it comes from.
    const again = await write("out/a", 100, files.log);
    assertEquals(await sizeOf(again.output, files.log), 100);
    await assertRejects(() => append(again.output), ChangedArgumentError, "while its body ran");
    assertEquals(Deno.statSync(output.path).size, 104);
  });
});
