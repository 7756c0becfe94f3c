// Runs every bench: deno task bench
const { cpus = "?" } = { cpus: navigator.hardwareConcurrency };
console.log(`Deno ${Deno.version.deno}, ${Deno.build.target}, ${cpus} cores`);
for (const name of ["hit", "miss", "executor_dispatch", "executor_start", "stores", "files"]) {
  const { run } = await import(`./${name}_bench.ts`);
  await run();
}
