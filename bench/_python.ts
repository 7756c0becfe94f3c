/**
 * Times Python's pools, in a run of their own, right after those that they are compared with.
 *
 * @module
 */
import { format } from "./_compare.ts";

const SCRIPT = new URL("./_python_pools.py", import.meta.url);
const RATES: ReadonlySet<string> = new Set(["throughput", "map"]);

/**
 * Prints what Python's pools take.
 *
 * @param question What is asked, as the script calls it.
 */
export async function printPython(question: string): Promise<void> {
  for (const line of await ask(question)) {
    const parts = line.split(",");
    const time = parts.pop() ?? "";
    const text = time === ""
      ? "not installed"
      : format(Number(time), RATES.has(question) ? "rate" : "time");
    console.log(`  ${parts.join(",").padEnd(28)} ${text.padStart(14)}`);
  }
}

async function ask(question: string): Promise<string[]> {
  try {
    const command = new Deno.Command("python3", { args: [SCRIPT.pathname, question] });
    const { stdout, success } = await command.output();
    return success ? new TextDecoder().decode(stdout).trim().split("\n") : ["Python,"];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return ["Python,"];
    throw error;
  }
}
