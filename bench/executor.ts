// Runs every bench of workers and the executor, and says which claims hold: deno task bench:executor
import { type Claim, printClaims } from "./_claims.ts";

const NAMES = ["dispatch", "start", "payload", "share", "map", "kill", "growth"];

console.log(
  `Deno ${Deno.version.deno}, ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`,
);
const asked = NAMES.filter((name) => Deno.args.length === 0 || Deno.args.includes(name));
const claims: Claim[] = [];
for (const name of asked) {
  const { run } = await import(`./executor_${name}_bench.ts`);
  claims.push(...await run());
}
printClaims(claims);
// Threads of the peers' may be left.
Deno.exit(0);
