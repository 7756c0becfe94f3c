// Collaboration: the SQLite cache with databases that are damaged, busy, foreign or forbidden.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { CacheFormatError, QuiverError } from "../../src/base/errors.ts";
import { openSqliteStores } from "../../src/store/open_stores.ts";
import type { SqliteOptions } from "../../src/store/stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { createRecord } from "./contract.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";

const VALUE = { big: new Float64Array(1000).fill(1), small: "x" };
const KEY = "1".repeat(64);

/** Something done to a database by another program. */
function tamper(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

for (
  const [damage, sql] of [
    ["bytes", "UPDATE payloads SET bytes = zeroblob(length(bytes))"],
    ["a length", "UPDATE payloads SET bytes = substr(bytes, 1, length(bytes) - 1)"],
    ["a kind", "UPDATE payloads SET kind = CASE kind WHEN 25 THEN 26 ELSE 1 END"],
    ["an unknown kind", "UPDATE payloads SET kind = 1000"],
    ["a checksum", "UPDATE payloads SET crc = crc + 1"],
    ["a row", "DELETE FROM payloads WHERE kind = 25"],
  ] as const
) {
  Deno.test(`SqliteStorage takes a value with damage to ${damage} for missing, and heals it`, async () => {
    using directory = new TemporaryDirectory();
    const path = `${directory.path}/a.db`;
    await using opened = await openSqliteStores(path);
    const { values } = opened.stores;
    const encoded = encodeValue(VALUE);
    await values.put(encoded);
    tamper(path, sql);
    assertEquals(await values.get(encoded.digest), { hit: false });
    await values.put(encoded);
    assertEquals(await values.get(encoded.digest), { hit: true, value: VALUE });
  });
}

Deno.test("SqliteStorage takes a record that is damaged, foreign or misplaced for missing", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/a.db`;
  await using opened = await openSqliteStores(path);
  const { calls } = opened.stores;
  for (
    const sql of [
      "UPDATE calls SET record = replace(record, 'argon', 'xenon')",
      "UPDATE calls SET record = '{}'",
      "UPDATE calls SET record = ''",
      `UPDATE calls SET key = '${"2".repeat(64)}'`,
      `UPDATE calls SET key = 'mine'`,
    ]
  ) {
    await calls.put(createRecord(KEY, "a".repeat(64)));
    tamper(path, sql);
    for (const key of [KEY, "2".repeat(64), "mine"]) assertEquals(await calls.get(key), undefined);
    assertEquals(await Array.fromAsync(calls.records()), [], sql);
    tamper(path, "DELETE FROM calls");
  }
});

Deno.test("SqliteStorage goes over more records than it reads at once", async () => {
  using directory = new TemporaryDirectory();
  await using opened = await openSqliteStores(`${directory.path}/a.db`);
  const { calls } = opened.stores;
  const keys = Array.from({ length: 2000 }, (_, i) => `${i}`.padStart(64, "0"));
  for (const key of keys) await calls.put(createRecord(key, key));
  const found = await Array.fromAsync(calls.records(), ({ key }) => key);
  assertEquals(found.sort(), keys);
});

Deno.test("openSqliteStores() refuses what is no cache, leaves it as it is, and says why", async () => {
  using directory = new TemporaryDirectory();
  const { path } = directory;
  Deno.mkdirSync(`${path}/directory`);
  Deno.writeTextFileSync(`${path}/text`, "a text of more than a few characters\n".repeat(50));
  Deno.writeTextFileSync(`${path}/short`, "text");
  tamper(`${path}/other`, "CREATE TABLE mine (a)");
  tamper(`${path}/program`, "PRAGMA application_id = 7");
  {
    await using _ = await openSqliteStores(`${path}/newer`);
  }
  tamper(`${path}/newer`, "PRAGMA user_version = 2");
  Deno.removeSync(`${path}/newer-leases`, { recursive: true });
  // SQLite itself keeps two files beside a database that it looks into.
  const names = () =>
    Array.from(Deno.readDirSync(path), ({ name }) => name)
      .filter((name) => !/-(wal|shm)$/.test(name)).sort();
  const before = names();
  for (
    const [name, reason, options] of [
      ["directory", "it is a directory", {}],
      ["text", "it is no SQLite database", {}],
      ["short", "it is no SQLite database", {}],
      ["other", "it is a database of another program", {}],
      ["program", "it is a database of another program", {}],
      ["newer", "it has format version 2, and this is Quiver for version 1; use the Quiver", {}],
      ["missing", 'there is none; open it with mode: "readwrite"', { mode: "read" }],
    ] as const satisfies [string, string, SqliteOptions][]
  ) {
    const opening = () => openSqliteStores(`${path}/${name}`, options);
    const error = await assertRejects(opening, CacheFormatError);
    assertStringIncludes(error.message, `Cannot open "${path}/${name}" as a SQLite cache: `);
    assertStringIncludes(error.message, reason);
  }
  assertEquals(names(), before);
  await assertRejects(() => openSqliteStores(`${path}/a`, { busyTimeout: -1 }), RangeError);
  const misspelled = { busyTimout: 1 } as SqliteOptions;
  await assertRejects(() => openSqliteStores(`${path}/a`, misspelled), TypeError, '"busyTimout"');
  assertEquals(names(), before);
});

Deno.test("openSqliteStores() makes the directories above a new database", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/new/deep/a.db`;
  await using opened = await openSqliteStores(new URL(`file://${path}`));
  assertEquals(opened.files.path, path);
  assert(Deno.statSync(path).isFile);
});

Deno.test("SqliteStorage waits for who holds the database, no longer than it may", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/a.db`;
  await using opened = await openSqliteStores(path, { busyTimeout: 0 });
  const { calls } = opened.stores;
  const holder = new DatabaseSync(path);
  try {
    holder.exec("BEGIN IMMEDIATE");
    await assertRejects(
      async () => await calls.put(createRecord(KEY, "a".repeat(64))),
      Error,
      "database is locked",
    );
    assertEquals(await calls.get(KEY), undefined);
    holder.exec("COMMIT");
    await calls.put(createRecord(KEY, "a".repeat(64)));
  } finally {
    holder.close();
  }
});

Deno.test("SqliteStorage sees nothing of a transaction that another gives up", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/a.db`;
  await using opened = await openSqliteStores(path);
  await opened.stores.calls.put(createRecord(KEY, "a".repeat(64)));
  const holder = new DatabaseSync(path);
  holder.exec("BEGIN IMMEDIATE; DELETE FROM calls");
  holder.close();
  assertEquals((await opened.stores.calls.get(KEY))?.result, "a".repeat(64));
});

Deno.test("SqliteStorage that may not write says so, and counts bytes", async () => {
  using directory = new TemporaryDirectory();
  const path = `${directory.path}/a.db`;
  {
    await using opened = await openSqliteStores(path);
    await opened.stores.values.put(encodeValue(1));
  }
  await using read = await openSqliteStores(path, { mode: "read" });
  await assertRejects(
    async () => await read.stores.values.put(encodeValue(2)),
    QuiverError,
    'Cannot put a value into the SQLite cache "',
  );
  assertEquals(read.stores.statistics?.().storage, { bytes: Deno.statSync(path).size });
});
