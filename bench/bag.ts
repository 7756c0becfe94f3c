// Runs every bench of the bag, and says which claims hold: deno task bench:bag [--full] [hit …]
import { type Claim, printClaims } from "./_claims.ts";

const NAMES = ["hit", "put", "size", "growth", "writers"];

console.log(
  `Deno ${Deno.version.deno}, ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`,
);
const full = Deno.args.includes("--full");
const asked = NAMES.filter((name) => Deno.args.includes(name));
const claims: Claim[] = [];
for (const name of asked.length === 0 ? NAMES : asked) {
  const { run } = await import(`./bag_${name}_bench.ts`);
  claims.push(...await run({ full }) ?? []);
}
if (claims.length > 0) printClaims(claims);
