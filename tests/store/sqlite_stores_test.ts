// Contract: the stores of a SQLite cache.
import { openSqliteStores } from "../../src/store/open_stores.ts";
import { testStores } from "./contract.ts";

testStores("SQLite", { shared: true, open: (path, mode) => openSqliteStores(path, { mode }) });
testStores("durable SQLite", {
  shared: true,
  open: (path, mode) => openSqliteStores(path, { mode, durability: "power" }),
});
testStores("signed SQLite", {
  shared: true,
  open: (path, mode) => openSqliteStores(path, { mode, signingKey: "a key of this database" }),
});
