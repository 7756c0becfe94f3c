// A program that uses a wrapped pool at its top level, where a worker that imports it does so again.
import { task } from "@quiver/quiver";
import { wrapExecutor } from "@quiver/quiver/pools";
import { Piscina } from "piscina";

export const add = task(import.meta, function add(a: number, b: number): number {
  return a + b;
});

const pool = wrapExecutor(new Piscina({ minThreads: 1, maxThreads: 1 }));
try {
  console.log(await pool.run(add, [1, 2]));
} catch (error) {
  if (!import.meta.main) throw error;
  console.log(error instanceof Error ? `${error.name}: ${error.message}` : error);
} finally {
  await pool.destroy();
}
