// Submits one call and prints its result, or the error with its causes.
import { Executor } from "@quiver/quiver";
import { double } from "./tasks.ts";

await using executor = new Executor({ maxWorkers: 1 });
try {
  console.log(await executor.submit(double, 21));
} catch (error) {
  for (let link = error; link instanceof Error; link = link.cause) {
    console.log(`${link.name}: ${link.message}`);
  }
}
