// Sweeps two tasks over a bag and prints, as JSON lines, how it went.
import { cacheScope, Executor, openBag } from "@quiver/quiver";
import { double, samples } from "./tasks.ts";

const [path = "", text = "{}"] = Deno.args;
const { bag: bagOptions = {}, workerType = "inline", strict = false } = JSON.parse(text);
const warnings: string[] = [];

async function main(): Promise<void> {
  await using bag = await openBag(path, bagOptions);
  await using executor = new Executor({ maxWorkers: 1, workerType });
  const onWarning = ({ message }: { message: string }) => void warnings.push(message);
  await cacheScope({ cache: bag, strict, onWarning }, async () => {
    const points = [1, 2, 3, 4];
    let wrong = 0;
    let misses = 0;
    for (const x of points) {
      const calls = [executor.submit(double, x), executor.submit(samples, x)] as const;
      const [doubled, array] = await Promise.all(calls);
      if (doubled !== 2 * x) wrong++;
      if (array.length !== 1000 || !array.every((sample) => sample === x)) wrong++;
      misses += calls.filter(({ hit }) => !hit).length;
    }
    let known = 0;
    for (const x of points) {
      for (const there of [await double.contains(x), await samples.contains(x)]) {
        if (there) known++;
      }
    }
    console.log(JSON.stringify({ wrong, misses, known, warnings }));
  });
}

function* chainOf(error: unknown): Generator<string> {
  for (let link = error; link instanceof Error; link = link.cause) {
    yield `${link.name}: ${link.message}`;
  }
}

try {
  await main();
} catch (error) {
  console.log(JSON.stringify({ thrown: [...chainOf(error)], warnings }));
}
