// Contract: files of the user's that are replaced, and the places where they may not be.
import { assert, assertEquals, assertNotEquals, assertRejects } from "@std/assert";
import { QuiverError } from "@quiver/quiver";
import { DISK } from "../../src/disk/file_system.ts";
import { replaceUserFile } from "../../src/disk/user_file.ts";
import { FaultError, FaultyFileSystem } from "../bag/_faulty_file_system.ts";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { NOBODY, Tool } from "../tools.ts";

const OTHER_USER = Tool.find("other-user");
const MKFIFO = Tool.find("mkfifo");

function write(path: string, text = "new", fileSystem = DISK): Promise<void> {
  return replaceUserFile(fileSystem, path, async (file) => {
    await file.write(new TextEncoder().encode(text));
  });
}

function list(path: string): string[] {
  return Array.from(Deno.readDirSync(path), ({ name }) => name).sort();
}

Deno.test("replaceUserFile() makes a file as the umask has it, and keeps the mode of one that is there", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/file`;
  await Deno.writeTextFile(`${directory.path}/usual`, "");
  await write(path);
  assertEquals(Deno.statSync(path).mode, Deno.statSync(`${directory.path}/usual`).mode);
  for (const mode of [0o600, 0o640, 0o666, 0o444, 0o755]) {
    Deno.chmodSync(path, mode);
    const before = Deno.statSync(path).ino;
    await write(path, `as ${mode}`);
    const { mode: after, ino } = Deno.statSync(path);
    assertEquals([(after ?? 0) & 0o7777, Deno.readTextFileSync(path)], [mode, `as ${mode}`]);
    assertNotEquals(ino, before);
  }
  assertEquals(list(directory.path), ["file", "usual"]);
});

Deno.test({
  ...OTHER_USER.forTest("replaceUserFile() leaves a file to its owner and group"),
  async fn() {
    using directory = new TemporaryDirectory();
    const path = `${directory.path}/file`;
    await Deno.writeTextFile(path, "theirs", { mode: 0o640 });
    Deno.chownSync(path, NOBODY, NOBODY);
    await write(path);
    const { uid, gid, mode } = Deno.statSync(path);
    assertEquals([uid, gid, (mode ?? 0) & 0o777], [NOBODY, NOBODY, 0o640]);
  },
});

Deno.test("replaceUserFile() follows links to what they lead to, and leaves them", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  for (const name of ["a", "b", "c"]) Deno.mkdirSync(`${path}/${name}`);
  Deno.symlinkSync("../b/second", `${path}/a/first`);
  Deno.symlinkSync(`${path}/c/target`, `${path}/b/second`);
  Deno.symlinkSync("a", `${path}/linked`);
  for (const [i, link] of ["a/first", "b/second", "linked/first"].entries()) {
    // The first time the link leads to nothing yet.
    await write(`${path}/${link}`, `content ${i}`);
    assertEquals(Deno.readTextFileSync(`${path}/c/target`), `content ${i}`);
  }
  assertEquals(Deno.lstatSync(`${path}/a/first`).isSymlink, true);
  assertEquals(Deno.lstatSync(`${path}/b/second`).isSymlink, true);
  assertEquals(Deno.lstatSync(`${path}/c/target`).isFile, true);
  assertEquals(["a", "b", "c"].flatMap((name) => list(`${path}/${name}`)), [
    "first",
    "second",
    "target",
  ]);
  Deno.symlinkSync("round", `${path}/round`);
  await assertRejects(() => write(`${path}/round`), QuiverError, "leads to itself");
});

Deno.test("replaceUserFile() refuses what is no file, and says what it is", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  await assertRejects(
    () => write(path),
    QuiverError,
    `"${path}": it is a directory; choose a file`,
  );
  await assertRejects(() => write(`${path}/none/file`), Deno.errors.NotFound);
  assertEquals(list(path), []);
});

Deno.test("replaceUserFile() says in which directory no file can be made", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  for (
    const [error, why] of [
      [new Deno.errors.PermissionDenied("Permission denied"), "which belongs to somebody else"],
      [
        Object.assign(new Error("Read-only"), { code: "EROFS" }),
        "lies on a disk that is read-only",
      ],
    ] as const
  ) {
    const fileSystem = {
      ...DISK,
      open(): Deno.FsFile {
        throw error;
      },
    };
    const message = `Cannot write "${path}/file": no file can be made in "${
      Deno.realPathSync(path)
    }"`;
    const refused = await assertRejects(() => write(`${path}/file`, "", fileSystem), QuiverError);
    assert(refused.message.startsWith(message) && refused.message.includes(why), refused.message);
    assertEquals(refused.cause, error);
  }
});

Deno.test({
  ...MKFIFO.forTest("replaceUserFile() leaves a pipe alone"),
  async fn() {
    using directory = new TemporaryDirectory();
    const pipe = `${directory.path}/pipe`;
    MKFIFO.run(pipe);
    await assertRejects(() => write(pipe), QuiverError, "it is no file; choose a file");
    assertEquals(Deno.lstatSync(pipe).isFifo, true);
  },
});

Deno.test("replaceUserFile() writes into no cache, by whatever way it is named", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  for (
    const [name, marker, format] of [
      ["bag", "bag.json", '{"format":"quiver-bag","version":1}'],
      ["files", "cache.json", '{"format":"quiver-files","version":1}'],
      ["damaged", "bag.json", '{"form'],
      ["huge", "bag.json", " ".repeat(100_000)],
    ] as const
  ) {
    const cache = `${path}/${name}`;
    Deno.mkdirSync(`${cache}/segments/below`, { recursive: true });
    Deno.writeTextFileSync(`${cache}/${marker}`, format);
    Deno.symlinkSync(cache, `${path}/link to ${name}`);
    Deno.symlinkSync(`${cache}/segments/new`, `${path}/file in ${name}`);
    for (
      const place of [
        `${name}/export.h5`,
        `${name}/${marker}`,
        `${name}/segments/000001.h5`,
        `${name}/segments/below/export.h5`,
        `link to ${name}/export.h5`,
        `${name}/../${name}/export.h5`,
        `file in ${name}`,
      ]
    ) {
      const refused = `it lies in the cache "${Deno.realPathSync(cache)}"`;
      await assertRejects(() => write(`${path}/${place}`), QuiverError, refused, place);
    }
    assertEquals(list(cache), [marker, "segments"].sort());
    assertEquals(Deno.readTextFileSync(`${cache}/${marker}`), format);
  }
  // What others call so is none.
  Deno.mkdirSync(`${path}/shop/segments`, { recursive: true });
  Deno.writeTextFileSync(`${path}/shop/bag.json`, '{"format":"handbag"}');
  await write(`${path}/shop/file`);
  // A link in a cache may lead out of it.
  Deno.symlinkSync(`${path}/outside`, `${path}/bag/out`);
  await write(`${path}/bag/out`);
  assertEquals(Deno.readTextFileSync(`${path}/outside`), "new");
});

Deno.test("replaceUserFile() leaves nothing when it fails, whoever is at fault", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/file`;
  await write(path, "old");
  await assertRejects(
    () => replaceUserFile(DISK, path, () => Promise.reject(new Error("no room"))),
    Error,
    "no room",
  );
  assertEquals(list(directory.path), ["file"]);
  for (let at = 0;; at++) {
    const fileSystem = new FaultyFileSystem("error", at);
    try {
      await write(path, "new", fileSystem);
      if (!fileSystem.failed) break;
    } catch (error) {
      if (!(error instanceof FaultError)) throw error;
    }
    assertEquals(list(directory.path), ["file"], `step ${at}`);
  }
});

Deno.test("replaceUserFile() clears away what killed processes have left, and nothing else", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  const left = `.quiver-${"0".repeat(12)}.tmp`;
  const held = `.quiver-${"1".repeat(12)}.tmp`;
  for (const name of [left, held, ".quiver-notes.tmp", "results.h5.tmp"]) {
    Deno.writeTextFileSync(`${path}/${name}`, "");
  }
  {
    using file = Deno.openSync(`${path}/${held}`, { write: true });
    file.lockSync(true);
    await write(`${path}/file`);
    assertEquals(list(path), [".quiver-notes.tmp", held, "file", "results.h5.tmp"].sort());
  }
  await write(`${path}/file`);
  assertEquals(list(path), [".quiver-notes.tmp", "file", "results.h5.tmp"]);
});

Deno.test("replaceUserFile() writes one file at once for all who do, under names of any length", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/${"n".repeat(255)}`;
  await Promise.all(Array.from({ length: 20 }, (_, i) => write(path, `content ${i}`)));
  assertEquals(/^content \d+$/.test(Deno.readTextFileSync(path)), true);
  assertEquals(list(directory.path), ["n".repeat(255)]);
});
