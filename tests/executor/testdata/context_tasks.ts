// Tasks that the tests of worker contexts run on workers. They write at once: inline, a test that sees
// the file could end before the write does.
import { task } from "@quiver/quiver";
import { runInWorker } from "@quiver/quiver/workers";

/** Different in each web worker; what runs in this isolate shares it. */
const ISOLATE = crypto.randomUUID();

const state = { ready: "no", inits: 0, calls: 0 };

export const whichIsolate = task(import.meta, function whichIsolate(): string {
  return ISOLATE;
});

export const echo = task(import.meta, function echo<T>(value: T): T {
  return value;
});

/** An initialiser: what it sets stays for the worker's life. */
export const setUp = task(import.meta, function setUp(ready: string): void {
  state.ready = ready;
  state.inits++;
});

export const readState = task(
  import.meta,
  function readState(): { ready: string; inits: number } {
    return { ready: state.ready, inits: state.inits };
  },
);

export const failToSetUp = task(import.meta, function failToSetUp(): never {
  throw new RangeError("no licence left", { cause: "the licence server" });
});

export const always = task(import.meta, function always(): boolean {
  return true;
});

export const never = task(import.meta, function never(): boolean {
  return false;
});

/** A `retire` that lets a worker go after a number of calls. */
export const afterCalls = task(import.meta, function afterCalls(limit: number): boolean {
  return ++state.calls % limit === 0;
});

/** A `retire` that changes its argument, and lets a worker go that sees the change. */
export const countInArgument = task(
  import.meta,
  function countInArgument(counter: { count: number }): boolean {
    return counter.count++ > 0;
  },
);

export const failToRetire = task(import.meta, function failToRetire(): never {
  throw new TypeError("cannot tell");
});

/** A `retire` that waits until the folder has a file of this name. */
export const retireWhen = task(
  import.meta,
  async function retireWhen(directory: string, name: string): Promise<boolean> {
    await appears(directory, name);
    return true;
  },
);

/** Says that it has started, and ends when it is told to. */
export const gated = task(
  import.meta,
  async function gated(directory: string, name: string): Promise<string> {
    Deno.writeTextFileSync(`${directory}/${name}.started`, "");
    await appears(directory, `${name}.go`);
    Deno.writeTextFileSync(`${directory}/${name}.ended`, "");
    return name;
  },
  { ignore: ["directory"] },
);

/** The same, and tells where it ran. */
export const gatedIsolate = task(
  import.meta,
  async function gatedIsolate(directory: string, name: string): Promise<string> {
    await gated(directory, name);
    return ISOLATE;
  },
);

/** Never ends; on a web worker the event loop stays free. */
export const hang = task(import.meta, async function hang(directory: string): Promise<void> {
  Deno.writeTextFileSync(`${directory}/hang.started`, "");
  await new Promise(() => {});
});

/** Ends its own worker in the middle of the call. */
export const die = task(import.meta, async function die(): Promise<void> {
  Deno.exit(3);
  await new Promise(() => {});
});

/** Ends its own worker when that lies idle and is told to. */
export const dieLater = task(import.meta, function dieLater(directory: string): void {
  void appears(directory, "die.go").then(() => Deno.exit(3));
});

/** Ends its own web worker when it has answered, before it can take another call. */
export const dieAtOnce = task(import.meta, function dieAtOnce(): void {
  void (async () => {
    // No message comes between microtasks, and the answer takes far fewer of them.
    for (let turn = 0; turn < 1000; turn++) await undefined;
    self.close();
  })();
});

/** Resolves when a file is there. */
async function appears(directory: string, name: string): Promise<void> {
  const watcher = Deno.watchFs(directory);
  const there = () => [...Deno.readDirSync(directory)].some((entry) => entry.name === name);
  if (there()) return watcher.close();
  for await (const _ of watcher) {
    if (there()) break;
  }
}

export const leaveTrace = task(
  import.meta,
  function leaveTrace(directory: string, name: string): void {
    Deno.writeTextFileSync(`${directory}/${name}`, "");
  },
);

export const nested = task(
  import.meta,
  async function nested(value: number): Promise<number> {
    return await runInWorker(echo, [value]) as number;
  },
);
