// collaboration: outside of workers, where nothing was entered
import { assertEquals } from "@std/assert";
import { currentWorker, importInWorker } from "../../src/worker/current_worker.ts";

Deno.test("currentWorker() is undefined outside of workers", () => {
  assertEquals(currentWorker(), undefined);
});

Deno.test("importInWorker() outside of workers only imports", async () => {
  const during = await importInWorker("file:///m.ts", () => Promise.resolve(currentWorker()));
  assertEquals(during, undefined);
});
