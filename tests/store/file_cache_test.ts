// collaboration: the files of a file cache, over a disk that fails, stops, or is damaged
import process from "node:process";
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { CacheFormatError, QuiverError } from "../../src/base/errors.ts";
import type { CacheFilesOptions } from "../../src/disk/disk_storage.ts";
import type { DiskStorage } from "../../src/disk/disk_stores.ts";
import { DISK } from "../../src/disk/file_system.ts";
import { openFileDirectory } from "../../src/store/file_cache.ts";
import { type Fault, FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { listFiles, TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { UNSYNCED_DISK } from "../bag/_unsynced_disk.ts";
import { createPart, toDigest } from "../bag/_values.ts";

const PARTS = [createPart("a", 40), createPart("b", 9000, "Float64Array"), createPart("c", 0)];
const [KEY, OTHER] = [toDigest("key"), toDigest("other")];

/** Does some of everything, and notes what was acknowledged. */
class Session {
  readonly values = new Set<string>();
  /** What may be found under each key: after a failed change that is the old and the new. */
  readonly calls = new Map<string, unknown[]>();

  async run(path: string, options: CacheFilesOptions, disk: FaultyFileSystem): Promise<void> {
    const files = attempt(() => openFileDirectory(path, options, disk));
    if (files === undefined) return;
    for (const part of PARTS) {
      attempt(() => {
        files.values.putPart(part);
        this.values.add(part.digest);
      });
    }
    this.#change(KEY, 1, () => files.calls.putLine(KEY, { n: 1 }));
    this.#change(OTHER, 1, () => files.calls.putLine(OTHER, { n: 1 }));
    this.#change(KEY, 2, () => files.calls.putLine(KEY, { n: 2 }));
    this.#change(OTHER, undefined, () => files.calls.delete(OTHER));
    attempt(() => files.leases.tryAcquire(KEY)?.[Symbol.dispose]());
    // What it cannot remove it leaves behind, unlocked, as a program that ends here does.
    await files.close();
  }

  #change(key: string, n: unknown, change: () => unknown): void {
    const before = this.calls.get(key) ?? [undefined];
    this.calls.set(key, [...before, n]);
    attempt(() => {
      change();
      this.calls.set(key, [n]);
    });
  }

  check(files: DiskStorage, context: string): void {
    for (const part of PARTS) {
      const found = files.values.load(part.digest);
      if (found === undefined && !this.values.has(part.digest)) continue;
      assertEquals(found, { kind: part.kind, bytes: part.bytes }, context);
    }
    for (const [key, allowed] of this.calls) {
      assert(allowed.includes(files.calls.getLine(key)?.n), `${context}: not ${allowed}`);
    }
  }
}

function attempt<T>(action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    // A lease that cannot be removed is one that cannot be freed: both are told.
    const errors = error instanceof SuppressedError ? [error.error, error.suppressed] : [error];
    for (const one of errors) assertInstanceOf(one, FaultError);
    return undefined;
  }
}

/** With the steps of syncing among all others. */
/** What stays beside leases, to be locked. */
const LOCKS = ["opening.lock", "sweep.lock"];

const DURABLE = { durability: "power" } as const;

for (const fault of ["error", "short", "stop"] satisfies Fault[]) {
  Deno.test(`openFileDirectory() keeps what it acknowledged (${fault})`, async () => {
    let failed = true;
    for (let at = 0; failed; at++) {
      using directory = new TemporaryDirectory();
      const path = `${directory.path}/here`;
      const disk = new FaultyFileSystem(fault, at);
      const session = new Session();
      await session.run(path, DURABLE, disk);
      failed = disk.failed;
      assert(failed || at > 25, `only ${at} steps`);
      // The lease whose removal failed is held by nobody once its holder is dead.
      const files = openFileDirectory(path);
      session.check(files, `${fault} at step ${at}`);
      assertEquals(listFiles(`${path}/unfinished`), [], `${fault} at step ${at}`);
      for (const part of PARTS) files.values.putPart(part);
      for (const { digest, kind, bytes } of PARTS) {
        assertEquals(files.values.load(digest), { kind, bytes });
      }
      await files.close();
      assertEquals(listFiles(`${path}/leases`), LOCKS, `${fault} at step ${at}`);
    }
  });
}

Deno.test("FileStorage takes a value with a flipped bit anywhere for missing, and heals it", async () => {
  using directory = new TemporaryDirectory();
  await using files = openFileDirectory(directory.path);
  const part = createPart("a", 60);
  files.values.putPart(part);
  const path = `${directory.path}/values/${part.digest.slice(0, 2)}/${part.digest.slice(2)}`;
  const whole = Deno.readFileSync(path);
  assertEquals(whole.length, 76);
  for (let at = 0; at < whole.length; at++) {
    const damaged = whole.slice();
    damaged[at] = (damaged[at] ?? 0) ^ (1 << at % 8);
    Deno.writeFileSync(path, damaged);
    assertEquals(files.values.load(part.digest), undefined, `bit at ${at}`);
    Deno.writeFileSync(path, whole.subarray(0, at));
    assertEquals(files.values.load(part.digest), undefined, `cut at ${at}`);
  }
  files.values.putPart(part);
  assertEquals(files.values.load(part.digest)?.bytes, part.bytes);
  assertEquals(Deno.readFileSync(path), whole);
});

Deno.test("FileStorage takes a value or record under another's name for missing", async () => {
  using directory = new TemporaryDirectory();
  await using files = openFileDirectory(directory.path);
  const [a, b] = PARTS;
  assert(a !== undefined && b !== undefined);
  files.values.putPart(a);
  files.values.putPart(b);
  const toPath = (digest: string) => `${digest.slice(0, 2)}/${digest.slice(2)}`;
  Deno.copyFileSync(
    `${directory.path}/values/${toPath(a.digest)}`,
    `${directory.path}/values/${toPath(b.digest)}`,
  );
  assertEquals(files.values.load(b.digest), undefined);
  files.calls.putLine(KEY, { n: 1 });
  files.calls.putLine(OTHER, { n: 2 });
  Deno.copyFileSync(
    `${directory.path}/calls/${toPath(KEY)}.json`,
    `${directory.path}/calls/${toPath(OTHER)}.json`,
  );
  assertEquals(files.calls.getLine(OTHER), undefined);
  assertEquals([...files.calls.lines()].map(({ n }) => n), [1]);
});

// fleche 59, executors 91
Deno.test("FileStorage leaves alone what others are writing, and foreign files", async () => {
  using directory = new TemporaryDirectory();
  await openFileDirectory(directory.path).close();
  const unfinished = `${directory.path}/unfinished`;
  const [dead, alive] = [`${crypto.randomUUID()}-0`, `${crypto.randomUUID()}-3`];
  using living = DISK.open(`${unfinished}/${alive}`, { write: true, create: true });
  living.lockSync(true);
  Deno.writeTextFileSync(`${unfinished}/${dead}`, "half");
  Deno.writeTextFileSync(`${unfinished}/notes`, "mine");
  Deno.writeTextFileSync(`${directory.path}/README`, "mine");
  Deno.mkdirSync(`${directory.path}/calls/zz`, { recursive: true });
  Deno.writeTextFileSync(`${directory.path}/calls/zz/notes.json`, "mine");
  Deno.writeTextFileSync(`${directory.path}/calls/note`, "mine");
  await using files = openFileDirectory(directory.path);
  assertEquals(listFiles(unfinished), [alive, "notes"]);
  assertEquals([...files.calls.lines()], []);
  assertEquals(Deno.readTextFileSync(`${directory.path}/README`), "mine");
});

Deno.test("FileStorage follows no link to a directory, to read, write or clear away", async () => {
  using directory = new TemporaryDirectory();
  using elsewhere = new TemporaryDirectory();
  const [part] = PARTS;
  assert(part !== undefined);
  const [path, prefix] = [`${directory.path}/here`, part.digest.slice(0, 2)];
  {
    await using files = openFileDirectory(path);
    files.values.putPart(part);
  }
  const refused = "it is a symbolic link, which a file cache never follows";
  for (const name of [`values/${prefix}`, "values", "unfinished"]) {
    const [inside, outside] = [`${path}/${name}`, `${elsewhere.path}/${name.replace("/", "-")}`];
    Deno.renameSync(inside, outside);
    Deno.symlinkSync(outside, inside);
    const before = listFiles(outside);
    Deno.writeTextFileSync(`${outside}/mine`, "mine");
    assertThrows(
      () => {
        const files = openFileDirectory(path);
        try {
          files.values.putPart(part);
        } finally {
          files.close();
        }
      },
      CacheFormatError,
      refused,
    );
    assertEquals(listFiles(outside), [...before, "mine"].sort());
    Deno.removeSync(inside);
    Deno.removeSync(`${outside}/mine`);
    Deno.renameSync(outside, inside);
  }
  await using files = openFileDirectory(path, { mode: "read" });
  assertEquals(files.values.load(part.digest)?.bytes, part.bytes);
});

Deno.test("openFileDirectory() says at once when it may not write, and reads all the same", async () => {
  using directory = new TemporaryDirectory();
  const [part] = PARTS;
  assert(part !== undefined);
  {
    await using files = openFileDirectory(directory.path);
    files.values.putPart(part);
  }
  const readOnly = {
    ...DISK,
    open: (path: string) => {
      throw new Deno.errors.PermissionDenied(`open '${path}'`);
    },
  };
  assertThrows(
    () => openFileDirectory(directory.path, {}, readOnly),
    QuiverError,
    'may not write there; have its owner share it, by permissions: "group" say, or open it with mode: "read"',
  );
  await using files = openFileDirectory(directory.path, { mode: "read" }, readOnly);
  assertEquals(files.values.load(part.digest)?.bytes, part.bytes);
});

Deno.test("openFileDirectory() refuses what is no file cache, and says why", () => {
  for (
    const [name, content, reason] of [
      ["notes.txt", "mine", 'it holds "notes.txt" but no cache.json'],
      ["bag.json", "{}", 'it holds "bag.json" but no cache.json'],
      ["cache.json", "{", 'its cache.json does not say "quiver-files"'],
      ["cache.json", '{"format":"other"}', 'its cache.json does not say "quiver-files"'],
      ["cache.json", '{"format":"quiver-files","version":2}', "it has format version 2, and"],
    ] as const
  ) {
    using directory = new TemporaryDirectory();
    Deno.writeTextFileSync(`${directory.path}/${name}`, content);
    assertThrows(() => openFileDirectory(directory.path), CacheFormatError, reason);
    assertEquals(listFiles(directory.path), [name]);
  }
  using directory = new TemporaryDirectory();
  Deno.writeTextFileSync(`${directory.path}/file`, "mine");
  for (const mode of ["read", "readwrite"] as const) {
    const open = () => openFileDirectory(`${directory.path}/file`, { mode });
    assertThrows(open, CacheFormatError, "it is no directory");
  }
  Deno.removeSync(`${directory.path}/file`);
  const read = () => openFileDirectory(directory.path, { mode: "read" });
  assertThrows(read, CacheFormatError, "it has no cache.json");
  const misspelled = { durabilty: "power" } as CacheFilesOptions;
  const message = '"durabilty" is no option';
  assertThrows(() => openFileDirectory(directory.path, misspelled), TypeError, message);
  const wrong = { durability: "full" } as unknown as CacheFilesOptions;
  assertThrows(() => openFileDirectory(directory.path, wrong), TypeError, 'value is "full"');
  assertEquals(listFiles(directory.path), []);
});

/** What a sweep of so many values takes of a processor, in microseconds. */
async function timeSweep(count: number): Promise<number> {
  using directory = new TemporaryDirectory();
  await using files = openFileDirectory(`${directory.path}/here`, {}, UNSYNCED_DISK);
  const digests = Array.from({ length: count }, (_, n) => {
    const part = createPart(`part ${n}`, 40);
    files.values.putPart(part);
    return part.digest;
  });
  const { sweeper } = files;
  assert(sweeper !== undefined);
  const horizon = await sweeper.horizon(0);
  const before = process.cpuUsage();
  const { values } = await sweeper.sweep(new Set(digests.filter((_, n) => n % 2 === 0)), {
    horizon,
  });
  const { user, system } = process.cpuUsage(before);
  assertEquals(values, count / 2);
  return user + system;
}

Deno.test("FileValues.sweep() takes as long as there are files, and no longer", async () => {
  await timeSweep(100);
  const ratios: number[] = [];
  // Four times as many take four times as long; with each compared with each it would be sixteen.
  // Something else may go on while one is timed.
  while (ratios.length < 4 && !ratios.some((ratio) => ratio < 8)) {
    const few = await timeSweep(250);
    ratios.push(await timeSweep(1000) / few);
  }
  assert(Math.min(...ratios) < 8, ratios.join(", "));
});
