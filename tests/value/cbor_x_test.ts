// Contract: the copy of cbor-x is cbor-x.
import { assert, assertEquals, assertMatch } from "@std/assert";

const COPY = new URL("../../src/value/codec/cbor_x.js", import.meta.url);

/** Reads a file of the package in the version that the lock file names. */
async function readPackaged(file: string): Promise<string> {
  return await Deno.readTextFile(new URL(file, import.meta.resolve("cbor-x/package.json")));
}

Deno.test("the copy of cbor-x has all of Encoder and Decoder, as they are in the package", async () => {
  const [head = "", release = "", tail] = (await Deno.readTextFile(COPY))
    .split(/^\/\/ --- the release (?:begins|ends) ---\n/m);
  const { version } = JSON.parse(await readPackaged("package.json"));
  assertMatch(head, new RegExp(`^/\\*!\ncbor-x ${version}\\.`));
  assert(head.includes((await readPackaged("LICENSE")).trim()), "the license is another one");
  const packaged = await readPackaged("dist/index.js");
  const start = packaged.indexOf("(function (exports) { 'use strict';\n\n");
  const end = packaged.indexOf("\t/**\n\t * Given an Iterable first argument");
  assertEquals(packaged.slice(start, end).split("\n").slice(2).join("\n"), release);
  assertEquals(tail, "export { Decoder, Encoder };\n");
});

Deno.test("the copy of cbor-x imports nothing", async () => {
  const text = await Deno.readTextFile(COPY);
  assertEquals(text.match(/^\s*import\b|\bimport\(|\brequire\(|\bfrom ['"]/gm), null);
});

Deno.test("the copy of cbor-x does without a Buffer, whatever the program has made of it", async () => {
  const known = Object.getOwnPropertyDescriptor(globalThis, "Buffer");
  const get = () => {
    throw new Error("Buffer was used");
  };
  Object.defineProperty(globalThis, "Buffer", { get, configurable: true });
  try {
    // A copy of the copy, which is not loaded yet.
    const { Encoder, Decoder } = await import(`${COPY}?without-buffer`);
    const text = "äöü".repeat(10_000);
    const bytes = new Encoder({ useRecords: false }).encode({ text });
    assertEquals(new Decoder({ useRecords: false }).decode(bytes), { text });
  } finally {
    if (known !== undefined) Object.defineProperty(globalThis, "Buffer", known);
  }
});
