// Contract: the memory stores.
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import { signStores } from "../../src/store/signed/signed_stores.ts";
import { testStores } from "./contract.ts";

const [MEMORY, SIGNED] = [
  createMemoryStores,
  () => signStores(createMemoryStores(), ["a key of the memory store"]),
].map((create) => ({
  shared: false,
  open: () => Promise.resolve({ stores: create(), [Symbol.asyncDispose]: () => Promise.resolve() }),
}));
if (MEMORY !== undefined) testStores("memory", MEMORY);
if (SIGNED !== undefined) testStores("signed memory", SIGNED);
