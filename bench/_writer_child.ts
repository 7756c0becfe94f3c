// A process of its own that writes values to a folder or a bag, or only digests them, from the
// moment it is told to.
import { createHash } from "node:crypto";
import { type ByteStore, fillBytes, openBagStore, openFiles } from "./_byte_stores.ts";

async function openStore(kind: string, path: string, name: string): Promise<ByteStore> {
  if (kind === "bag") return await openBagStore(path, "process");
  if (kind === "digests") return createDigester();
  return openFiles(`${path}/${name}`, kind === "synced files" ? "power" : "process");
}

/** What a bag does of each value before it writes it. */
function createDigester(): ByteStore {
  return {
    name: "SHA-256",
    put: (_, bytes) => createHash("sha256").update(bytes).digest("hex"),
    get: () => undefined,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

if (import.meta.main) {
  const [kind = "", path = "", name = "", count, size] = Deno.args;
  const bytes = new Uint8Array(Number(size));
  fillBytes(bytes.subarray(4), Number(name));
  const store = await openStore(kind, path, name);
  // So that what is loaded late is there.
  await store.put("first", bytes.slice());
  console.log("ready");
  await Deno.stdin.read(new Uint8Array(1));
  for (let n = 1; n <= Number(count); n++) await store.put(`k${n}`, fillBytes(bytes, n));
  console.log("done");
  await Deno.stdin.read(new Uint8Array(1));
  await store[Symbol.asyncDispose]();
}
