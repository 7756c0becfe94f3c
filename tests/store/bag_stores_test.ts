// Contract: the stores of a bag.
import { openBagStores } from "../../src/store/open_stores.ts";
import { testStores } from "./contract.ts";

testStores("bag", async () => {
  const path = await Deno.makeTempDir();
  const opened = await openBagStores(path);
  return {
    stores: opened.stores,
    [Symbol.asyncDispose]: async () => {
      await opened[Symbol.asyncDispose]();
      await Deno.remove(path, { recursive: true });
    },
  };
});
