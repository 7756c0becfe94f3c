// How long does it take until 200 B are acknowledged, and how many puts a second can one writer make?
import { DatabaseSync } from "node:sqlite";
import { openBag } from "@quiver/quiver";
import { type Claim, claimRate, printClaims } from "./_claims.ts";
import { compare, format, quantile } from "./_compare.ts";
import { fillBytes } from "./_byte_stores.ts";

const SIZE = 200;
const CALLS = 5000;
const ROUNDS = 11;

/** Compares puts with writing a plain file each, and with SQLite. */
export async function run(): Promise<Claim[]> {
  const folder = await Deno.makeTempDir({ prefix: "quiver_bench_" });
  try {
    return await comparePuts(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function comparePuts(folder: string): Promise<Claim[]> {
  await using bag = await openBag(`${folder}/bag`);
  using database = new DatabaseSync(`${folder}/puts.sqlite`);
  database.exec("pragma journal_mode = wal; pragma synchronous = normal");
  database.exec("create table bytes (key text primary key, value blob)");
  const insert = database.prepare("insert into bytes values (?, ?)");
  const bytes = new Uint8Array(SIZE);
  let next = 0;
  const times: number[] = [];
  const name = "Quiver: await bag.putValue";
  const measured = await compare("Put 200 B, one writer", [
    {
      name: "file: write (baseline)",
      run: (calls) => {
        for (let n = 0; n < calls; n++) {
          Deno.writeFileSync(`${folder}/${n}.bin`, fillBytes(bytes, next++));
        }
      },
      calls: CALLS / 10,
    },
    {
      name,
      run: async (calls) => {
        for (let n = 0; n < calls; n++) {
          const begun = performance.now();
          await bag.putValue(fillBytes(bytes, next++));
          times.push(performance.now() - begun);
        }
      },
    },
    {
      name: "node:sqlite: insert",
      run: (calls) => {
        for (let n = 0; n < calls; n++) insert.run(`${next}`, fillBytes(bytes, next++));
      },
    },
  ], { calls: CALLS, rounds: ROUNDS, show: "rate" });
  // Of each put by itself, but for those of the round that warms up.
  const counted = times.slice(CALLS);
  const [half = NaN, most = NaN] = [0.5, 0.99].map((q) => quantile(counted, q));
  return [
    {
      text: "put 200 B, p50",
      measured: format(half, "time"),
      goal: `≤ ${format(0.01, "time")}`,
      holds: half <= 0.01,
      beside: `p99 ${format(most, "time")}`,
    },
    claimRate({ text: "puts of 200 B, one writer", name, measured }, 40_000),
  ];
}

if (import.meta.main) printClaims(await run());
