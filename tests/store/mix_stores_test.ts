// Contract: values of one kind of stores with calls of another.
import { assertEquals } from "@std/assert";
import { mixStores } from "../../src/store/layered_stores.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import {
  openBagStores,
  openFileStores,
  openSqliteStores,
  type OpenStores,
} from "../../src/store/open_stores.ts";
import { type StoresKind, testStores } from "./contract.ts";

type Open = (path: string, options: { mode: "readwrite" | "read" }) => Promise<OpenStores>;

const openBag: Open = (path, options) => openBagStores(path, { ...options, fold: "manual" });
const openSigned: Open = (path, options) =>
  openFileStores(path, { ...options, signingKey: "a key of these files" });

function mix(openValues: Open, openCalls: Open): StoresKind {
  return {
    shared: true,
    open: async (path, mode) => {
      const values = await openValues(`${path}.values`, { mode });
      const calls = await openCalls(`${path}.calls`, { mode });
      return {
        stores: mixStores(values.stores, calls.stores),
        [Symbol.asyncDispose]: async () => {
          await values[Symbol.asyncDispose]();
          await calls[Symbol.asyncDispose]();
        },
      };
    },
  };
}

testStores("bag with SQLite", mix(openBag, openSqliteStores));
testStores("SQLite with signed file", mix(openSqliteStores, openSigned));
testStores("file with bag", mix(openFileStores, openBag));

Deno.test("mixStores() of what cannot travel cannot travel", async () => {
  const path = await Deno.makeTempDir();
  {
    await using files = await openFileStores(path);
    assertEquals(mixStores(createMemoryStores(), files.stores).description, undefined);
    assertEquals(mixStores(files.stores, createMemoryStores()).description, undefined);
  }
  await Deno.remove(path, { recursive: true });
});
