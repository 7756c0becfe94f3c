// Contract: signed stores believe nobody who has no key, whatever kind of stores is beneath.
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import type { DiskBag } from "../../src/bag/disk_bag.ts";
import {
  openBagStores,
  openFileStores,
  openSqliteStores,
  type OpenStores,
} from "../../src/store/open_stores.ts";
import { createMemoryStores } from "../../src/store/memory_stores.ts";
import { signStores } from "../../src/store/signed/signed_stores.ts";
import type { CallStore, Stores } from "../../src/store/stores.ts";
import { encodeValue } from "../../src/value/codec/encode_value.ts";
import { VALUE_KIND } from "../../src/value/value.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { createRecord } from "./contract.ts";

type Keys = readonly string[];
type Open = (path: string, keys: Keys) => Promise<OpenStores>;

const OLD = "the key of last year";
const NEW = "the key of this year";
const KEY = "1".repeat(64);
const OTHER = "2".repeat(64);

const KINDS: Record<string, Open> = {
  bag: (path, signingKey) => openBagStores(path, { signingKey, fold: "manual" }),
  file: (path, signingKey) => openFileStores(path, { signingKey }),
  SQLite: (path, signingKey) => openSqliteStores(path, { signingKey }),
};

const GOOD = { big: new Float64Array(1000).fill(1), verdict: "good" };
const EVIL = { big: new Float64Array(1000).fill(6), verdict: "evil" };

function rejected({ statistics }: Stores): [signatures: number, values: number] {
  const { rejectedSignatures, rejectedValues } = statistics?.() ??
    { rejectedSignatures: -1, rejectedValues: -1 };
  return [rejectedSignatures, rejectedValues];
}

async function remember({ values, calls }: Stores, value: unknown = GOOD): Promise<string> {
  const encoded = encodeValue(value);
  await values.put(encoded);
  await calls.put(createRecord(KEY, encoded.digest));
  return encoded.digest;
}

for (const [kind, open] of Object.entries(KINDS)) {
  const test = (name: string, fn: (at: (...keys: Keys) => Promise<OpenStores>) => Promise<void>) =>
    Deno.test(`signed ${kind} stores: ${name}`, async () => {
      using directory = new TemporaryDirectory();
      await fn((...keys) => open(`${directory.path}/here`, keys));
    });

  // fleche 57
  test("who has a key of the list reads, whoever of them signed", async (at) => {
    await using old = await at(OLD);
    const digest = await remember(old.stores);
    await using both = await at(NEW, OLD);
    assertEquals((await both.stores.calls.get(KEY))?.result, digest);
    assertEquals(await both.stores.values.get(digest), { hit: true, value: GOOD });
    await both.stores.calls.put(createRecord(OTHER, digest));
    await using latest = await at(NEW);
    assertEquals((await latest.stores.calls.get(OTHER))?.result, digest);
    assertEquals(await latest.stores.calls.get(KEY), undefined);
    assertEquals((await Array.fromAsync(latest.stores.calls.records())).length, 1);
    assertEquals(await old.stores.calls.get(OTHER), undefined);
    assertEquals([both, latest, old].map(({ stores }) => rejected(stores)[0]), [0, 2, 1]);
  });

  // fleche 57
  test("who has no key reads what is signed", async (at) => {
    await using signed = await at(NEW);
    const digest = await remember(signed.stores);
    await using unsigned = await at();
    assertEquals((await unsigned.stores.calls.get(KEY))?.result, digest);
    assertEquals(await unsigned.stores.values.get(digest), { hit: true, value: GOOD });
  });

  // fleche 57
  test("a record without signature is a miss, until it is computed again", async (at) => {
    await using unsigned = await at();
    const digest = await remember(unsigned.stores);
    await using signed = await at(NEW);
    assertEquals(await signed.stores.calls.get(KEY), undefined);
    assertEquals(rejected(signed.stores), [1, 0]);
    await remember(signed.stores);
    assertEquals((await signed.stores.calls.get(KEY))?.result, digest);
  });

  // fleche 57
  test("a change of any field of a record makes it a miss", async (at) => {
    await using signed = await at(NEW);
    await using unsigned = await at();
    await remember(signed.stores);
    const record = await unsigned.stores.calls.get(KEY);
    assert(record?.signature !== undefined);
    const { signature } = record;
    const changes = [
      { result: encodeValue(EVIL).digest },
      { args: [] },
      { args: [{ name: "x", digest: "0".repeat(64), value: "0".repeat(64) }] },
      { task: "g" },
      { version: "1" },
      { scheme: 2 },
      { duration: 1.25 },
      { metadata: {} },
      { metadata: { tags: { project: "argon", more: null } } },
      { added: 1 },
      { signature: "" },
      { signature: signature.toUpperCase() },
      { signature: signature.slice(2) },
      { signature: `${signature.slice(0, -1)}${signature.endsWith("0") ? 1 : 0}` },
      { signature: [signature] },
      { signature: "g".repeat(64) },
    ];
    for (const change of changes) {
      // What a program of an attacker writes need not be a record.
      await unsigned.stores.calls.put({ ...record, ...change as Partial<typeof record> });
      assertEquals(await signed.stores.calls.get(KEY), undefined, JSON.stringify(change));
    }
    assertEquals(rejected(signed.stores), [changes.length, 0]);
    await unsigned.stores.calls.put(record);
    assertEquals(await signed.stores.calls.get(KEY), record);
  });

  test("a good record of another call is a miss", async (at) => {
    await using signed = await at(NEW);
    await using unsigned = await at();
    await remember(signed.stores);
    const record = await unsigned.stores.calls.get(KEY);
    assert(record !== undefined);
    await unsigned.stores.calls.put({ ...record, key: OTHER });
    assertEquals(await signed.stores.calls.get(OTHER), undefined);
  });

  test("a value that is not what its digest says is a miss, and heals", async (at) => {
    const good = encodeValue(GOOD);
    const evil = encodeValue(EVIL);
    {
      await using unsigned = await at();
      await unsigned.stores.values.put({ ...evil, digest: good.digest });
      assertEquals(await unsigned.stores.values.get(good.digest), { hit: true, value: EVIL });
    }
    {
      await using signed = await at(NEW);
      const { values } = signed.stores;
      assertEquals(await values.get(good.digest), { hit: false });
      assertEquals(rejected(signed.stores), [0, 1]);
      await values.put(good);
      assertEquals(await values.get(good.digest), { hit: true, value: GOOD });
    }
    await using again = await at(NEW);
    assertEquals(await again.stores.values.get(good.digest), { hit: true, value: GOOD });
  });

  test("a part that is not what its digest says is a miss, and heals", async (at) => {
    const good = encodeValue(GOOD);
    const [part] = good.parts;
    const [wrong] = encodeValue(EVIL).parts;
    assert(part !== undefined && wrong !== undefined);
    await using unsigned = await at();
    await unsigned.stores.values.put({ ...wrong, digest: part.digest, parts: [] });
    await unsigned.stores.values.put({ ...good, parts: [] });
    await using signed = await at(NEW);
    const { values } = signed.stores;
    assertEquals(await values.get(good.digest), { hit: false });
    await values.put(good);
    assertEquals(await values.get(good.digest), { hit: true, value: GOOD });
    assertEquals(await values.get(part.digest), { hit: true, value: GOOD.big });
  });

  test("bytes that cannot be read are a miss, and heal", async () => {
    const good = encodeValue(GOOD);
    const bytes = new Uint8Array([0xff, 1, 2]);
    for (const kind of [VALUE_KIND.cbor, VALUE_KIND.graph, VALUE_KIND.Float64Array]) {
      using directory = new TemporaryDirectory();
      const path = `${directory.path}/here`;
      await using unsigned = await open(path, []);
      await unsigned.stores.values.put({ digest: good.digest, kind, bytes, parts: [] });
      await using signed = await open(path, [NEW]);
      assertEquals(await signed.stores.values.get(good.digest), { hit: false });
      await signed.stores.values.put(good);
      assertEquals(await signed.stores.values.get(good.digest), { hit: true, value: GOOD });
    }
  });

  test("the key is in no file, and in no description that is shown", async () => {
    using directory = new TemporaryDirectory();
    {
      await using signed = await open(`${directory.path}/here`, [NEW, OLD]);
      await remember(signed.stores);
      const { Cache } = await import("../../src/cache/cache.ts");
      const cache = new Cache(signed.stores);
      const shown = `${JSON.stringify(cache.description)} ${Deno.inspect(cache)} ` +
        Deno.inspect(signed.stores.calls, { showHidden: true });
      assert(!shown.includes(OLD) && !shown.includes(NEW));
      assertEquals(cache.secretDescription?.type, "signed");
    }
    let files = 0;
    for (const { path, bytes } of directory.files()) {
      files++;
      const text = new TextDecoder("latin1").decode(bytes);
      assert(!text.includes(OLD) && !text.includes(NEW), path);
    }
    assert(files > 0);
  });
}

Deno.test("signed bag stores: what heals stays healed when the bag is folded", async () => {
  using directory = new TemporaryDirectory();
  const good = encodeValue(GOOD);
  const openBag = (signingKey: Keys): Promise<OpenStores & { files: DiskBag }> =>
    openBagStores(directory.path, { signingKey, fold: "manual" });
  {
    await using unsigned = await openBag([]);
    await unsigned.stores.values.put({ ...encodeValue(EVIL), digest: good.digest });
    await unsigned.files.fold();
  }
  {
    await using signed = await openBag([NEW]);
    assertEquals(await signed.stores.values.get(good.digest), { hit: false });
    await signed.stores.values.put(good);
    await signed.files.fold();
    assertEquals(await signed.stores.values.get(good.digest), { hit: true, value: GOOD });
  }
  await using again = await openBag([NEW]);
  assertEquals(await again.stores.values.get(good.digest), { hit: true, value: GOOD });
  assertEquals(rejected(again.stores), [0, 0]);
});

Deno.test("signed bag stores: behind a forged copy of a value the good one is found", async () => {
  using directory = new TemporaryDirectory();
  const good = encodeValue(GOOD);
  const [here, elsewhere] = [`${directory.path}/here`, `${directory.path}/elsewhere`];
  {
    await using signed = await openBagStores(here, { signingKey: NEW, fold: "manual" });
    await signed.stores.values.put(good);
    await signed.files.fold();
  }
  {
    await using unsigned = await openBagStores(elsewhere, { fold: "manual" });
    await unsigned.stores.values.put({ ...encodeValue(EVIL), digest: good.digest });
  }
  for (const { name } of Deno.readDirSync(`${elsewhere}/journal`)) {
    Deno.copyFileSync(`${elsewhere}/journal/${name}`, `${here}/journal/${name}`);
  }
  await using unsigned = await openBagStores(here, { fold: "manual", mode: "read" });
  await using signed = await openBagStores(here, { fold: "manual", mode: "read", signingKey: NEW });
  // Values are looked for in known places first, and journals are known from the first miss on.
  for (const { values } of [unsigned.stores, signed.stores]) await values.get(OTHER);
  assertEquals(await unsigned.stores.values.get(good.digest), { hit: true, value: EVIL });
  assertEquals(await signed.stores.values.get(good.digest), { hit: true, value: GOOD });
  assertEquals(rejected(signed.stores), [0, 1]);
});

Deno.test("signStores() takes a good record that is found under another key for a miss", async () => {
  const { calls, ...others } = createMemoryStores();
  const misled: CallStore = {
    put: (record) => calls.put(record),
    get: () => calls.get(KEY),
    delete: (key) => calls.delete(key),
    records: () => calls.records(),
  };
  const signed = signStores({ ...others, calls: misled }, [NEW]);
  await remember(signed);
  assert(await signed.calls.get(KEY) !== undefined);
  assertEquals(await signed.calls.get(OTHER), undefined);
});

// fleche 57
Deno.test("signed file stores: a flipped bit anywhere is a miss or changes nothing, and heals", async () => {
  using directory = new TemporaryDirectory();
  const value = { small: [1, "two"], verdict: "good" };
  const digest = await (async () => {
    await using signed = await openFileStores(directory.path, { signingKey: NEW });
    return await remember(signed.stores, value);
  })();
  await using signed = await openFileStores(directory.path, { signingKey: NEW });
  const { calls, values } = signed.stores;
  let misses = 0;
  for (const { path, bytes } of [...directory.files()]) {
    if (path.endsWith("cache.json") || path.includes("/leases/")) continue;
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << at % 8);
      Deno.writeFileSync(path, changed);
      const record = await calls.get(KEY);
      const found = record && await values.get(record.result);
      if (found?.hit) assertEquals([found.value, record?.result], [value, digest], `${path} ${at}`);
      else misses++;
    }
    await remember(signed.stores, value);
    assertEquals(await values.get(digest), { hit: true, value });
    assert(await calls.get(KEY) !== undefined);
  }
  assert(misses > 400, `${misses}`);
});

Deno.test("signed bag stores: a flipped bit in log or journal is a miss or changes nothing", async () => {
  using directory = new TemporaryDirectory();
  const value = { small: [1, "two"], verdict: "good" };
  const open = () => openBagStores(directory.path, { signingKey: NEW, fold: "manual" });
  const digest = await (async () => {
    await using signed = await open();
    return await remember(signed.stores, value);
  })();
  let [tried, misses] = [0, 0];
  for (const { path, bytes } of [...directory.files()]) {
    if (!path.includes("/journal/") && !path.endsWith("calls.jsonl")) continue;
    for (let at = 0; at < bytes.length; at++, tried++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << at % 8);
      Deno.writeFileSync(path, changed);
      await using signed = await open();
      const record = await signed.stores.calls.get(KEY);
      const found = record && await signed.stores.values.get(record.result);
      if (found?.hit) assertEquals([found.value, record?.result], [value, digest], `${path} ${at}`);
      else misses++;
    }
    Deno.writeFileSync(path, bytes);
  }
  assert(tried > 400 && misses > tried * 0.9, `${misses} misses of ${tried}`);
});

Deno.test("toSigningKeys() refuses a short key without quoting it, and a missing variable", async () => {
  using directory = new TemporaryDirectory();
  const open = (signingKey: string | string[] | { environment: string }) =>
    openFileStores(directory.path, { signingKey });
  for (const keys of ["sesame", [NEW, "sesame"]]) {
    const error = await assertRejects(() => open(keys), RangeError, "6 characters");
    assert(!error.message.includes("sesame"));
  }
  const binary = [new Uint8Array(32)] as unknown as string[];
  await assertRejects(() => open(binary), TypeError, "key 1 of 1: it is no text");
  const missing = { environment: "QUIVER_NO_SUCH_KEY" };
  const error = await assertRejects(() => open(missing), TypeError);
  assertStringIncludes(error.message, '"QUIVER_NO_SUCH_KEY": the environment variable is not set');
});
