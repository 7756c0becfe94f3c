// end-to-end: a process that is stopped while it holds a lock of a bag freezes nobody
import { assert, assertEquals, assertInstanceOf, assertMatch, assertRejects } from "@std/assert";
import { FoldLock } from "../../src/bag/manifest.ts";
import { openBagFiles } from "../../src/bag/open_bag.ts";
import { nextTurn } from "../../src/base/abortable.ts";
import { QuiverError } from "../../src/base/errors.ts";
import { DISK } from "../../src/disk/file_system.ts";
import { toLayout } from "../../src/disk/layout.ts";
import { LockFile } from "../../src/disk/lock_file.ts";
import { InlineFoldRunner } from "./_inline_fold_runner.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { UNSYNCED_DISK } from "./_unsynced_disk.ts";
import { createPart, toDigest } from "./_values.ts";

const ENVIRONMENT = { fileSystem: UNSYNCED_DISK, runner: new InlineFoldRunner() };

/** A process that holds a lock alone and is stopped, as by Ctrl-Z. */
class StoppedHolder implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;

  private constructor(child: Deno.ChildProcess) {
    this.#child = child;
  }

  static async open(path: string): Promise<StoppedHolder> {
    const script = new URL("./_child_locker.ts", import.meta.url).pathname;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["run", "--allow-read", "--allow-write", script, path],
      stdout: "piped",
    }).spawn();
    const reader = child.stdout.getReader();
    await reader.read();
    reader.releaseLock();
    child.kill("SIGSTOP");
    return new StoppedHolder(child);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.status;
    await this.#child.stdout.cancel();
  }
}

Deno.test("a stopped holder of calls.lock holds up puts, and nothing else", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
  bag.calls.putLine(toDigest("known"), { n: 1 });
  const puts: Promise<boolean>[] = [];
  {
    await using _holder = await StoppedHolder.open(toLayout(directory.path).callsLock);
    const put = bag.calls.putLine(toDigest("new"), { n: 2 });
    const deleted = bag.calls.delete(toDigest("known"));
    assertInstanceOf(put, Promise);
    assertInstanceOf(deleted, Promise);
    puts.push(put, deleted);
    // Timers fire, and what is known is known.
    await nextTurn();
    assertEquals(bag.calls.getLine(toDigest("known"))?.n, 1);
  }
  assertEquals(await Promise.all(puts), [true, true]);
  assertEquals(bag.calls.getLine(toDigest("new"))?.n, 2);
  assertEquals(bag.calls.getLine(toDigest("known")), undefined);
});

Deno.test("a stopped holder of sweep.lock holds up who puts a known value, which stays right", async () => {
  using directory = new TemporaryDirectory();
  await using bag = await openBagFiles(directory.path, { fold: "manual" }, ENVIRONMENT);
  const part = createPart("value", 5000);
  bag.values.putPart(part);
  let put: unknown;
  {
    await using _holder = await StoppedHolder.open(toLayout(directory.path).sweepLock);
    const given = { ...part, bytes: part.bytes.slice() };
    put = bag.values.put({ ...given, parts: [] });
    assertInstanceOf(put, Promise);
    given.bytes.fill(0);
  }
  await put;
  assertEquals(bag.values.load(part.digest)?.bytes, part.bytes);
});

Deno.test("LockFile.share() says who holds the lock when patience ends", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  await using holder = await StoppedHolder.open(path);
  using lock = new LockFile(DISK, path, { checkThere() {} });
  const waiting = lock.share(() => "shared", 50);
  assertInstanceOf(waiting, Promise);
  const error = await assertRejects(
    () => waiting,
    QuiverError,
    "was held for 50 ms by the process",
  );
  assert(error.message.includes(`"pid":${holder.pid}`), error.message);
});

Deno.test("LockFile.share() runs at once where others share the lock", () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  using one = new LockFile(DISK, path, { checkThere() {} });
  using two = new LockFile(DISK, path, { checkThere() {} });
  assertEquals(one.share(() => two.share(() => "both")), "both");
  assert(two.tryLock());
});

Deno.test("LockFile.share() waits for nobody whose file has lost its name", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  using lock = new LockFile(DISK, path, { checkThere() {} });
  assertEquals(lock.share(() => "free"), "free");
  await using _holder = await StoppedHolder.open(path);
  // A cleaner: whoever comes next makes another file.
  Deno.removeSync(path);
  assertEquals(lock.share(() => "free again"), "free again");
  assert(lock.tryLock());
});

Deno.test("LockFile keeps no file open that was let go of while it was waited for", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/lock`;
  let waiting: unknown;
  {
    await using _holder = await StoppedHolder.open(path);
    using lock = new LockFile(DISK, path, { checkThere() {} });
    waiting = lock.share(() => "late");
  }
  // The sanitizer of resources finds what stays open.
  assertEquals(await waiting, "late");
});

Deno.test("FoldLock.take() says once who holds the lock when it has waited for long, and goes on waiting", async () => {
  using directory = new TemporaryDirectory();
  const layout = toLayout(directory.path);
  await (await openBagFiles(directory.path, {}, ENVIRONMENT)).close();
  const told = Promise.withResolvers<string>();
  let warnings = 0;
  const warn = ({ message }: { message: string }) => {
    warnings++;
    told.resolve(message);
  };
  let taking: Promise<FoldLock>;
  {
    await using holder = await StoppedHolder.open(layout.foldLock);
    taking = FoldLock.take(DISK, layout, { patience: 20, warn });
    const message = await told.promise;
    assertMatch(
      message,
      /^Waiting for ".+fold\.lock", which has been held for 20 ms by the process/,
    );
    assert(message.includes(`"pid":${holder.pid}`), message);
  }
  using _lock = await taking;
  assertEquals(warnings, 1);
});
