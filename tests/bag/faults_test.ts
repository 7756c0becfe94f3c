// collaboration: the whole bag over a file system that fails, cuts short or stops at each step
import { assertEquals } from "@std/assert";
import type { FileSystem } from "../../src/disk/file_system.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { EncodedPart } from "../../src/value/value.ts";
import { type Fault, FaultError, FaultyFileSystem } from "./_faulty_file_system.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";

const KEYS = ["a", "b", "c", "d"].map(toDigest);
const PARTS = [
  createPart("small 1", 40),
  createPart("array 1", 8000, "Float64Array"),
  createPart("small 2", 300),
  createPart("large", 40_000, "Uint8Array"),
  createPart("small 3", 7, "graph"),
  createPart("array 2", 4096, "Int16Array"),
  createPart("small 4", 90),
];

/** What the bag has promised so far. */
class Promises {
  readonly values: EncodedPart[] = [];
  /** For each key what may be found: after a failed change that is the old and the new. */
  readonly calls = new Map<string, (number | undefined)[]>();

  putValue(bag: DiskBag, part: EncodedPart): void {
    if (attempt(() => bag.values.putPart(part))) this.values.push(part);
  }

  putCall(bag: DiskBag, key: string, n: number): void {
    const before = this.calls.get(key) ?? [undefined];
    this.calls.set(key, attempt(() => bag.calls.putLine(key, { key, n })) ? [n] : [...before, n]);
  }

  deleteCall(bag: DiskBag, key: string): void {
    const before = this.calls.get(key) ?? [undefined];
    const done = attempt(() => bag.calls.delete(key));
    this.calls.set(key, done ? [undefined] : [...before, undefined]);
  }

  check(bag: DiskBag, context: string): void {
    for (const part of PARTS) {
      const found = bag.values.load(part.digest);
      const promised = this.values.includes(part);
      if (found === undefined && !promised) continue;
      assertEquals(found, { kind: part.kind, bytes: part.bytes }, `${context}: a value`);
    }
    for (const [key, allowed] of this.calls) {
      const n = bag.calls.getLine(key)?.n;
      const ok = allowed.some((one) => one === n);
      assertEquals(ok, true, `${context}: key ${KEYS.indexOf(key)} is ${n}, not ${allowed}`);
    }
  }
}

function attempt(action: () => unknown): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof FaultError) return false;
    throw error;
  }
}

async function attemptAsync(action: () => Promise<unknown>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!hasFault(error)) throw error;
  }
}

function hasFault(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.every(hasFault);
  return error instanceof FaultError;
}

async function run(path: string, fileSystem: FileSystem, promises: Promises): Promise<void> {
  const environment = { fileSystem, runner: new InlineFoldRunner(fileSystem) };
  const options = { journalBytes: 20_000, durability: "power", memoryBytes: 0 } as const;
  let bag: DiskBag;
  try {
    bag = await openBagFiles(path, options, environment);
  } catch (error) {
    if (hasFault(error)) return;
    throw error;
  }
  const [a = "", b = "", c = "", d = ""] = KEYS;
  try {
    for (const part of PARTS.slice(0, 3)) promises.putValue(bag, part);
    promises.putCall(bag, a, 1);
    promises.putCall(bag, b, 2);
    await attemptAsync(() => bag.fold());
    promises.check(bag, "after the first fold");
    // Fills the journal, so that it is rotated and folded in the background.
    for (const part of PARTS.slice(3, 5)) promises.putValue(bag, part);
    promises.putCall(bag, c, 3);
    promises.deleteCall(bag, a);
    promises.putCall(bag, b, 4);
    for (const part of PARTS.slice(5)) promises.putValue(bag, part);
    promises.putCall(bag, d, 5);
    attempt(() => bag.leases.tryAcquire(d)?.[Symbol.dispose]());
    attempt(() => bag.leases.board.write({ waits: ["told"] }));
    attempt(() => bag.leases.tryAcquire(a)?.[Symbol.dispose]());
    attempt(() => bag.leases.board.write());
    promises.check(bag, "before close");
  } finally {
    await attemptAsync(() => bag.close());
  }
}

async function checkAfterwards(path: string, promises: Promises, context: string): Promise<void> {
  const environment = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };
  await using bag = await openBagFiles(path, { fold: "manual" }, environment);
  promises.check(bag, `${context}, opened again`);
  await bag.fold();
  promises.check(bag, `${context}, folded`);
  assertEquals(listFiles(path).filter((name) => name.endsWith(".tmp")), [], context);
  assertEquals(listFiles(`${path}/journal`), [], context);
  assertEquals(listFiles(`${path}/leases`), [], context);
  assertEquals(listFiles(`${path}/locks`), ["calls.lock", "fold.lock", "sweep.lock"], context);
}

async function runEachStep(fault: Fault): Promise<void> {
  for (let at = 0;; at++) {
    using directory = new TemporaryDirectory();
    const path = `${directory.path}/bag`;
    const fileSystem = new FaultyFileSystem(fault, at);
    const promises = new Promises();
    const context = `${fault} at step ${at}`;
    await run(path, fileSystem, promises);
    await checkAfterwards(path, promises, context);
    if (!fileSystem.failed) return;
  }
}

Deno.test("openBagFiles() loses nothing it acknowledged when any one step fails", async () => {
  await runEachStep("error");
});

Deno.test("openBagFiles() loses nothing it acknowledged when any write is cut short", async () => {
  await runEachStep("short");
});

Deno.test("openBagFiles() loses nothing it acknowledged when the program ends at any step", async () => {
  await runEachStep("stop");
});
