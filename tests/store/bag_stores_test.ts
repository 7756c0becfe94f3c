// Contract: the stores of a bag.
import { openBagStores } from "../../src/store/open_stores.ts";
import { testStores } from "./contract.ts";

testStores("bag", {
  shared: true,
  // What a fold does has its own tests, and takes its time.
  open: (path, mode) => openBagStores(path, { mode, fold: "manual" }),
});
testStores("signed bag", {
  shared: true,
  open: (path, mode) =>
    openBagStores(path, { mode, fold: "manual", signingKey: "a key of this bag" }),
});
