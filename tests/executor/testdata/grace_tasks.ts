// Tasks that have something to clean up when they are given up.
import { currentSignal, reportProgress, task } from "@quiver/quiver";

/** Each worker imports this module once. */
const me = crypto.randomUUID();

export const whoAmI = task(import.meta, function whoAmI(): string {
  return me;
});

/** Works in a folder of its own, which it takes away in the end; that takes a moment. */
export const useFolder = task(import.meta, async function useFolder(path: string): Promise<void> {
  const signal = currentSignal();
  await Deno.mkdir(path);
  try {
    await new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
      reportProgress("running");
    });
  } finally {
    await new Promise((resolve) => setTimeout(resolve, 100));
    await Deno.remove(path, { recursive: true });
  }
});

/** Waits for a command that never ends, and is deaf to its signal. Says which process that is. */
export const waitForCommand = task(import.meta, async function waitForCommand(): Promise<void> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "setInterval(() => {}, 1000)"],
  });
  const child = command.spawn();
  reportProgress(String(child.pid));
  await child.status;
});

/** The same, without a moment for anything else. */
export const blockWithCommand = task(import.meta, function blockWithCommand(): void {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["eval", "setInterval(() => {}, 1000)"],
  });
  const child = command.spawn();
  reportProgress(String(child.pid));
  for (;;);
});

/** Waits for a command that its signal ends. */
export const endCommand = task(import.meta, async function endCommand(): Promise<string> {
  const signal = currentSignal();
  const args = ["eval", "setInterval(() => {}, 1000)"];
  const child = new Deno.Command(Deno.execPath(), { args, signal }).spawn();
  reportProgress(String(child.pid));
  await child.status;
  return me;
});
