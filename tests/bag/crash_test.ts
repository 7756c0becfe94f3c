// end-to-end: several processes with one bag, killed at any moment
import { assertEquals, assertGreater } from "@std/assert";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import { listFiles, TemporaryDirectory } from "./_temporary_directory.ts";
import { createPart, toDigest } from "./_values.ts";

const ROUNDS = 10;

function startWriter(path: string, name: string, count?: number): Deno.ChildProcess {
  const script = new URL("./_child_writer.ts", import.meta.url).pathname;
  const args = ["run", "--allow-read", "--allow-write", script, path, name];
  if (count !== undefined) args.push(`${count}`);
  return new Deno.Command(Deno.execPath(), { args, stdout: "piped" }).spawn();
}

/** Reads what a writer acknowledges, up to a number of lines or to its end. */
async function countAcknowledged(
  child: Deno.ChildProcess,
  enough: number,
  onEnough: () => void,
): Promise<number> {
  let lines = 0;
  for await (const chunk of child.stdout) {
    const before = lines;
    // The last line may be torn; a number that was not printed whole does not count.
    lines += chunk.filter((byte) => byte === 0x0a).length;
    if (before < enough && lines >= enough) onEnough();
  }
  return lines;
}

function checkWritten(bag: DiskBag, name: string, count: number): void {
  for (let n = 0; n < count; n++) {
    const part = createPart(`${name} ${n}`, n % 50 === 0 ? 20_000 : 200, "Uint8Array");
    const record = bag.calls.getLine(toDigest(`${name} ${n}`));
    assertEquals(record?.result, part.digest, `${name} ${n}`);
    assertEquals(bag.values.load(part.digest)?.bytes, part.bytes, `${name} ${n}`);
  }
}

Deno.test("openBagFiles() loses nothing when writers are killed again and again", async () => {
  using directory = new TemporaryDirectory();
  const acknowledged = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const names = [`a${round}`, `b${round}`];
    await Promise.all(names.map(async (name, i) => {
      const child = startWriter(directory.path, name);
      const enough = 100 + 137 * round + 50 * i;
      const count = await countAcknowledged(child, enough, () => child.kill("SIGKILL"));
      await child.status;
      acknowledged.set(name, count);
    }));
  }
  {
    await using bag = await openBagFiles(directory.path, { fold: "manual" });
    for (const [name, count] of acknowledged) checkWritten(bag, name, count);
    await bag.fold();
    for (const [name, count] of acknowledged) checkWritten(bag, name, count);
  }
  assertEquals(listFiles(directory.path).filter((name) => name.endsWith(".tmp")), []);
  assertEquals(listFiles(`${directory.path}/journal`), []);
  assertGreater(Math.min(...acknowledged.values()), 99);
});

Deno.test("openBagFiles() serves two handles and another process at once", async () => {
  using directory = new TemporaryDirectory();
  const count = 1500;
  {
    await using first = await openBagFiles(directory.path, { journalBytes: 50_000 });
    await using second = await openBagFiles(directory.path, { journalBytes: 70_000 });
    const child = startWriter(directory.path, "child", count);
    const done = countAcknowledged(child, Infinity, () => {});
    for (let n = 0; n < count; n++) {
      for (const [bag, name] of [[first, "first"], [second, "second"]] as const) {
        const part = createPart(`${name} ${n}`, n % 50 === 0 ? 20_000 : 200, "Uint8Array");
        bag.values.putPart(part);
        bag.calls.putLine(toDigest(`${name} ${n}`), { result: part.digest });
      }
      if (n % 50 === 0) {
        checkWritten(second, "first", n + 1);
        checkWritten(first, "second", n + 1);
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    }
    assertEquals(await done, count);
    assertEquals((await child.status).success, true);
    for (const bag of [first, second]) {
      for (const name of ["first", "second", "child"]) checkWritten(bag, name, count);
      assertEquals([...bag.calls.lines()].length, 3 * count);
    }
  }
  await using bag = await openBagFiles(directory.path, { mode: "read" });
  for (const name of ["first", "second", "child"]) checkWritten(bag, name, count);
});

Deno.test("DiskBag.fold() of two handles at once loses nothing", async () => {
  using directory = new TemporaryDirectory();
  await using first = await openBagFiles(directory.path, { fold: "manual" });
  await using second = await openBagFiles(directory.path, { fold: "manual" });
  const parts = Array.from({ length: 400 }, (_, n) => createPart(`part ${n}`, 10 + n));
  parts.forEach((part, n) => (n % 2 === 0 ? first : second).values.putPart(part));
  const results = await Promise.all([first.fold(), second.fold()]);
  // Whoever comes second while the other folds does nothing; afterwards there may be a rest.
  const sealed = results.reduce((sum, result) => sum + (result?.values ?? 0), 0);
  const rest = await first.fold();
  assertEquals(sealed + (rest?.values ?? 0), parts.length);
  for (const bag of [first, second]) {
    for (const part of parts) assertEquals(bag.values.load(part.digest)?.bytes, part.bytes);
  }
  assertEquals(listFiles(`${directory.path}/journal`), []);
});
