// Contract: what is remembered of files is shared, bounded, and never a reason to fail.
import { assert, assertEquals } from "@std/assert";
import { DiskFileDigests } from "../../src/disk/file_digest_log.ts";
import { DISK, type FileSystem } from "../../src/disk/file_system.ts";
import type { HashedFile } from "../../src/value/file/file_digests.ts";

function toHashed(ino: number): HashedFile {
  const stamp = { dev: 1, ino, size: 3, mtime: 1_000_000, ctime: 1_000_000 };
  return { stamp, digest: ino.toString(16).padStart(64, "0") };
}

/** Runs a test with a directory, and what opens logs in it. */
async function withLogs(
  fn: (
    open: (options?: { fileSystem?: FileSystem; mostBytes?: number }) => DiskFileDigests,
    path: string,
  ) => void,
): Promise<unknown[]> {
  const root = await Deno.makeTempDir();
  const path = `${root}/files.jsonl`;
  const faults: unknown[] = [];
  const fault = (error: unknown) => void faults.push(error);
  fn(
    (options = {}) => new DiskFileDigests({ root, path, writable: true, fault, ...options }),
    path,
  );
  await Deno.remove(root, { recursive: true });
  return faults;
}

Deno.test("DiskFileDigests.read() gives what others have added since", async () => {
  const faults = await withLogs((open) => {
    const [one, other] = [open(), open()];
    assertEquals(one.read(), []);
    other.append(toHashed(1));
    assertEquals(one.read(), [toHashed(1)]);
    assertEquals(one.read(), []);
    other.append(toHashed(2));
    other.append(toHashed(3));
    assertEquals(one.read(), [toHashed(2), toHashed(3)]);
    assertEquals(open().read().length, 3);
  });
  assertEquals(faults, []);
});

Deno.test("DiskFileDigests.read() waits for the end of a line, and passes damaged ones over", async () => {
  await withLogs((open, path) => {
    const log = open();
    log.append(toHashed(1));
    const line = Deno.readFileSync(path);
    const append = (bytes: Uint8Array) => Deno.writeFileSync(path, bytes, { append: true });
    assertEquals(log.read().length, 1);
    append(line.subarray(0, 30));
    assertEquals(log.read(), []);
    append(line.subarray(30));
    assertEquals(log.read(), [toHashed(1)]);
    const damaged = line.slice();
    damaged[20] = (damaged[20] ?? 0) ^ 1;
    append(damaged);
    append(line);
    assertEquals(log.read(), [toHashed(1)]);
    // Torn by a program that was killed: only that line is lost, for the next begins with a line feed.
    append(line.subarray(0, 50));
    log.append(toHashed(2));
    assertEquals(log.read(), [toHashed(2)]);
  });
});

Deno.test("DiskFileDigests.append() keeps the newest half of what has become too much", async () => {
  const faults = await withLogs((open, path) => {
    const log = open({ mostBytes: 4000 });
    const reader = open();
    for (let ino = 1; ino <= 200; ino++) {
      log.append(toHashed(ino));
      reader.read();
      assert(Deno.statSync(path).size < 4400, `${Deno.statSync(path).size} bytes`);
    }
    const kept = open().read();
    assertEquals(kept.at(-1), toHashed(200));
    assert(kept.length > 5 && kept.length < 30, `${kept.length} are kept`);
  });
  assertEquals(faults, []);
});

Deno.test("DiskFileDigests tells of a fault once, and leaves the file alone from then on", async () => {
  const faults = await withLogs((open) => {
    let opened = 0;
    const open_ = (): never => {
      opened++;
      throw new Deno.errors.PermissionDenied("no");
    };
    const log = open({ fileSystem: { ...DISK, open: open_ } });
    log.append(toHashed(1));
    log.append(toHashed(2));
    assertEquals(log.read(), []);
    assertEquals(opened, 1);
  });
  assertEquals(faults.length, 1);
});

Deno.test("DiskFileDigests writes nothing where it may only read", async () => {
  await withLogs((open, path) => {
    const log = new DiskFileDigests({
      root: path.slice(0, path.lastIndexOf("/")),
      path,
      writable: false,
      fault: (error) => {
        throw error;
      },
    });
    log.append(toHashed(1));
    assertEquals(log.read(), []);
    open().append(toHashed(2));
    assertEquals(log.read(), [toHashed(2)]);
  });
});
