// Contract: the memory stores.
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import { testStores } from "./contract.ts";

testStores("memory", () =>
  Promise.resolve({
    stores: createMemoryStores(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }));
