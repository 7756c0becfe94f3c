// Contract: the stores of a file cache.
import { openFileStores } from "../../src/store/open_stores.ts";
import { testStores } from "./contract.ts";

testStores("file", { shared: true, open: (path, mode) => openFileStores(path, { mode }) });
testStores("signed file", {
  shared: true,
  open: (path, mode) => openFileStores(path, { mode, signingKey: "a key of these files" }),
});
