// End-to-end: the real piscina, tinypool and workerpool run tasks in their workers.
import { assertEquals } from "@std/assert";

// To import workerpool takes `--allow-sys`, which the other tests do not have.
const FLAGS = ["read", "write", "run", "env", "sys"].map((name) => `--allow-${name}`);

for (const name of ["piscina", "tinypool", "workerpool"]) {
  Deno.test(`wrapExecutor() works with ${name}`, async () => {
    const tests = new URL("./testdata/wrapped_pools.ts", import.meta.url).pathname;
    const args = ["test", "--no-check", ...FLAGS, `--filter=/^${name}/`, tests];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      env: { NO_COLOR: "1" },
      stdout: "piped",
      stderr: "piped",
    }).output();
    const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
    assertEquals(success, true, text);
  });
}
