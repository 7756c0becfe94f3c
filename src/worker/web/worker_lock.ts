/** The part of Web Locks used here; Deno has it, its type library not yet. */
interface LockManager {
  request(
    name: string,
    options: { signal?: AbortSignal },
    callback: () => void | Promise<void>,
  ): Promise<void>;
}

/**
 * Takes the lock that tells the parent that this worker lives; only the worker's end frees it.
 *
 * @param name The name of the lock.
 * @returns Resolves when the lock is held.
 */
export function holdLock(name: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  toLocks().request(name, {}, () => {
    resolve();
    return new Promise<void>(() => {});
  }).catch(reject);
  return promise;
}

/**
 * Waits until the worker that holds a lock has ended, in whatever way.
 *
 * @param name The name of the lock.
 * @param signal Ends the wait, which would keep the process alive.
 * @returns Whether the worker has ended; `false` when the signal ended the wait.
 */
export async function waitForEnd(name: string, signal: AbortSignal): Promise<boolean> {
  try {
    await toLocks().request(name, { signal }, () => {});
    // The end may have been noticed and the wait called off at once.
    return !signal.aborted;
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

function toLocks(): LockManager {
  // The cast stands for the missing declaration of `navigator.locks`.
  return (navigator as typeof navigator & { locks: LockManager }).locks;
}
