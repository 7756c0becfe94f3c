/**
 * A thread of a process worker that ends the process, and what its calls have started, with its
 * parent. The parent holds the other end of the standard input and never writes to it, so that its end
 * is the parent's, even if the parent had no time for a word.
 *
 * @module
 */
const nothing = new Uint8Array(1);
// Where a task reads the standard input, too, each of both is told of its end.
while (Deno.stdin.readSync(nothing) !== null);
try {
  // It leads a group, in which is what its calls have started.
  Deno.kill(-Deno.pid, "SIGKILL");
} catch (error) {
  // It has none, or may run certain commands only: one of these may be Deno, which then does it.
  if (error instanceof Deno.errors.NotCapable) runDeno(`Deno.kill(-${Deno.pid}, "SIGKILL")`);
}
Deno.kill(Deno.pid, "SIGKILL");

function runDeno(code: string): void {
  try {
    const args = ["eval", "--no-config", "--no-lock", code];
    const output = { stdin: "null", stdout: "null", stderr: "null" } as const;
    new Deno.Command(Deno.execPath(), { args, ...output }).outputSync();
  } catch {
    // It may not run that one either.
  }
}
