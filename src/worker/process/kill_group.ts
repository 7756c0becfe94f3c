import { denoPath } from "./program_flags.ts";

/**
 * Kills all processes of a group. A program that may run certain commands only may not do that by
 * itself; as it starts workers it may run Deno, and so a program that may.
 *
 * @param leader The process that leads the group.
 * @returns Resolves when it was done, or cannot be.
 */
export async function killGroup(leader: number): Promise<void> {
  try {
    if (Deno.permissions.querySync({ name: "run" }).state === "granted") {
      return Deno.kill(-leader, "SIGKILL");
    }
    const code = `Deno.kill(-${leader}, "SIGKILL")`;
    await new Deno.Command(denoPath(), {
      args: ["eval", "--no-config", "--no-lock", code],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
  } catch {
    // Some commands it may not run, or all of the group have just ended.
  }
}
