// A process of its own opens a bag and hits once: prints how long it took, and its memory.
import { cacheScope, openBag } from "@quiver/quiver";
import { tiny } from "./_tasks.ts";

/** What is printed, as JSON. */
export interface FirstHit {
  /** Opening the bag, in milliseconds. */
  readonly open: number;
  /** The first hit after that, in milliseconds; absent when no call was asked for. */
  readonly hit?: number;
  /** The resident memory of the process after that, in bytes. */
  readonly rss: number;
}

if (import.meta.main) {
  const [path = "", call] = Deno.args;
  const begun = performance.now();
  await using bag = await openBag(path, { mode: "read" });
  const open = performance.now() - begun;
  const hit = call === undefined ? undefined : await cacheScope({ cache: bag }, async () => {
    const begun = performance.now();
    const future = tiny(Number(call));
    await future;
    if (!future.hit) throw new Error(`Cannot find call ${call}: it was put`);
    return performance.now() - begun;
  });
  const { rss } = Deno.memoryUsage();
  const result: FirstHit = { open, rss, ...(hit !== undefined && { hit }) };
  console.log(JSON.stringify(result));
}
