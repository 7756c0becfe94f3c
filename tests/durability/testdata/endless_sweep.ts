// Computes points for ever and prints each one that is acknowledged; it is there to be killed.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { wave } from "./wave.ts";

const [path = "", first = "0"] = Deno.args;
await using bag = await openBag(path, { journalBytes: 256 * 1024 });
await using executor = new Executor({ maxWorkers: 2 });
await cacheScope({ cache: bag }, async () => {
  let point = Number(first);
  const points = function* () {
    for (;;) yield point++;
  };
  let acknowledged = Number(first);
  for await (const _ of executor.map(wave, points(), { bufferSize: 8 })) {
    console.log(acknowledged++);
  }
});
