/**
 * Tells the keys of the task `simulate` of many modules, here and on workers:
 * `keys.ts KIND URL…`, as one line of JSON. The modules may look at what kind that is: `edit` is like
 * `here`.
 */
import {
  cacheScope,
  createMemoryCache,
  Executor,
  type Task,
  task,
  type WorkerType,
} from "@quiver/quiver";

interface Told {
  readonly key: string;
  readonly parts: readonly string[];
  readonly warnings: readonly string[];
}

async function tell(url: string): Promise<Told> {
  const warnings: string[] = [];
  const cache = createMemoryCache();
  const onWarning = ({ message, cause }: { message: string; cause?: unknown }) => {
    warnings.push(cause instanceof Error ? `${message}: ${cause.message}` : message);
  };
  try {
    const { simulate }: { simulate: Task<[number], unknown> } = await import(url);
    await cacheScope({ cache, onWarning }, () => simulate(1));
  } catch (error) {
    warnings.push(String(error));
  }
  const [record] = await Array.fromAsync(cache.records());
  return { key: record?.key ?? "none", parts: record?.parts ?? [], warnings };
}

export const tellAll = task(import.meta, async (urls: readonly string[]) => {
  return await Promise.all(urls.map(tell));
}, { name: "tellAll" });

if (import.meta.main) {
  const [kind = "", ...urls] = Deno.args;
  if (kind === "here" || kind === "edit") {
    console.log(JSON.stringify(await Promise.all(urls.map(tell))));
  } else {
    await using executor = new Executor({ maxWorkers: 1, workerType: kind as WorkerType });
    console.log(JSON.stringify(await executor.submit(tellAll, urls)));
  }
}
