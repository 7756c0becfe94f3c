/** Deno has them, its type library not yet. */
const { locks } = navigator as typeof navigator & {
  locks: {
    query(): Promise<{ held: { name: string }[]; pending: { name: string }[] }>;
    request(name: string, options: { signal: AbortSignal }, callback: () => void): Promise<void>;
  };
};

/** How long what a test has ended may take to be gone, in milliseconds. */
const PATIENCE = 5000;

/** The program that lists the children of a process. */
const LIST_CHILDREN = new URL("list_children.ts", import.meta.url).href;

/**
 * Makes each test of a file fail that leaves a worker or a process behind, or somebody who waits for
 * one. A web worker holds a lock for as long as it lives, and workers of workers do too; timers, files
 * and promises are found by Deno's own sanitizers.
 */
export function leaveNothing(): void {
  let before: Promise<ReadonlySet<string>> = Promise.resolve(new Set());
  Deno.test.beforeAll(() => {
    before = readLocks();
  });
  Deno.test.afterEach(async () => {
    await waitForLocks(await before);
  });
  Deno.test.afterAll(async () => {
    await waitForChildren();
  });
}

/** Waits until nobody holds a lock, or waits for one, that was not there before. */
async function waitForLocks(before: ReadonlySet<string>): Promise<void> {
  const names = (await readLocks()).difference(before);
  const signal = AbortSignal.timeout(PATIENCE);
  for (const name of names) {
    try {
      // Granted when its worker is no more.
      await locks.request(name, { signal }, () => {});
    } catch (cause) {
      throw new Error(`the test leaves a worker behind, which holds the lock "${name}"`, { cause });
    }
  }
}

/** Lists the locks that somebody holds, or waits for. */
export async function readLocks(): Promise<ReadonlySet<string>> {
  const { held, pending } = await locks.query();
  return new Set([...held, ...pending].map(({ name }) => name));
}

/** Waits until this process has no children. Nothing tells of the end of one that somebody has lost. */
async function waitForChildren(): Promise<void> {
  const end = Date.now() + PATIENCE;
  for (;;) {
    const children = await readChildren();
    if (children.length === 0) return;
    if (Date.now() > end) throw new Error(`the tests leave processes behind: ${children}`);
  }
}

/**
 * Lists the children of this process, the one that makes the list left out.
 *
 * @returns Their ids and commands.
 */
export async function readChildren(): Promise<string[]> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-all",
      "--no-check",
      "--no-config",
      "--no-lock",
      LIST_CHILDREN,
      `${Deno.pid}`,
    ],
  }).output();
  const decoder = new TextDecoder();
  if (!success) throw new Error(`Cannot list the children: ${decoder.decode(stderr)}`);
  return decoder.decode(stdout).split("\n").filter((line) => line !== "");
}
