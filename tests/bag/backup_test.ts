// end-to-end: copies of a bag that are bags themselves, and what is refused
import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  BagCorruptError,
  BagFormatError,
  type Cache,
  cacheScope,
  openBag,
  task,
} from "@quiver/quiver";
import { limited, verifyBag } from "@quiver/quiver/caches";
import type { BackupOptions, BackupResult } from "../../src/bag/backup/backup_options.ts";
import { QuiverError } from "../../src/base/errors.ts";
import { FoldLock } from "../../src/bag/manifest.ts";
import { encodeEvictLine } from "../../src/bag/log/call_line.ts";
import { encodeCheckedLine } from "../../src/disk/checked_line.ts";
import type { FileSystem } from "../../src/disk/file_system.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { copyBag } from "../durability/_copy_bag.ts";
import { InlineBags } from "../durability/_inline_bags.ts";
import { NOBODY, Tool } from "../tools.ts";
import { BlockDisk } from "./_block_disk.ts";
import { FaultError } from "./_faulty_file_system.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const BAGS = new InlineBags(UNSYNCED_DISK);
const MANUAL = { fold: "manual", memoryBytes: 0 } as const;

const ramp = task(
  import.meta,
  (n: number) => ({ n, ys: Float64Array.from({ length: 1000 }, (_, i) => n + i) }),
  { name: "ramp" },
);

/** What a call of the task stores, in bytes. */
const CALL_BYTES = 8000;

function backUp(
  root: string,
  directory: string,
  options: BackupOptions = {},
): Promise<BackupResult> {
  return BAGS.backUp(root, directory, options);
}

async function call(path: string, ns: readonly number[], fold = false): Promise<void> {
  await using bag = await BAGS.open(path, MANUAL);
  await cacheScope({ cache: bag, strict: true }, () => Promise.all(ns.map((n) => ramp(n))));
  if (fold) await bag.fold();
}

/** Which calls a bag has; it is whole. */
async function findCalls(path: string): Promise<number[]> {
  const { sound, missed, steps } = await BAGS.verify(path, { digests: true });
  const found = steps.flatMap(({ findings }) => findings);
  assertEquals([sound, missed, found], [true, 0, []]);
  await using bag = await BAGS.open(path, { mode: "read", memoryBytes: 0 });
  const ns: number[] = [];
  for (let n = 0; n < 20; n++) if ((await bag.lookup(await ramp.digest(n))).hit) ns.push(n);
  return ns;
}

/** All files below a directory, as they are: contents, and which file it is. Locks say who came last. */
function look(path: string): Map<string, string> {
  const isKept = (name: string) =>
    !name.includes("locks/") && Deno.lstatSync(`${path}/${name}`).isFile;
  return new Map(
    listFiles(path).filter(isKept).map((name) => {
      const { ino, mtime, mode } = Deno.statSync(`${path}/${name}`);
      const content = new TextDecoder("latin1").decode(Deno.readFileSync(`${path}/${name}`));
      return [name, [ino, mtime?.getTime(), mode, content].join()];
    }),
  );
}

Deno.test("Bag.backup() copies what is in segments and in journals, the own open one included", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await call(`${path}/bag`, [0, 1], true);
  await using bag = await openBag(`${path}/bag`, { fold: "manual" });
  await cacheScope({ cache: bag, strict: true }, () => ramp(2));
  const told: number[] = [];
  const progress = { update: ({ bytes }: { bytes: number }) => void told.push(bytes) };
  const result = await bag.backup(new URL(`file://${path}/backup`), { progress });
  assertEquals([result.path, result.calls, result.removed], [`${path}/backup`, 3, 0]);
  assertEquals(result.linked, 2);
  assert((await verifyBag(`${path}/backup`, { digests: true })).sound);
  assertEquals(await findCalls(`${path}/backup`), [0, 1, 2]);
  // What is put later is in the bag alone.
  await cacheScope({ cache: bag, strict: true }, () => ramp(3));
  assertEquals(await findCalls(`${path}/backup`), [0, 1, 2]);
  // A copy is a bag like any other.
  await call(`${path}/backup`, [4], true);
  assertEquals(await findCalls(`${path}/backup`), [0, 1, 2, 4]);
  assertEquals(await findCalls(`${path}/bag`), [0, 1, 2, 3]);
});

Deno.test("Bag.backup() onto an older backup copies only what is new, and drops what the bag has dropped", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1, 2, 3, 4, 5, 6, 7], true);
  const first = await backUp(root, target, { links: false });
  assertGreater(first.bytes, 8 * CALL_BYTES);
  const nothing = await backUp(root, target, { links: false });
  assertEquals([nothing.copied, nothing.bytes, nothing.removed, nothing.calls], [0, 0, 0, 8]);
  {
    await using bag = await BAGS.open(root, MANUAL);
    for (const n of [8, 9]) {
      await cacheScope({ cache: bag, strict: true }, () => ramp(n));
      // A journal that grows, and the log.
      const { bytes, copied, calls } = await backUp(root, target, { links: false });
      assertEquals([copied, calls], [2, n + 1]);
      assert(bytes > CALL_BYTES && bytes < 1.5 * CALL_BYTES, `${bytes} bytes were copied`);
    }
    assertEquals(await findCalls(target), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    await bag.evict(await ramp.digest(0));
    await bag.compact({ gracePeriod: 0 });
  }
  const before = listFiles(target);
  const { removed, calls } = await backUp(root, target, { links: false });
  assertEquals([calls, await findCalls(target)], [9, [1, 2, 3, 4, 5, 6, 7, 8, 9]]);
  assertGreater(removed, 2);
  assertEquals(before.filter((name) => name.startsWith("journal/")).length, 1);
  assertEquals(listFiles(target).filter((name) => name.startsWith("journal/")), []);
  assertEquals(listFiles(`${target}/segments`).length, 2);
});

Deno.test("Bag.backup() links sealed segments, never what is appended to, and nothing without links", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await call(`${path}/bag`, [0], true);
  await call(`${path}/bag`, [1]);
  for (const links of [true, false]) {
    const target = `${path}/${links}`;
    await backUp(`${path}/bag`, target, { links });
    for (const name of listFiles(target)) {
      const isShared = Deno.statSync(`${target}/${name}`).nlink === 2;
      assertEquals(isShared, links && name.startsWith("segments/"), name);
    }
  }
});

Deno.test("Bag.backup() goes on after a backup was opened and folded as a bag", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  for (let n = 0; n < 6; n++) {
    // Both fold what the other has in a journal, into segments of the same name.
    await call(root, [n], n % 2 === 1);
    const { calls } = await backUp(root, target, { links: n % 3 === 0 });
    assertEquals(calls, n + 1);
    await call(target, [], true);
    assertEquals(await findCalls(target), Array.from({ length: n + 1 }, (_, i) => i));
  }
});

Deno.test("Bag.backup() leaves a copy of the backup by hard links as it was", async () => {
  using directory = new TemporaryDirectory();
  const [root, target, snapshot] = ["bag", "backup", "snapshot"].map((name) =>
    `${directory.path}/${name}`
  );
  assert(root !== undefined && target !== undefined && snapshot !== undefined);
  await using bag = await BAGS.open(root, MANUAL);
  await cacheScope({ cache: bag, strict: true }, () => ramp(0));
  await backUp(root, target);
  for (const name of listFiles(target)) {
    const to = `${snapshot}/${name}`;
    Deno.mkdirSync(to.slice(0, to.lastIndexOf("/")), { recursive: true });
    Deno.linkSync(`${target}/${name}`, to);
  }
  await cacheScope({ cache: bag, strict: true }, () => ramp(1));
  await backUp(root, target);
  assertEquals(await findCalls(target), [0, 1]);
  assertEquals(await findCalls(snapshot), [0]);
});

Deno.test("Bag.backup() of a bag that was opened with mode: read changes nothing in it", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await call(`${path}/bag`, [0], true);
  await call(`${path}/bag`, [1]);
  const before = look(`${path}/bag`);
  {
    await using bag = await openBag(`${path}/bag`, { mode: "read" });
    assertEquals((await bag.backup(`${path}/backup`, { links: false })).calls, 2);
  }
  assertEquals(look(`${path}/bag`), before);
  assertEquals(await findCalls(`${path}/backup`), [0, 1]);
  // Onto the same one later, though the bag was nameless then.
  await call(`${path}/bag`, [2]);
  assertEquals((await backUp(`${path}/bag`, `${path}/backup`)).calls, 3);
  Deno.renameSync(`${path}/bag`, `${path}/moved`);
  assertEquals((await backUp(`${path}/moved`, `${path}/backup`)).calls, 3);
});

/** A directory that a backup may not be made in, and what is said of it. */
interface Refused {
  readonly name: string;
  readonly kind: typeof QuiverError;
  readonly says: string;
  /** Makes it; gives the directory, and what holds it. */
  prepare(path: string): Promise<string | readonly [directory: string, holder: AsyncDisposable]>;
}

const REFUSED: readonly Refused[] = [
  {
    name: "with something else in it",
    kind: BagFormatError,
    says: 'it holds "notes.txt" and is no backup; choose a directory that is missing or empty',
    async prepare(path) {
      await Deno.mkdir(`${path}/other`);
      await Deno.writeTextFile(`${path}/other/notes.txt`, "mine");
      return `${path}/other`;
    },
  },
  {
    name: "that is another bag",
    kind: BagFormatError,
    says: "and is no backup",
    async prepare(path) {
      await call(`${path}/other`, [5], true);
      return `${path}/other`;
    },
  },
  {
    name: "that is a file",
    kind: BagFormatError,
    says: "it is a file, or lies below one",
    async prepare(path) {
      await Deno.writeTextFile(`${path}/other`, "mine");
      return `${path}/other`;
    },
  },
  {
    name: "inside the bag",
    kind: QuiverError,
    says: "or lies in it; choose a directory beside it",
    prepare: (path) => Promise.resolve(`${path}/bag/segments/backup`),
  },
  {
    name: "inside the bag, behind a link",
    kind: QuiverError,
    says: "or lies in it; choose a directory beside it",
    async prepare(path) {
      await Deno.symlink(`${path}/bag/quarantine`, `${path}/link`);
      await Deno.mkdir(`${path}/bag/quarantine`);
      return `${path}/link/deep/backup`;
    },
  },
  {
    name: "that is the bag by another name",
    kind: QuiverError,
    says: "or lies in it; choose a directory beside it",
    async prepare(path) {
      await Deno.symlink(`${path}/bag`, `${path}/same`);
      return `${path}/same`;
    },
  },
  {
    name: "around the bag",
    kind: QuiverError,
    says: 'bag" lies in it; choose a directory beside it',
    prepare: (path) => Promise.resolve(path),
  },
  {
    name: "with a backup of another bag",
    kind: BagFormatError,
    says: "it is a backup of another bag",
    async prepare(path) {
      await call(`${path}/second`, [5], true);
      await backUp(`${path}/second`, `${path}/other`);
      return `${path}/other`;
    },
  },
  {
    name: "with a backup of a bag that was there before",
    kind: BagFormatError,
    says: "it is a backup of another bag",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      Deno.removeSync(`${path}/bag`, { recursive: true });
      // As many folds as the other one had, and more.
      for (const n of [5, 6, 7]) await call(`${path}/bag`, [n], true);
      return `${path}/other`;
    },
  },
  {
    name: "with a backup that another version has made",
    kind: BagFormatError,
    says: "it has format version 2, and this is Quiver for version 1",
    async prepare(path) {
      await Deno.mkdir(`${path}/other`);
      const text = '{"format":"quiver-backup","version":2,"more":[]';
      await Deno.writeFile(`${path}/other/backup.json`, encodeCheckedLine(text));
      return `${path}/other`;
    },
  },
  {
    name: "whose backup.json is damaged",
    kind: BagFormatError,
    says: "its backup.json is damaged",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      const text = await Deno.readTextFile(`${path}/other/backup.json`);
      await Deno.writeTextFile(`${path}/other/backup.json`, text.replace("path", "hath"));
      return `${path}/other`;
    },
  },
  {
    name: "with a backup that calls were recorded in",
    kind: BagFormatError,
    says: "somebody has used it as a bag, and recorded or forgotten calls in it",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      await call(`${path}/other`, [7]);
      return `${path}/other`;
    },
  },
  {
    name: "with a backup that was compacted after calls were recorded in it",
    kind: BagFormatError,
    says: "somebody has used it as a bag, and recorded or forgotten calls in it",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      await using bag = await BAGS.open(`${path}/other`, MANUAL);
      await bag.evict(ramp);
      await cacheScope({ cache: bag, strict: true }, () => ramp(7));
      await bag.compact({ gracePeriod: 0 });
      return `${path}/other`;
    },
  },
  {
    name: "with a backup that is newer than the bag",
    kind: BagFormatError,
    says: "it is newer than the bag, which is an older copy",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/old`);
      await call(`${path}/bag`, [7], true);
      await backUp(`${path}/bag`, `${path}/other`);
      Deno.removeSync(`${path}/bag`, { recursive: true });
      Deno.renameSync(`${path}/old`, `${path}/bag`);
      return `${path}/other`;
    },
  },
  {
    name: "with a backup of a bag that has gone on otherwise",
    kind: BagFormatError,
    says: "its call log is not how that of the bag begins",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/old`);
      await call(`${path}/bag`, [7]);
      await backUp(`${path}/bag`, `${path}/other`);
      Deno.removeSync(`${path}/bag`, { recursive: true });
      Deno.renameSync(`${path}/old`, `${path}/bag`);
      await call(`${path}/bag`, [8, 9, 10], true);
      return `${path}/other`;
    },
  },
  {
    name: "with a backup that somebody writes to",
    kind: QuiverError,
    says: "it is in use, somebody has it open and writes values",
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      const bag = await BAGS.open(`${path}/other`, MANUAL);
      await bag.putValue("of the backup alone");
      return [`${path}/other`, bag];
    },
  },
  {
    name: "that somebody else backs up into",
    kind: QuiverError,
    says: 'fold.lock" is locked by the process {',
    async prepare(path) {
      await backUp(`${path}/bag`, `${path}/other`);
      const lock = FoldLock.tryTake(UNSYNCED_DISK, toLayout(`${path}/other`));
      assert(lock !== undefined);
      const release = () => Promise.resolve(lock[Symbol.dispose]());
      return [`${path}/other`, { [Symbol.asyncDispose]: release }];
    },
  },
];

for (const { name, kind, says, prepare } of REFUSED) {
  Deno.test(`Bag.backup() refuses a directory ${name}, and leaves it as it is`, async () => {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await call(`${path}/bag`, [0], true);
    await call(`${path}/bag`, [1]);
    const prepared = await prepare(path);
    const [target, holder] = typeof prepared === "string" ? [prepared] : prepared;
    await using _holder = holder;
    const before = look(path);
    const error = await assertRejects(() => backUp(`${path}/bag`, target), kind);
    assertStringIncludes(error.message, "Cannot ");
    assertStringIncludes(error.message, says);
    assertEquals([...look(path).keys()], [...before.keys()]);
    for (const [file, content] of look(path)) {
      if (!file.startsWith("bag/")) assertEquals(content, before.get(file), file);
    }
  });
}

Deno.test("Bag.backup() keeps the older backup when a segment of the bag is lost", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1], true);
  await backUp(root, target, { links: false });
  const [segment = ""] = listFiles(`${root}/segments`).filter((name) => name.endsWith(".h5"));
  Deno.removeSync(`${root}/segments/${segment}`);
  const error = await assertRejects(() => backUp(root, target), BagCorruptError);
  assertEquals(error.file, `${root}/segments/${segment}`);
  assertStringIncludes(error.message, "the backup is as it was");
  assertEquals(await findCalls(target), [0, 1]);
  // It is there for this.
  Deno.copyFileSync(`${target}/segments/${segment}`, `${root}/segments/${segment}`);
  assertEquals((await backUp(root, target)).calls, 2);
});

Deno.test("Bag.backup() copies a bag whose tables are missing or damaged", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1], true);
  for (const content of [undefined, new Uint8Array(100)]) {
    for (const name of listFiles(root).filter((name) => name.endsWith(".index"))) {
      if (content === undefined) Deno.removeSync(`${root}/${name}`);
      else Deno.writeFileSync(`${root}/${name}`, content);
    }
    assertEquals((await backUp(root, target)).calls, 2);
    await (await BAGS.open(target, MANUAL)).close();
    assertEquals(await findCalls(target), [0, 1]);
    await (await BAGS.open(root, MANUAL)).close();
  }
});

Deno.test("Bag.backup() copies a new bag with nothing in it", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, []);
  assertEquals((await backUp(root, target)).calls, 0);
  await call(root, [0]);
  assertEquals((await backUp(root, target)).calls, 1);
  assertEquals(await findCalls(target), [0]);
});

Deno.test("Bag.backup() copies a signed and a limited bag", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  const signingKey = "a key of at least 16 bytes";
  {
    await using bag = await openBag(root, { signingKey });
    const cache = limited(bag, { maxItems: 2, gracePeriod: 0 });
    for (const n of [0, 1, 2, 3]) await cacheScope({ cache, strict: true }, () => ramp(n));
    await bag.gc({ gracePeriod: 0 });
    await bag.backup(target);
  }
  await using copy = await openBag(target, { signingKey, mode: "read" });
  const hits: boolean[] = [];
  for (const n of [0, 3]) hits.push((await copy.lookup(await ramp.digest(n))).hit);
  assertEquals(hits, [false, true]);
  assert((await verifyBag(target, { digests: true })).sound);
});

Deno.test("Bag.backup() ends with its signal, and the next one goes on from there", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1], true);
  await call(root, [2]);
  await using bag = await openBag(root, { fold: "manual" });
  const early = AbortSignal.abort(new Error("not now"));
  await assertRejects(() => bag.backup(target, { signal: early }), Error, "not now");
  const abort = new AbortController();
  const backup = backUp(root, target, { links: false, signal: abort.signal });
  abort.abort(new Error("later"));
  await assertRejects(() => backup, Error, "later");
  await assertRejects(() => openBag(target, { mode: "read" }), BagFormatError);
  assertEquals((await bag.backup(target, { links: false })).calls, 3);
  assertEquals(await findCalls(target), [0, 1, 2]);
});

Deno.test("Bag.backup() of a closed bag is refused", async () => {
  using directory = new TemporaryDirectory();
  const bag = await openBag(`${directory.path}/bag`);
  await bag.close();
  const target = `${directory.path}/backup`;
  await assertRejects(() => bag.backup(target), QuiverError, "Cannot back up the bag");
  assertEquals(listFiles(directory.path).filter((name) => name.startsWith("backup")), []);
});

Deno.test("Bag.backup() makes files as the bag's are, and may write where the bag may not be written to", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await BAGS.open(`${path}/bag`, { ...MANUAL, permissions: "group" }).then((bag) => bag.close());
  await call(`${path}/bag`, [0], true);
  await backUp(`${path}/bag`, `${path}/backup`, { links: false });
  if (Deno.build.os === "windows") return;
  for (const name of ["", ...listFiles(`${path}/backup`)]) {
    const { mode } = Deno.statSync(`${path}/backup/${name}`);
    assertEquals(((mode ?? 0) & 0o777).toString(8), name === "" ? "770" : "660", name);
  }
  Deno.chmodSync(`${path}/bag`, 0o550);
  await backUp(`${path}/bag`, `${path}/second`, { links: false });
  assertEquals((Deno.statSync(`${path}/second`).mode ?? 0) & 0o777, 0o750);
  Deno.chmodSync(`${path}/bag`, 0o770);
});

Deno.test("a bag that was repaired goes on with its older backups", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0], true);
  await backUp(root, target);
  Deno.writeTextFileSync(`${root}/manifest.json`, "damaged");
  await BAGS.verify(root, { repair: true });
  assertNotEquals(Deno.readTextFileSync(`${root}/manifest.json`), "damaged");
  await call(root, [1]);
  assertEquals((await backUp(root, target)).calls, 2);
  assertEquals(await findCalls(target), [0, 1]);
});

Deno.test("Bag.backup() goes on when a compaction ends between two of its steps", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const root = `${path}/bag`;
  await call(root, [0], true);
  await call(root, [1], true);
  // So that all copies are of one bag.
  await backUp(root, `${path}/first`);
  copyBag(root, `${path}/later`);
  {
    await using bag = await BAGS.open(`${path}/later`, MANUAL);
    await bag.evict(await ramp.digest(0));
    await bag.compact({ gracePeriod: 0 });
    await cacheScope({ cache: bag, strict: true }, () => ramp(2));
  }
  for (const [i, step] of (["link", "open", "syncDirectory"] as const).entries()) {
    const [copy, target] = [`${path}/bag-${i}`, `${path}/backup-${i}`];
    copyBag(root, copy);
    let done = false;
    const compact = () => {
      if (done) return;
      done = true;
      Deno.renameSync(copy, `${copy}-before`);
      copyBag(`${path}/later`, copy);
    };
    const disk = {
      ...UNSYNCED_DISK,
      // The segment that is to be linked or copied is gone; or all was brought already.
      [step]: (...args: [string, never]) => {
        if (String(args[0]).includes("/segments")) compact();
        return UNSYNCED_DISK[step](...args);
      },
    };
    const { calls } = await BAGS.on(disk).backUp(copy, target, { links: step === "link" });
    assertEquals([done, calls], [true, 2], step);
    assertEquals(await findCalls(target), step === "syncDirectory" ? [0, 1] : [1, 2], step);
    assertEquals(await BAGS.backUp(copy, target).then(({ calls }) => calls), 2);
    assertEquals(await findCalls(target), [1, 2], step);
  }
});

Deno.test("Bag.backup() waits for nobody who is stopped while he folds", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0], true);
  await call(root, [1]);
  using lock = FoldLock.tryTake(UNSYNCED_DISK, toLayout(root));
  assert(lock !== undefined);
  assertEquals((await backUp(root, target)).calls, 2);
  assertEquals(await findCalls(target), [0, 1]);
});

Deno.test("Bag.backup() into one directory by two at once is one of them, and the other is told", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, Array.from({ length: 20 }, (_, n) => n), true);
  await using bag = await openBag(root);
  const ended = await Promise.allSettled([bag.backup(target), bag.backup(target)]);
  for (const one of ended) {
    if (one.status === "fulfilled") assertEquals(one.value.calls, 20);
    else assertStringIncludes(String(one.reason), "it is in use");
  }
  assert(ended.some(({ status }) => status === "fulfilled"));
  assertEquals((await findCalls(target)).length, 20);
});

Deno.test("Bag.backup() follows no link in the directory", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await call(`${path}/bag`, [0], true);
  Deno.mkdirSync(`${path}/elsewhere`);
  for (const name of ["locks", "segments", "journal"]) {
    Deno.mkdirSync(`${path}/backup`);
    Deno.symlinkSync(`${path}/elsewhere`, `${path}/backup/${name}`);
    await assertRejects(() => backUp(`${path}/bag`, `${path}/backup`), BagFormatError);
    assertEquals(listFiles(`${path}/elsewhere`), [], name);
    Deno.removeSync(`${path}/backup`, { recursive: true });
  }
});

const OTHER_USER = Tool.find("other-user");

Deno.test({
  ...OTHER_USER.forTest("Bag.backup() by root makes a backup that is its owner's"),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    await call(`${path}/bag`, [0], true);
    await call(`${path}/bag`, [1]);
    const give = (at: string) => {
      Deno.chownSync(at, NOBODY, NOBODY);
      if (!Deno.lstatSync(at).isDirectory) return;
      for (const { name } of Deno.readDirSync(at)) give(`${at}/${name}`);
    };
    for (const links of [true, false]) {
      const target = `${path}/${links}/backup`;
      for (let n = 2; n < 4; n++) {
        await call(`${path}/bag`, [n], true);
        give(`${path}/bag`);
        await backUp(`${path}/bag`, target, { links });
      }
      for (const name of ["..", "", "segments", "locks", ...listFiles(target)]) {
        const { uid, gid } = Deno.statSync(`${target}/${name}`);
        assertEquals([uid, gid], [NOBODY, NOBODY], name);
      }
    }
    // What is told apart by its first backup was written into the bag.
    assertEquals(Deno.statSync(`${path}/bag/manifest.json`).uid, NOBODY);
  },
});

Deno.test("Bag.backup() looks again when a journal is dropped between two of its steps", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0], true);
  await call(root, [1]);
  const key = await ramp.digest(1);
  const [journal = ""] = listFiles(`${root}/journal`);
  let dropped = false;
  const disk: FileSystem = {
    ...UNSYNCED_DISK,
    link(from, to) {
      UNSYNCED_DISK.link(from, to);
      if (dropped) return;
      dropped = true;
      // A sweep drops a journal of which no value is named any more, and no manifest tells of that.
      Deno.writeFileSync(`${root}/calls.jsonl`, encodeEvictLine(key), { append: true });
      Deno.removeSync(`${root}/journal/${journal}`);
    },
  };
  assertEquals((await BAGS.on(disk).backUp(root, target)).calls, 1);
  assert(dropped);
  assertEquals(await findCalls(target), [0]);
});

const fill = task(import.meta, (n: number, size: number) => new Uint8Array(size).fill(n), {
  name: "fill",
});
const double = task(import.meta, (n: number) => 2 * n, { name: "double" });

for (const table of [false, true]) {
  Deno.test(`Bag.backup() onto an older one has nothing that a full bag has forgotten, table: ${table}`, async () => {
    using directory = new TemporaryDirectory();
    const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
    const disk = new BlockDisk();
    const bags = BAGS.on(disk);
    const all = Array.from({ length: 120 }, (_, n) => n);
    const keys = await Promise.all(all.map((n) => double.digest(n)));
    const find = (bag: Cache) => Promise.all(keys.map(async (key) => (await bag.lookup(key)).hit));
    await using bag = await bags.open(root, MANUAL);
    await cacheScope({ cache: bag, strict: true }, () => Promise.all(all.map((n) => double(n))));
    if (table) await bag.compact({ gracePeriod: 0 });
    await bags.backUp(root, target);
    await using reader = await bags.open(target, { mode: "read" });
    assertEquals(await find(reader), all.map(() => true));
    // The last block of the log has room for some; the others are forgotten where they stand.
    disk.free = 0;
    const isKept = (n: number) => n % 4 === 1;
    for (const n of all) if (!isKept(n)) assert(await bag.evict(keys[n] ?? ""));
    disk.free = Infinity;
    assertEquals((await bags.backUp(root, target)).calls, 30);
    await using backup = await bags.open(target, { mode: "read" });
    for (const cache of [bag, reader, backup]) assertEquals(await find(cache), all.map(isKept));
    assertEquals((await bags.backUp(root, target)).copied, 0);
  });
}

for (const size of [10, 2000, 8000]) {
  Deno.test(`Bag.backup() brings a segment that is as large as the one before, of ${size} bytes each`, async () => {
    using directory = new TemporaryDirectory();
    const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
    await using bag = await BAGS.open(root, MANUAL);
    for (const n of [1, 2, 3]) {
      await cacheScope({ cache: bag, strict: true }, () => fill(n, size));
      await bag.compact({ gracePeriod: 0 });
      await backUp(root, target);
      await using backup = await BAGS.open(target, { mode: "read" });
      const found = await backup.lookup(await fill.digest(n, size));
      assertEquals(found, { hit: true, value: new Uint8Array(size).fill(n) });
      await bag.evict(fill);
    }
  });
}

Deno.test("Bag.backup() of a bag on a full disk needs no room there", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1], true);
  let full = true;
  const fileSystem: FileSystem = {
    ...UNSYNCED_DISK,
    open(path, options) {
      if (full && options.createNew === true && path.startsWith(`${root}/`)) {
        throw new Error("No space left on device (os error 28)");
      }
      return UNSYNCED_DISK.open(path, options);
    },
  };
  const before = look(root);
  for (const _ of [1, 2]) assertEquals((await BAGS.on(fileSystem).backUp(root, target)).calls, 2);
  assertEquals(look(root), before);
  // Where there is room again, it is known by more than its place.
  full = false;
  await BAGS.on(fileSystem).backUp(root, target);
  Deno.renameSync(root, `${root} moved`);
  await call(`${root} moved`, [2]);
  assertEquals((await backUp(`${root} moved`, target)).calls, 3);
  assertEquals(await findCalls(target), [0, 1, 2]);
});

/** The disk, until a file gets a name: then the program ends. */
function stopAtName(name: string): FileSystem {
  let ended = false;
  const step = <A extends unknown[], R>(fn: (...args: A) => R) => (...args: A): R => {
    if (ended) throw new FaultError("the program has ended");
    return fn(...args);
  };
  const { open, write, truncate, sync, syncDirectory, rename, link, remove, makeDirectory } =
    UNSYNCED_DISK;
  return {
    open: step(open),
    write: step(write),
    truncate: step(truncate),
    sync: step(sync),
    syncDirectory: step(syncDirectory),
    rename: step((from, to) => {
      rename(from, to);
      ended = to === name;
    }),
    link: step(link),
    remove: step(remove),
    makeDirectory: step(makeDirectory),
  };
}

Deno.test("Bag.backup() onto an older one goes on when somebody was stopped who replaced the log", async () => {
  using directory = new TemporaryDirectory();
  const [root, target] = [`${directory.path}/bag`, `${directory.path}/backup`];
  await call(root, [0, 1, 2, 3], true);
  await backUp(root, target);
  for (const n of [1, 2]) {
    {
      await using bag = await BAGS.open(root, MANUAL);
      await bag.evict(await ramp.digest(n));
    }
    const stopped = BAGS.on(stopAtName(`${root}/calls.jsonl`));
    const compact = async () => {
      await using bag = await stopped.open(root, MANUAL);
      await bag.compact({ gracePeriod: 0 });
    };
    await assertRejects(compact, Error);
    await backUp(root, target);
    assertEquals(await findCalls(target), n === 1 ? [0, 2, 3] : [0, 3]);
  }
});
