// Attacks what reads a bag, for as long as you like: deno task fuzz --minutes=10 --seed=1 --calls=100000
//
// First every property of damaged files in turn, with new random data each time, for so many minutes;
// then so many rounds of calls whose arguments are changed meanwhile, here and on each kind of worker;
// then, to their ends, small bags with each of their bytes changed, and each of their files cut at
// each of its lengths, and bags in which one thing is other than any writer makes it, with right
// checksums, which takes a few minutes more: --minutes=0 --calls=0 does only that. It ends with an error
// at the first attack that is not answered by a right value, a miss or a clear error,
// and says how to repeat it.
import fc from "fast-check";
import { FROZEN } from "./frozen_calls.ts";
import { TARGETS } from "./properties.ts";
import { BAG_NAMES } from "./bags.ts";
import { damageEverywhere } from "./damage_everywhere.ts";
import { HOSTILE } from "./hostile_bags.ts";
import { surviveAll } from "./survive.ts";

/** How long one property is tried before the next one, in milliseconds. */
const TURN = 5000;

function readNumber(name: string, usual: number): number {
  const text = Deno.args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
  const value = text === undefined ? usual : Number(text);
  if (Number.isFinite(value)) return value;
  throw new TypeError(`Cannot fuzz as "--${name}" must be a number: current value is "${text}"`);
}

function fuzz(directory: string, end: number, seed: number): void {
  const properties = TARGETS.map(({ name, create }, i) => {
    const path = `${directory}/${i}`;
    Deno.mkdirSync(path);
    return { name, property: create(path), runs: 0 };
  });
  for (let round = 0; Date.now() < end; round++) {
    for (const target of properties) {
      const limit = Math.min(TURN, Math.max(end - Date.now(), 100));
      const details = fc.check(target.property, {
        seed: seed + round,
        numRuns: Infinity,
        interruptAfterTimeLimit: limit,
      });
      refuseFailure(target.name, details);
      target.runs += details.numRuns;
    }
  }
  for (const { name, runs } of properties) console.log(`${runs} runs: ${name}`);
}

function refuseFailure<T>(name: string, details: fc.RunDetails<T>): void {
  if (!details.failed) return;
  const { seed, counterexamplePath, counterexample, errorInstance } = details;
  const example = Deno.inspect(counterexample, { depth: 10, iterableLimit: 1000 });
  throw new Error(`${name}: seed ${seed}, path "${counterexamplePath}": ${example}`, {
    cause: errorInstance,
  });
}

/** All kinds at once, as most of the time is spent waiting. */
async function fuzzCalls(directory: string, rounds: number, seed: number): Promise<void> {
  const numRuns = Math.ceil(rounds / FROZEN.length);
  const ended = await Promise.allSettled(FROZEN.map(async ({ name, open }, i) => {
    const path = `${directory}/calls ${i}`;
    Deno.mkdirSync(path);
    await using target = await open(path);
    refuseFailure(name, await fc.check(target.property, { seed, numRuns }));
    console.log(`${numRuns} runs: ${name}`);
  }));
  for (const kind of ended) if (kind.status === "rejected") throw kind.reason;
}

const minutes = readNumber("minutes", 1);
const calls = readNumber("calls", 100_000);
const seed = readNumber("seed", Date.now() % 2 ** 31);
console.log(`Fuzzing for ${minutes} minutes with seed ${seed}`);
const directory = Deno.makeTempDirSync({ prefix: "quiver_fuzz_" });
try {
  fuzz(directory, Date.now() + minutes * 60_000, seed);
  if (calls > 0) await fuzzCalls(directory, calls, seed);
  for (const name of BAG_NAMES) await damageEverywhere(directory, name);
  for (const [name, listBags] of Object.entries(HOSTILE)) {
    const path = `${directory}/hostile ${name}`;
    Deno.mkdirSync(path);
    console.log(`${await surviveAll(path, listBags())} bags with hostile ${name}`);
  }
} finally {
  Deno.removeSync(directory, { recursive: true });
}
