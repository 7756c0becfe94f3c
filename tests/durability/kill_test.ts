// End-to-end: a program that is killed at any moment loses no result that it was told of.
import { assert, assertEquals } from "@std/assert";
import { createLineStream } from "./testdata/text_lines.ts";
import { cacheScope, openBag } from "@quiver/quiver";
import { computeWave, wave } from "./testdata/wave.ts";

const KILLS = 4;

Deno.test(`kill -9 of a sweep, ${KILLS} times, loses no acknowledged result`, async () => {
  const path = await Deno.makeTempDir();
  const acknowledged = new Set<number>();
  for (let kill = 0; kill < KILLS; kill++) {
    // Different points each time, and a different one to stop at, right after the start included.
    const first = kill * 1000;
    const lines = kill === 0 ? 0 : Math.floor(Math.random() * 120);
    for (const point of await runAndKill(path, first, lines)) acknowledged.add(point);
    await using bag = await openBag(path, kill % 2 === 0 ? { fold: "manual" } : {});
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (const point of acknowledged) assertEquals(await wave.load(point), computeWave(point));
      for await (const { key } of bag.records()) assert(await bag.contains(key), key);
    });
  }
  assert(acknowledged.size > KILLS);
  await Deno.remove(path, { recursive: true });
});

async function runAndKill(path: string, first: number, lines: number): Promise<number[]> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--allow-write",
      new URL("./testdata/endless_sweep.ts", import.meta.url).href,
      path,
      String(first),
    ],
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const points: number[] = [];
  if (lines === 0) child.kill("SIGKILL");
  const texts = child.stdout.pipeThrough(new TextDecoderStream()).pipeThrough(createLineStream());
  for await (const text of texts) {
    points.push(Number(text));
    if (points.length === lines) child.kill("SIGKILL");
  }
  assertEquals((await child.status).signal, "SIGKILL");
  return points;
}
