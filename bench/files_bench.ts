// How long does a file as an argument take: hashed, unchanged, and put back as an output?
import { createHash } from "node:crypto";
import { cacheScope, file, type FileHandle, openBag, outputFile, task } from "@quiver/quiver";
import { compare } from "./_compare.ts";

const MEBIBYTE = 2 ** 20;
const SIZE = 1024 * MEBIBYTE;

const sizeOf = task(import.meta, (table: FileHandle) => table.size, { name: "sizeOf" });

const write = task(import.meta, function write(size: number) {
  const output = outputFile("output");
  writeFile(output.path, size);
  return output;
});

function writeFile(path: string, size: number): void {
  using out = Deno.openSync(path, { write: true, create: true, truncate: true });
  const piece = new Uint8Array(MEBIBYTE);
  for (let at = 0; at < size; at += piece.length) {
    new DataView(piece.buffer).setFloat64(0, at);
    out.writeSync(piece);
  }
}

/** Reads a file as fast as it goes, and hashes it. */
function hashPlainly(path: string): string {
  const hash = createHash("sha256");
  const piece = new Uint8Array(MEBIBYTE);
  using input = Deno.openSync(path);
  for (;;) {
    const count = input.readSync(piece);
    if (count === null) return hash.digest("hex");
    hash.update(piece.subarray(0, count));
  }
}

/** Compares files with plain SHA-256, a plain look, and a copy. */
export async function run(): Promise<void> {
  const folder = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${folder}/results.bag`);
    await cacheScope({ cache: bag, outputs: folder }, async () => {
      await compareHash(folder);
      await compareUnchanged();
      await compareOutput(folder);
    });
  }
  await Deno.remove(folder, { recursive: true });
}

async function compareHash(folder: string): Promise<void> {
  const path = `${folder}/large`;
  writeFile(path, SIZE);
  await compare("The key of a call with a file of 1 GiB that has changed", [
    { name: "read + SHA-256 (baseline)", run: () => hashPlainly(path) },
    {
      name: "Quiver: sizeOf.digest(file(path))",
      run: () => sizeOf.digest(file(path, { hash: "always" })),
    },
  ], { calls: 1, rounds: 5 });
  await Deno.remove(path);
}

async function compareUnchanged(): Promise<void> {
  const path = new URL("../LICENSE", import.meta.url).pathname;
  await sizeOf(file(path));
  const repeat = (fn: () => unknown) => async (calls: number) => {
    for (let n = 0; n < calls; n++) await fn();
  };
  await compare("A hit with a file that has not changed", [
    { name: "statSync (baseline)", run: repeat(() => Deno.statSync(path)) },
    { name: "Quiver: sizeOf.digest(file(path))", run: repeat(() => sizeOf.digest(file(path))) },
    { name: "Quiver: await sizeOf(file(path))", run: repeat(() => sizeOf(file(path))) },
  ], { calls: 2000 });
}

async function compareOutput(folder: string): Promise<void> {
  const size = 64 * MEBIBYTE;
  const { path } = await write(size);
  await compare("A hit with an output of 64 MiB", [
    { name: "copyFileSync (baseline)", run: () => Deno.copyFileSync(path, `${folder}/copy`) },
    {
      name: "Quiver: the file is missing",
      run: () => {
        Deno.removeSync(path);
        return write(size);
      },
    },
    { name: "Quiver: the file is there", run: () => write(size) },
  ], { calls: 1, rounds: 7 });
}

if (import.meta.main) await run();
