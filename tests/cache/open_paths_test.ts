// Contract: a path that cannot be that of a cache is refused by its name, with what to do.
import { assert, assertEquals, assertRejects } from "@std/assert";
import { BagFormatError, openBag } from "@quiver/quiver";
import { CacheFormatError, openFileCache, openSqliteCache, verifyBag } from "@quiver/quiver/caches";

/** A directory with a file in it. */
async function withFile(run: (directory: string, file: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir();
  const file = `${directory}/file`;
  await Deno.writeTextFile(file, "mine");
  try {
    await run(directory, file);
    assertEquals(await Deno.readTextFile(file), "mine");
    assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name), ["file"]);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const mode of ["readwrite", "read"] as const) {
  Deno.test(`openBag() with mode: ${mode} refuses a file, and what lies below one`, async () => {
    await withFile(async (_, file) => {
      for (const path of [file, `${file}/below`]) {
        const error = await assertRejects(() => openBag(path, { mode }), BagFormatError);
        assert(error.message.startsWith(`Cannot open "${path}" as a bag: it is a file`));
        assert(
          error.message.endsWith("; choose a directory, or a path where there is nothing yet"),
        );
      }
    });
  });

  Deno.test(`openFileCache() with mode: ${mode} refuses a file, and what lies below one`, async () => {
    await withFile(async (_, file) => {
      for (const path of [file, `${file}/below`]) {
        const error = await assertRejects(() => openFileCache(path, { mode }), CacheFormatError);
        assert(
          error.message.startsWith(`Cannot open "${path}" as a file cache: it is no directory`),
        );
        assert(
          error.message.endsWith("; choose a directory, or a path where there is nothing yet"),
        );
      }
    });
  });

  Deno.test(`what opens a cache with mode: ${mode} refuses a link that leads nowhere`, async () => {
    const directory = await Deno.makeTempDir();
    const [dead, loop] = [`${directory}/dead`, `${directory}/loop`];
    await Deno.symlink(`${directory}/missing`, dead);
    await Deno.symlink(loop, loop);
    for (
      const [open, path, Class] of [
        [openBag, dead, BagFormatError],
        [openBag, loop, BagFormatError],
        [openFileCache, dead, CacheFormatError],
        [openFileCache, loop, CacheFormatError],
        [openSqliteCache, loop, CacheFormatError],
      ] as const
    ) {
      const opening = async () => void await open(path, { mode });
      await assertRejects(opening, Class, "it is a link that leads nowhere");
    }
    await Deno.remove(directory, { recursive: true });
  });

  Deno.test(`openSqliteCache() with mode: ${mode} refuses a directory, and what lies below a file`, async () => {
    await withFile(async (directory, file) => {
      for (
        const [path, state] of [
          [directory, "it is a directory; choose a file in it"],
          [`${file}/below`, "it lies below a file; choose a file in a directory"],
        ] as const
      ) {
        await assertRejects(
          () => openSqliteCache(path, { mode }),
          CacheFormatError,
          `Cannot open "${path}" as a SQLite cache: ${state}`,
        );
      }
    });
  });
}

Deno.test("verifyBag() refuses a file", async () => {
  await withFile(async (_, file) => {
    for (const repair of [false, true]) {
      await assertRejects(() => verifyBag(file, { repair }), BagFormatError, "it is a file");
    }
  });
});
