// Runs every bench of the bag: deno task bench:bag [--full]
console.log(
  `Deno ${Deno.version.deno}, ${Deno.build.target}, ${navigator.hardwareConcurrency} cores`,
);
const full = Deno.args.includes("--full");
for (const name of ["size", "growth", "writers"]) {
  const { run } = await import(`./bag_${name}_bench.ts`);
  await run({ full });
}
