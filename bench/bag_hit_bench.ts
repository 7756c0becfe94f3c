// How long does a hit take, through a task: small ones from memory and the disk, 8 MB, and a slice?
import { DatabaseSync } from "node:sqlite";
import { type Bag, cacheScope, openBag } from "@quiver/quiver";
import { type Claim, claimRatio, claimTime, printClaims } from "./_claims.ts";
import { compare } from "./_compare.ts";
import { fillWithCalls } from "./_large_bag.ts";
import { large, tiny } from "./_tasks.ts";

const KEYS = 1000;
const ROUNDS = 21;

const LARGE_CALLS = 4;
const LARGE_ROUNDS = 11;

/** 256 MB, of which a slice is one part in a hundred. */
const ELEMENTS = 32_000_000;
const SLICES = 100;
const SLICE_ROUNDS = 11;

/** Compares hits with plain files and SQLite, and a slice with all of its array. */
export async function run(): Promise<Claim[]> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_bench_" });
  try {
    return [
      ...await compareTiny(folder),
      ...await compareLarge(folder),
      ...await compareSlice(folder),
    ];
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function compareTiny(folder: string): Promise<Claim[]> {
  // A key for each hit that is the first of its key, in all rounds and the one before them.
  const calls = KEYS * (ROUNDS + 2);
  const path = `${folder}/tiny`;
  {
    await using bag = await openBag(path);
    await fillWithCalls(bag, calls);
  }
  const json = (n: number) => JSON.stringify({ n, half: n / 2 });
  using database = new DatabaseSync(`${folder}/tiny.sqlite`);
  database.exec("pragma journal_mode = wal; create table hits (key text primary key, value text)");
  const insert = database.prepare("insert into hits values (?, ?)");
  const select = database.prepare("select value from hits where key = ?");
  for (let n = 0; n < KEYS; n++) {
    Deno.writeTextFileSync(`${folder}/${n}.json`, json(n));
    insert.run(String(n), json(n));
  }
  await using memory = await openBag(path);
  await using disk = await openBag(path, { memoryBytes: 0 });
  await using once = await openBag(path, { memoryBytes: 0 });
  let next = KEYS;
  const hit = (name: string, cache: Bag, key: (n: number) => number) => ({
    name,
    run: (calls: number) =>
      cacheScope({ cache }, async () => {
        for (let n = 0; n < calls; n++) await tiny(key(n));
      }),
  });
  const file = {
    name: "file: readTextFileSync + JSON.parse (baseline)",
    run: (calls: number) => {
      for (let n = 0; n < calls; n++) JSON.parse(Deno.readTextFileSync(`${folder}/${n}.json`));
    },
  };
  const sqlite = {
    name: "node:sqlite: select + JSON.parse",
    run: (calls: number) => {
      for (let n = 0; n < calls; n++) JSON.parse(String(select.get(String(n))?.value));
    },
  };
  const warm = [hit("from memory", memory, (n) => n), hit("from the disk", disk, (n) => n)];
  const measured = await compare(
    "Tiny hit: a task of one number that returned two",
    [file, ...warm, sqlite],
    { calls: KEYS, rounds: ROUNDS },
  );
  // Nothing of the call is known: both digests are made, both tables searched, the record is read.
  const first = hit("first of its key, from the disk", once, () => next++);
  const measuredOnce = await compare(
    `Tiny hit, each of another one of ${calls} calls`,
    [file, first, sqlite],
    { calls: KEYS, rounds: ROUNDS },
  );
  for (const bag of [memory, disk, once]) refuseMisses(bag);
  return [
    claimTime({ text: "tiny warm hit from memory", name: "from memory", measured }, 0.004),
    claimTime({ text: "tiny warm hit from the disk", name: "from the disk", measured }, 0.015),
    claimTime(
      { text: "tiny hit, first of its key", name: first.name, measured: measuredOnce },
      0.015,
    ),
  ];
}

async function compareLarge(folder: string): Promise<Claim[]> {
  const count = LARGE_CALLS * (LARGE_ROUNDS + 1);
  const path = `${folder}/large`;
  {
    await using bag = await openBag(path);
    await cacheScope({ cache: bag }, async () => {
      for (let n = 0; n < count; n++) {
        const value = await large(n);
        Deno.writeFileSync(`${folder}/${n}.bin`, new Uint8Array(value.buffer as ArrayBuffer));
      }
    });
  }
  // Opened anew and asked for each value once: so each is checked within the time that counts.
  await using bag = await openBag(path);
  let read = 0;
  let hits = 0;
  const name = "Quiver: await large(n)";
  const measured = await compare("8 MB hit, each for the first time", [
    {
      name: "file: Deno.readFileSync (baseline)",
      run: (calls) => {
        for (let n = 0; n < calls; n++) {
          new Float64Array(Deno.readFileSync(`${folder}/${read++}.bin`).buffer);
        }
      },
    },
    {
      name,
      run: (calls) =>
        cacheScope({ cache: bag }, async () => {
          for (let n = 0; n < calls; n++) await large(hits++);
        }),
    },
  ], { calls: LARGE_CALLS, rounds: LARGE_ROUNDS });
  refuseMisses(bag);
  const text = "8 MB hit with its check, to readFileSync";
  return [claimRatio({ text, name, measured }, 1.3)];
}

async function compareSlice(folder: string): Promise<Claim[]> {
  const path = `${folder}/slice`;
  const array = new Float64Array(ELEMENTS).map((_, index) => index / 3);
  Deno.writeFileSync(`${folder}/slice.bin`, new Uint8Array(array.buffer));
  let digest: string;
  {
    await using bag = await openBag(path);
    digest = await bag.putValue(array);
  }
  await using bag = await openBag(path);
  const length = ELEMENTS / SLICES;
  let next = 0;
  const name = "a slice of 1 %";
  const measured = await compare("A slice of an array of 256 MB", [
    { name: "all of it (baseline)", run: () => bag.value(digest) },
    {
      name,
      calls: 4,
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          // All over the array, and none twice: each is checked as it is read.
          const begin = (next++ * 37 % SLICES) * length;
          await bag.slice(digest, [[begin, begin + length]]);
        }
      },
    },
    { name: "file: Deno.readFileSync", run: () => Deno.readFileSync(`${folder}/slice.bin`) },
  ], { calls: 1, rounds: SLICE_ROUNDS });
  return [claimRatio({ text: "1 % of 256 MB, to reading it", name, measured }, 0.05)];
}

function refuseMisses(bag: Bag): void {
  const { misses } = bag.statistics();
  if (misses > 0) throw new Error(`Cannot time hits: ${misses} were none`);
}

if (import.meta.main) printClaims(await run());
