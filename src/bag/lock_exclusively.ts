const TRIES = 200;
const PAUSE = 1;

/**
 * Locks a file that others lock shared for moments. The lock is tried for rather than waited for:
 * a wait ends in another thread, before the code behind it runs, and who asks for a shared lock
 * meanwhile in this thread would stop both.
 *
 * @param file The file.
 */
export async function lockExclusively(file: Deno.FsFile): Promise<void> {
  for (;;) {
    for (let i = 0; i < TRIES; i++) if (file.tryLockSync(true)) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
  }
}
