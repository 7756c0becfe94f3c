// End-to-end: a program that is killed at any moment loses no result that a cache on disk was told of.
import { assert, assertEquals } from "@std/assert";
import { cacheScope } from "@quiver/quiver";
import { openFileCache, openSqliteCache } from "@quiver/quiver/caches";
import { createLineStream } from "./testdata/text_lines.ts";
import { computeWave, wave } from "./testdata/wave.ts";

const KILLS = 3;

for (const [kind, open] of Object.entries({ files: openFileCache, sqlite: openSqliteCache })) {
  Deno.test(`kill -9 of a program, ${KILLS} times, loses no result in a ${kind} cache`, async () => {
    const directory = await Deno.makeTempDir();
    const path = `${directory}/here`;
    const acknowledged = new Set<number>();
    for (let kill = 0; kill < KILLS; kill++) {
      const lines = kill === 0 ? 0 : Math.floor(Math.random() * 120);
      const points = await runAndKill([kind, path, `${kill * 1000}`], lines);
      for (const point of points) acknowledged.add(point);
      await using cache = await open(path);
      await cacheScope({ cache, strict: true }, async () => {
        for (const point of acknowledged) assertEquals(await wave.load(point), computeWave(point));
        for await (const { key } of cache.records()) assert(await cache.contains(key), key);
      });
    }
    await Deno.remove(directory, { recursive: true });
  });
}

async function runAndKill(args: readonly string[], lines: number): Promise<number[]> {
  const program = new URL("./testdata/endless_stored_sweep.ts", import.meta.url).href;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--allow-write", program, ...args],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const points: number[] = [];
  if (lines === 0) child.kill("SIGKILL");
  const texts = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(createLineStream());
  for await (const text of texts) {
    points.push(Number(text));
    if (points.length >= lines) child.kill("SIGKILL");
  }
  assertEquals((await child.status).signal, "SIGKILL");
  return points;
}
