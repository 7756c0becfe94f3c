// Attacks what reads a bag, for as long as you like: deno task fuzz --minutes=10 --seed=1
//
// First every property of tests/fuzz in turn, with new random data each time; then a small bag with
// each of its bytes changed, and cut at each of its lengths. It ends with an error at the first attack
// that is not answered by a right value, a miss or a clear error, and says how to repeat it.
import fc from "fast-check";
import { listFiles } from "../tests/bag/_temporary_directory.ts";
import { TARGETS } from "../tests/fuzz/properties.ts";
import { attack, flip, inflate } from "../tests/store/_attack.ts";
import { CALLS, createSmallBag, UNSEALED } from "../tests/store/_small_bag.ts";

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
      const { numRuns, ...details } = fc.check(target.property, {
        seed: seed + round,
        numRuns: Infinity,
        interruptAfterTimeLimit: limit,
      });
      if (details.failed) {
        const { counterexamplePath, counterexample, errorInstance } = details;
        const example = Deno.inspect(counterexample, { depth: 10, iterableLimit: 1000 });
        throw new Error(
          `${target.name}: seed ${seed + round}, path "${counterexamplePath}": ${example}`,
          { cause: errorInstance },
        );
      }
      target.runs += numRuns;
    }
  }
  for (const { name, runs } of properties) console.log(`${runs} runs: ${name}`);
}

async function damageEverywhere(path: string, withTables: boolean): Promise<void> {
  const calls = [...CALLS, UNSEALED];
  await createSmallBag(path);
  if (!withTables) Deno.removeSync(`${path}/segments/000001.index`);
  for (const file of listFiles(path)) {
    const content = Deno.readFileSync(`${path}/${file}`);
    for (let at = 0; at < content.length; at++) {
      await attack(path, file, flip(content, at), calls, `${file} with a bit flipped at ${at}`);
      await attack(path, file, inflate(content, at), calls, `${file} with 2^40 at ${at}`);
      // Cut between two lines, a log is just a shorter one.
      if (file === "calls.jsonl" && (at === 0 || content[at - 1] === 0x0a)) continue;
      await attack(path, file, content.subarray(0, at), calls, `${file} cut to ${at}`);
    }
    console.log(`${content.length} bytes flipped, inflated and cut: ${file}`);
  }
}

const minutes = readNumber("minutes", 1);
const seed = readNumber("seed", Date.now() % 2 ** 31);
console.log(`Fuzzing for ${minutes} minutes with seed ${seed}`);
const directory = Deno.makeTempDirSync({ prefix: "quiver_fuzz_" });
try {
  fuzz(directory, Date.now() + minutes * 60_000, seed);
  await damageEverywhere(`${directory}/bag`, true);
  await damageEverywhere(`${directory}/bag without its table`, false);
} finally {
  Deno.removeSync(directory, { recursive: true });
}
