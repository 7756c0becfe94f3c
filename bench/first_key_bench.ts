// What does the first key of a task cost a fresh process, by how many modules its code is in?
import { type Claim, claimTime, printClaims } from "./_claims.ts";
import { compare, type Contender } from "./_compare.ts";

const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** How many modules, and how long the first key may take, in milliseconds of a processor. */
const SIZES = [[1, 60], [4, 60], [63, 300]] as const;

/** Compares first keys; what is measured is what they take of a processor. */
export async function run(): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const [modules, limit] of SIZES) {
    const folder = await Deno.makeTempDir();
    try {
      await writeModules(folder, modules);
      const kinds = ["none", "function", "reach"] as const;
      const measured = await compare(
        `First key, ${modules} modules`,
        kinds.map((code, index) => firstKey(folder, code, index === 0)),
        { calls: 1, rounds: 15 },
      );
      const text = `the first key of a task with ${modules} modules`;
      claims.push(claimTime({ text, name: `code: "reach"`, measured }, limit));
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  }
  return claims;
}

function firstKey(folder: string, code: string, baseline: boolean): Contender {
  return {
    name: `code: "${code}"${baseline ? " (baseline)" : ""}`,
    run: async () => {
      const { success, stdout } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--allow-all", "--no-check", "--config", CONFIG, `${folder}/${code}.ts`],
        stderr: "inherit",
      }).output();
      if (!success) throw new Error("Cannot measure a first key: the program failed");
      return Number(new TextDecoder().decode(stdout));
    },
  };
}

/** Each module has a dozen typed functions, of which one calls the next module. */
async function writeModules(folder: string, modules: number): Promise<void> {
  for (let index = 0; index < modules; index++) {
    const last = index === modules - 1;
    const helpers = Array.from({ length: 12 }, (_, n) => `
/** Computes part ${n} of it. */
export function part${n}(x: number, options: { scale: number; name?: string }): number {
  const { scale, name = "a" } = options;
  let total = 0;
  for (let k = 0; k < ${n + 3}; k++) total += Math.sin(x * k) * scale + name.length;
  return total;
}
`);
    await Deno.writeTextFile(
      `${folder}/m${index}.ts`,
      `${last ? "" : `import { f as next } from "./m${index + 1}.ts";`}
const SCALES = [1, 2, ${index}];
${helpers.join("")}
export function f(x: number): number {
  return part0(x, { scale: SCALES[1] ?? 0 }) + ${last ? "0" : "next(x)"};
}
`,
    );
  }
  for (const code of ["none", "function", "reach"]) {
    await Deno.writeTextFile(
      `${folder}/${code}.ts`,
      `import process from "node:process";
import { task } from "@quiver/quiver";
import { f } from "./m0.ts";
export const simulate = task(import.meta, (x: number) => f(x), { name: "simulate", code: "${code}" });
if (import.meta.main) {
  const before = process.cpuUsage();
  await simulate.digest(1);
  const { user, system } = process.cpuUsage(before);
  console.log((user + system) / 1000);
}
`,
    );
  }
}

if (import.meta.main) printClaims(await run());
