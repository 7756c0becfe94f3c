/** Where calls on workers say that they run, and wait until they may end. */
import type { WorkerType } from "@quiver/quiver";

/** What a call is given of a gate: memory that is shared, or the folder that stands for it. */
export type Door = SharedArrayBuffer | string;

/** The words of a door: how many have arrived, and whether it is open. */
const ARRIVED = 0;
const OPEN = 1;

/** The file of a folder that says that the door is open. */
const OPEN_FILE = "open";

/** By which a test learns that calls run, and lets them end. */
export class Gate implements Disposable {
  /** For the calls. */
  readonly door: Door;
  // Atomics.waitAsync() does not keep the event loop alive.
  readonly #alive = setInterval(() => {}, 60_000);

  /** Makes a gate that calls on workers of a kind can see. */
  constructor(workerType: WorkerType) {
    this.door = workerType === "process" ? Deno.makeTempDirSync() : new SharedArrayBuffer(8);
  }

  /** Resolves when so many calls have said that they run. */
  async reached(count: number): Promise<void> {
    await haveArrived(this.door, count);
  }

  /** Lets the calls end. */
  open(): void {
    if (typeof this.door === "string") Deno.writeTextFileSync(`${this.door}/${OPEN_FILE}`, "");
    else {
      const words = new Int32Array(this.door);
      Atomics.store(words, OPEN, 1);
      Atomics.notify(words, OPEN);
    }
  }

  [Symbol.dispose](): void {
    this.open();
    clearInterval(this.#alive);
    if (typeof this.door === "string") Deno.removeSync(this.door, { recursive: true });
  }
}

/**
 * A call says that it runs.
 *
 * @param door What it was given.
 * @returns How many have said so before.
 */
export function arrive(door: Door): number {
  if (typeof door === "string") {
    const before = list(door).length;
    Deno.writeTextFileSync(`${door}/${crypto.randomUUID()}`, "");
    return before;
  }
  const words = new Int32Array(door);
  const before = Atomics.add(words, ARRIVED, 1);
  Atomics.notify(words, ARRIVED);
  return before;
}

/** Resolves when so many calls have said that they run. */
export async function haveArrived(door: Door, count: number): Promise<void> {
  if (typeof door === "string") {
    return await watch(door, () => list(door).filter((name) => name !== OPEN_FILE).length >= count);
  }
  const words = new Int32Array(door);
  const load = () => Atomics.load(words, ARRIVED);
  for (let there = load(); there < count; there = load()) {
    await Atomics.waitAsync(words, ARRIVED, there).value;
  }
}

/** Resolves when the door is open. */
export async function isOpen(door: Door): Promise<void> {
  if (typeof door === "string") await watch(door, () => list(door).includes(OPEN_FILE));
  else await Atomics.waitAsync(new Int32Array(door), OPEN, 0).value;
}

function list(folder: string): string[] {
  return Array.from(Deno.readDirSync(folder), ({ name }) => name);
}

async function watch(folder: string, holds: () => boolean): Promise<void> {
  using watcher = Deno.watchFs(folder);
  if (holds()) return;
  for await (const _ of watcher) if (holds()) return;
}
