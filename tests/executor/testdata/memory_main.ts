// Run with --expose-gc: does anything keep the arguments of calls that have ended?
import { Executor, task, type WorkerType } from "@quiver/quiver";

interface Argument {
  readonly payload: Uint8Array;
  self?: Argument;
}

/** The arguments that this worker has seen. */
const seen: WeakRef<Argument>[] = [];

export const take = task(import.meta, function take(argument: Argument): number {
  seen.push(new WeakRef(argument));
  return argument.payload.length;
});

export const countKept = task(import.meta, async function countKept(): Promise<number> {
  return await count(seen);
});

async function count(references: readonly WeakRef<Argument>[]): Promise<number> {
  for (let round = 0; round < 10; round++) {
    // What a reference has shown stays until the next turn.
    await new Promise((resolve) => setTimeout(resolve));
    Reflect.apply(Reflect.get(globalThis, "gc"), globalThis, []);
  }
  return references.filter((reference) => reference.deref() !== undefined).length;
}

if (import.meta.main) {
  const [workerType] = Deno.args;
  const flags = workerType === "process" ? { flags: ["--v8-flags=--expose-gc"] } : {};
  await using executor = new Executor({
    maxWorkers: 1,
    workerType: workerType as WorkerType,
    ...flags,
  });
  const given: WeakRef<Argument>[] = [];
  const submit = async (): Promise<void> => {
    const argument: Argument = { payload: new Uint8Array(100_000) };
    // A cycle, which only the collector finds.
    argument.self = argument;
    given.push(new WeakRef(argument));
    await executor.submit(take, argument);
  };
  for (let call = 0; call < 20; call++) await submit();
  const [there, here] = [await executor.submit(countKept), await count(given)];
  await Deno.stdout.write(new TextEncoder().encode(JSON.stringify({ there, here })));
}
