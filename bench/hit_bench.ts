// How long does a hit take: tiny, 8 MB, and with an 8 MB argument?
import { createHash } from "node:crypto";
import { DatabaseSync } from "node:sqlite";
import cacache from "cacache";
import memoizeFs from "memoize-fs";
import { cacheScope, openBag } from "@quiver/quiver";
import { compare } from "./_compare.ts";
import { large, sumOf, tiny } from "./_tasks.ts";

const KEYS = 1000;

/** Compares hits with a plain file, SQLite, cacache and memoize-fs. */
export async function run(): Promise<void> {
  const folder = await Deno.makeTempDir();
  {
    await using bag = await openBag(`${folder}/results.bag`);
    await cacheScope({ cache: bag }, async () => {
      await compareTiny(folder);
      await compareLarge(folder);
      await compareArgument(folder);
    });
  }
  await Deno.remove(folder, { recursive: true });
}

async function compareTiny(folder: string): Promise<void> {
  const json = (n: number) => JSON.stringify({ n, half: n / 2 });
  const database = new DatabaseSync(`${folder}/tiny.sqlite`);
  database.exec("pragma journal_mode = wal; create table hits (key text primary key, value text)");
  const insert = database.prepare("insert into hits values (?, ?)");
  const select = database.prepare("select value from hits where key = ?");
  const memoizer = memoizeFs({ cachePath: `${folder}/memoize` });
  const memoized = await memoizer.fn((n: number) => ({ n, half: n / 2 }), { cacheId: "tiny" });
  for (let n = 0; n < KEYS; n++) {
    Deno.writeTextFileSync(`${folder}/${n}.json`, json(n));
    insert.run(String(n), json(n));
    await tiny(n);
    await memoized(n);
    await cacache.put(`${folder}/cacache`, String(n), json(n));
  }
  await compare("Tiny hit: a task of one number that returned two", [
    {
      name: "file: readTextFileSync + JSON.parse (baseline)",
      run: (calls) => {
        for (let n = 0; n < calls; n++) JSON.parse(Deno.readTextFileSync(`${folder}/${n}.json`));
      },
    },
    {
      name: "Quiver: await tiny(n)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await tiny(n);
      },
    },
    {
      name: "node:sqlite: select + JSON.parse",
      run: (calls) => {
        for (let n = 0; n < calls; n++) JSON.parse(String(select.get(String(n))?.value));
      },
    },
    {
      name: "memoize-fs",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await memoized(n);
      },
    },
    {
      name: "cacache: get + JSON.parse",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const { data } = await cacache.get(`${folder}/cacache`, String(n));
          JSON.parse(new TextDecoder().decode(data));
        }
      },
    },
  ], { calls: KEYS });
  database.close();
}

async function compareLarge(folder: string): Promise<void> {
  const value = await large(1);
  const bytes = new Uint8Array(value.buffer as ArrayBuffer);
  Deno.writeFileSync(`${folder}/large.bin`, bytes);
  await cacache.put(`${folder}/cacache`, "large", bytes);
  await compare("8 MB hit: a Float64Array of 2^20 elements", [
    {
      name: "file: Deno.readFileSync (baseline)",
      run: (calls) => {
        for (let n = 0; n < calls; n++) {
          new Float64Array(Deno.readFileSync(`${folder}/large.bin`).buffer);
        }
      },
    },
    {
      name: "Quiver: await large(1)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await large(1);
      },
    },
    {
      name: "cacache: get",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await cacache.get(`${folder}/cacache`, "large");
      },
    },
  ], { calls: 10 });
}

async function compareArgument(folder: string): Promise<void> {
  const value = new Float64Array(1 << 20).map((_, index) => index / 3);
  await sumOf(value);
  const memoizer = memoizeFs({ cachePath: `${folder}/memoize` });
  const memoized = await memoizer.fn((values: Float64Array) => values.length, { cacheId: "sum" });
  await memoized(value);
  await compare("Hit with an 8 MB argument", [
    {
      name: "one SHA-256 pass (baseline)",
      run: (calls) => {
        for (let n = 0; n < calls; n++) createHash("sha256").update(value).digest("hex");
      },
    },
    {
      name: "Quiver: await sumOf(values)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await sumOf(value);
      },
    },
    {
      name: "memoize-fs (arguments as JSON)",
      run: async (calls) => {
        for (let n = 0; n < calls; n++) await memoized(value);
      },
    },
  ], { calls: 2, rounds: 5 });
}

if (import.meta.main) await run();
