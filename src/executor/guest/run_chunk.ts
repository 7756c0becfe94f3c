import { runInScope } from "../../scope/current_scope.ts";
import type { Scope } from "../../scope/scope.ts";
import { whenSettled } from "../../store/memory_stores.ts";
import { toBodyScope } from "../../task/call_task.ts";
import type { TaskDefinition } from "../../task/definition.ts";
import { fromThrown } from "../../value/codec/thrown_value.ts";
import type { CallControl } from "../../worker/worker.ts";
import {
  type ChunkContext,
  ChunkNotes,
  type ChunkReply,
  type ItemFailure,
  type Remembering,
} from "../wire/call_context.ts";

/** What a chunk is run with. */
interface ChunkTools {
  /** The task. */
  readonly definition: TaskDefinition;
  /** The scope that the calls were made in. */
  readonly scope: Scope;
  /** What the code knows of who waits for the chunk. */
  readonly control: CallControl;
  /** Runs a call that is to be remembered; gives the result and where it comes from. */
  readonly compute: (
    item: unknown,
    remembering: Remembering,
  ) => Promise<{ value: unknown; source?: string }>;
  /** Makes a result of its own of what a function returns, which it may change at the next item. */
  readonly fix: (value: unknown) => unknown;
}

/**
 * Runs the items of a chunk one after another, inside a worker. A failing item fails only itself.
 *
 * @param chunk What the chunk needs beside them.
 * @param tools What it is run with.
 * @returns How the items ended; fewer than were given when the chunk was stopped.
 */
export function runChunk(
  items: readonly unknown[],
  chunk: ChunkContext,
  { definition, scope, control, compute, fix }: ChunkTools,
): Promise<ChunkReply> {
  const { fn } = definition;
  const notes = new ChunkNotes(chunk.notes);
  const { remembering } = chunk;
  if (remembering === undefined) {
    // One scope for all: it says only which task runs.
    const run = () => runItems(items, notes, fn, fix);
    return runInScope(toBodyScope(definition, scope, control), run);
  }
  const sources: (string | undefined)[] = [];
  const run = async (item: unknown, index: number): Promise<unknown> => {
    const own = remembering[index];
    if (own === undefined) {
      const body = () => whenSettled(fn(item), fix);
      return await runInScope(toBodyScope(definition, scope, control), body);
    }
    const { value, source } = await compute(item, own);
    sources[index] = source;
    return value;
  };
  return runItems(items, notes, run, (value) => value).then((reply) => ({ ...reply, sources }));
}

async function runItems(
  items: readonly unknown[],
  notes: ChunkNotes,
  run: (item: unknown, index: number) => unknown,
  fix: (value: unknown) => unknown,
): Promise<ChunkReply> {
  const values: unknown[] = [];
  const failures: ItemFailure[] = [];
  for (const [index, item] of items.entries()) {
    if (!notes.begin(index)) break;
    try {
      const value = run(item, index);
      // A tick for each of many short items would take longer than the items.
      values.push(isThenable(value) ? await whenSettled(value, fix) : fix(value));
    } catch (error) {
      values.push(undefined);
      failures.push([index, { thrown: fromThrown(error) }]);
    }
  }
  return failures.length === 0 ? { values } : { values, failures };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value;
}
