// End-to-end: the real piscina, tinypool and workerpool run tasks in their workers.
import { assertEquals, assertStringIncludes } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

// To import workerpool takes `--allow-sys`, which the other tests do not have.
const FLAGS = ["read", "write", "run", "env", "sys"].map((name) => `--allow-${name}`);

interface Ended {
  readonly success: boolean;
  readonly text: string;
}

async function runDeno(args: readonly string[], file: string): Promise<Ended> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [...args, new URL(`./testdata/${file}`, import.meta.url).pathname],
    env: { NO_COLOR: "1" },
  }).output();
  const [out, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  return { success, text: `${out}${errors}` };
}

for (const name of ["piscina", "tinypool", "workerpool"]) {
  Deno.test(`wrapExecutor() works with ${name}`, async () => {
    const args = ["test", "--no-check", ...FLAGS, `--filter=/^${name}/`];
    const { success, text } = await runDeno(args, "wrapped_pools.ts");
    assertEquals(success, true, text);
  });
}

Deno.test("wrapExecutor() refuses a program that is not guarded, when a worker imports it", async () => {
  const { success, text } = await runDeno(["run", "--no-check", ...FLAGS], "unguarded_pool.ts");
  assertEquals(success, true, text);
  assertStringIncludes(text, 'NestedExecutorError: Cannot submit "add" in a worker outside');
  assertStringIncludes(text, "`if (import.meta.main)`");
});
