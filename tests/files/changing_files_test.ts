// End-to-end: files that change all the time, and calls that read them by their paths meanwhile.
import {
  cacheScope,
  ChangedArgumentError,
  Executor,
  file,
  FileError,
  openBag,
} from "@quiver/quiver";
import { assert, assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { FileHandle } from "../../src/value/file/file_handle.ts";
import { leaveNothing } from "../leave_nothing.ts";
import { Random } from "../random.ts";
import { Files } from "./_files.ts";
import { readByPath } from "./testdata/file_tasks.ts";

leaveNothing();

const CALLS = 120;

function pick(paths: readonly string[], random: Random): string {
  return paths[random.below(paths.length)] ?? "";
}

/** Changes one of some files such that neither its size nor its time tells. */
function change(paths: readonly string[], random: Random): void {
  const [path = "", other = ""] = [pick(paths, random), pick(paths, random)];
  const { atime, mtime } = Deno.statSync(path);
  const keepTime = (changed: string) => Deno.utimeSync(changed, atime ?? 0, mtime ?? 0);
  const text = String(1e6 + random.below(1e6));
  switch (random.below(4)) {
    case 0:
      Deno.writeTextFileSync(path, text);
      return keepTime(path);
    case 1:
      Deno.writeTextFileSync(`${path}.new`, text);
      keepTime(`${path}.new`);
      return Deno.renameSync(`${path}.new`, path);
    case 2:
      if (path === other) return;
      Deno.renameSync(other, path);
      return Deno.writeTextFileSync(other, text);
    default:
      Deno.writeTextFileSync(path, text);
  }
}

Deno.test("no result is remembered under the content of another file, however files change", async () => {
  await using files = new Files();
  await using bag = await openBag(files.at("results.bag"));
  const random = new Random(1);
  const paths = ["a", "b", "c"].map((name) => files.at(name));
  for (const path of paths) Deno.writeTextFileSync(path, "1000000");
  let made = 0;
  await cacheScope({ cache: bag }, async () => {
    await using executor = new Executor({ maxWorkers: 2 });
    const callAndChange = async () => {
      while (made < CALLS) {
        const future = made++ % 2 === 0
          ? readByPath(file(pick(paths, random)))
          : executor.submit(readByPath, file(pick(paths, random)));
        change(paths, random);
        try {
          await future;
        } catch (error) {
          assert(error instanceof FileError || error instanceof ChangedArgumentError);
        }
        // Hits alone would leave no time to anybody else.
        await new Promise((resolve) => setTimeout(resolve));
      }
    };
    await Promise.all([callAndChange(), callAndChange(), callAndChange()]);
  });
  let seen = 0;
  for await (const { args, result } of bag.records()) {
    const argument = await bag.value(args[0]?.value ?? "");
    const found = await bag.value(result);
    assert(argument.hit && found.hit && argument.value instanceof FileHandle);
    assertEquals(
      argument.value.digest,
      createHash("sha256").update(String(found.value)).digest("hex"),
    );
    seen++;
  }
  assert(seen > 0, "nothing was remembered");
});
