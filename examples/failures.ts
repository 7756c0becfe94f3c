// What comes back when a call fails: deno run --allow-read examples/failures.ts
import { Executor, task, UnclonableError, WorkerDiedError } from "@quiver/quiver";
import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";

export const parse = task(import.meta, function parse(text: string): unknown {
  return JSON.parse(text);
});

export const vanish = task(import.meta, function vanish(): void {
  self.close();
});

export const makeCounter = task(import.meta, function makeCounter() {
  return { counter: { next: () => 1 } };
});

if (import.meta.main) {
  await using executor = new Executor({ maxWorkers: 1 });
  // What a task throws arrives with its class, message and stack.
  const syntax = await assertRejects(() => executor.submit(parse, "{"), SyntaxError);
  assertStringIncludes(syntax.stack ?? "", "failures.ts");
  // What structured clone refuses is named by its place.
  const clone = await assertRejects(() => executor.submit(makeCounter), UnclonableError);
  assertEquals(clone.path, "result.counter.next");
  // A worker that dies takes only its own call with it.
  const died = await assertRejects(() => executor.submit(vanish), WorkerDiedError);
  assertEquals(await executor.submit(parse, "[1]"), [1]);
  console.log([syntax, clone, died].map(({ name, message }) => `${name}: ${message}`).join("\n"));
}
