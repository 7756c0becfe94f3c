// Contract: a digest of a file is of bytes that were all there at one time.
import { assert, assertEquals, assertThrows } from "@std/assert";
import { createHash } from "node:crypto";
import { FileError } from "../../src/base/errors.ts";
import {
  type ByteTaker,
  leavesTree,
  readFile,
  readTree,
} from "../../src/value/file/file_content.ts";
import { FileDigests, type HashedFile } from "../../src/value/file/file_digests.ts";

/** Runs a test with a file of three bytes. */
async function withFile(fn: (path: string) => void): Promise<void> {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "one");
    fn(path);
  } finally {
    await Deno.remove(path);
  }
}

/** Takes bytes, and does something when it gets the first of them. */
function toTaker(texts: string[], first: () => void): () => ByteTaker & { text: string } {
  return () => {
    const taker = {
      text: "",
      update(bytes: Uint8Array) {
        if (taker.text === "") first();
        taker.text += new TextDecoder().decode(bytes);
        texts.push(taker.text);
      },
    };
    return taker;
  };
}

Deno.test("readFile() reads again what has changed meanwhile, and in the end refuses it", () =>
  withFile((path) => {
    let changes = 0;
    const change = (most: number) => () => {
      if (changes++ < most) Deno.writeTextFileSync(path, "x".repeat(changes + 3));
    };
    assertEquals(readFile(path, toTaker([], change(1))).taker.text, "xxxx");
    changes = 0;
    assertEquals(readFile(path, toTaker([], change(2))).taker.text, "xxxxx");
    changes = 0;
    const error = assertThrows(() => readFile(path, toTaker([], change(9))), FileError);
    assert(error.message.includes("it changes while it is read"), error.message);
    assertEquals(error.path, path);
    assertEquals(changes, 3);
  }));

Deno.test("readFile() sees that another file has taken the place of the one that it reads", () =>
  withFile((path) => {
    let replaced = false;
    const replace = () => {
      if (replaced) return;
      replaced = true;
      Deno.writeTextFileSync(`${path}.new`, "two");
      Deno.renameSync(`${path}.new`, path);
    };
    assertEquals(readFile(path, toTaker([], replace)).taker.text, "two");
  }));

Deno.test("readFile() refuses a file that goes while it is read", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "one");
  const remove = () => Deno.removeSync(path);
  assertThrows(() => readFile(path, toTaker([], remove)), FileError, "there is no such file");
});

Deno.test("readFile() gives all pieces but the last one whole", () =>
  withFile((path) => {
    const lengths: number[] = [];
    const create = () => ({ update: ({ length }: Uint8Array) => void lengths.push(length) });
    Deno.writeFileSync(path, new Uint8Array(10));
    assertEquals(readFile(path, create, 4).size, 10);
    assertEquals(lengths, [4, 4, 2]);
    Deno.writeFileSync(path, new Uint8Array());
    assertEquals(readFile(path, create, 4).size, 0);
    assertEquals(lengths.length, 3);
  }));

Deno.test("readTree() lists again what has changed meanwhile, and in the end refuses it", async () => {
  const root = await Deno.makeTempDir();
  let [files, most] = [0, 1];
  Deno.writeTextFileSync(`${root}/0`, "");
  const toFile = (_: string, { path, executable }: { path: string; executable: boolean }) => {
    if (files < most) Deno.writeTextFileSync(`${root}/${++files}`, "");
    return { type: "file", path, executable, size: 0, digest: "" } as const;
  };
  assertEquals(readTree(root, toFile).map(({ path }) => path), ["0", "1"]);
  most = Infinity;
  assertThrows(() => readTree(root, toFile), FileError, "it changes while it is read");
  await Deno.remove(root, { recursive: true });
});

/** What is kept of files. */
class Log {
  readonly kept: HashedFile[] = [];

  read(): HashedFile[] {
    return [];
  }

  append(hashed: HashedFile): void {
    this.kept.push(hashed);
  }
}

Deno.test("FileDigests keeps nothing of a file that was changed a moment ago", () =>
  withFile((path) => {
    const log = new Log();
    const digests = new FileDigests(log);
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    for (const text of ["one", "two", "six"]) {
      Deno.writeTextFileSync(path, text);
      // Whatever its time says: that it was set is a change, too.
      Deno.utimeSync(path, 1e6, 1e6);
      assertEquals(digests.contentOf(path).digest, sha256(text));
    }
    assertEquals(log.kept, []);
    const old = new URL("../../LICENSE", import.meta.url).pathname;
    for (let i = 0; i < 3; i++) digests.contentOf(old);
    assertEquals(log.kept.map(({ digest }) => digest), [sha256(Deno.readTextFileSync(old))]);
  }));

Deno.test("leavesTree() follows a link through the directory that it is in", () => {
  for (const [path, target] of [["a", "b"], ["a/b", "../c"], ["a", "./b/../c"], ["a", "."]]) {
    assertEquals(leavesTree(path ?? "", target ?? ""), false, `${path} -> ${target}`);
  }
  for (const [path, target] of [["a", ".."], ["a/b", "../../c"], ["a", "/b"], ["a", "b/../../c"]]) {
    assertEquals(leavesTree(path ?? "", target ?? ""), true, `${path} -> ${target}`);
  }
});
