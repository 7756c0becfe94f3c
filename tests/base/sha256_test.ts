// Contract: what any implementation of SHA-256 must give.
import { assertEquals } from "@std/assert";
import { createHash } from "node:crypto";
import { Random } from "../random.ts";

/** A copy of the module that has hashed nothing yet: only the first 64 KiB are hashed by itself. */
async function freshCopy(name: string): Promise<typeof import("../../src/base/sha256.ts")> {
  return await import(`../../src/base/sha256.ts?${name}`);
}

function randomBytes(random: Random, length: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length }, () => random.below(256));
}

function expected(...pieces: (string | Uint8Array)[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}

Deno.test("createSha256() gives what node:crypto gives, for each length of the last block", async () => {
  const { createSha256 } = await freshCopy("lengths");
  const random = new Random(1);
  for (let length = 0; length <= 200; length++) {
    const bytes = randomBytes(random, length);
    assertEquals(createSha256().update(bytes).digest("hex"), expected(bytes), `${length} bytes`);
  }
});

Deno.test("createSha256() gives what node:crypto gives for texts, whatever is in them", async () => {
  const { createSha256 } = await freshCopy("texts");
  for (const text of ["", "abc", "Zürich 🥝", "lone \ud83e surrogate", "nul\0", "a".repeat(9999)]) {
    assertEquals(createSha256().update(text).digest("hex"), expected(text));
    assertEquals(createSha256().update(text).digest().toHex(), expected(text));
  }
});

Deno.test("createSha256() hashes pieces as they were, however many there are of them", async () => {
  const { createSha256 } = await freshCopy("pieces");
  const random = new Random(2);
  for (let round = 0; round < 40; round++) {
    const pieces = Array.from(
      { length: random.below(9) },
      () => randomBytes(random, random.below(2 ** random.below(14))),
    );
    const want = expected(...pieces);
    const hash = createSha256();
    for (const piece of pieces) {
      hash.update(piece);
      piece.fill(0);
    }
    // Far beyond what is hashed without node:crypto: one of the hashes goes over to it midway.
    assertEquals(hash.digest("hex"), want, `round ${round}`);
  }
});

Deno.test("createSha256() loads node:crypto only for what is more than little", async () => {
  const program = `
    const { createSha256 } = await import(${
    JSON.stringify(import.meta.resolve("../../src/base/sha256.ts"))
  });
    let loaded = 0;
    const { getBuiltinModule } = process;
    process.getBuiltinModule = (name) => {
      loaded++;
      return getBuiltinModule(name);
    };
    for (let i = 0; i < 64; i++) createSha256().update("x".repeat(1000)).digest("hex");
    const before = loaded;
    for (let i = 0; i < 8; i++) createSha256().update("x".repeat(1000)).digest("hex");
    postMessage([before, loaded]);
  `;
  const worker = new Worker(`data:text/javascript,${encodeURIComponent(program)}`, {
    type: "module",
  });
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  assertEquals(await promise, [0, 1]);
  worker.terminate();
});
