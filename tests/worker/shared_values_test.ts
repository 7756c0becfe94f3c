// Collaboration: what a worker is sent of shared values, and when it is told to let go of them.
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { share } from "@quiver/quiver";
import { digestArgument } from "../../src/value/digest/digest_value.ts";
import { memoryOf } from "../../src/value/share.ts";
import { SentValues, type SharedMessage } from "../../src/worker/wire/shared_values.ts";

const BYTES = 160_000;

function createMemory() {
  const handle = share(new Float64Array(BYTES / 8));
  return { handle, memory: memoryOf(handle) };
}

/** Says what was sent, by the order in which values were made. */
function record(sharesMemory: boolean, most?: number) {
  const messages: SharedMessage[] = [];
  const sent = new SentValues((message) => void messages.push(message), sharesMemory, most);
  const take = () => messages.splice(0);
  return { sent, take };
}

Deno.test("SentValues sends each value once, and what became known of it once", () => {
  const { sent, take } = record(true);
  const { memory, handle } = createMemory();
  sent.use(1, [memory]);
  sent.use(2, [memory]);
  const [first, ...others] = take();
  assertEquals(others, []);
  assertEquals([first?.id, first?.seals], [memory.id, [undefined]]);
  assert(first?.carried?.beside[0] === memory.root && first?.status === memory.status);
  const digest = digestArgument(handle);
  sent.use(3, [memory]);
  sent.use(4, [memory]);
  const [seal, ...none] = take();
  assertEquals(none, []);
  assertEquals([seal?.carried, seal?.seals?.map((one) => one?.digest)], [undefined, [digest]]);
  for (const slot of [1, 2, 3, 4, 5]) sent.done(slot);
  assertEquals(take(), []);
});

Deno.test("SentValues lets go of what was not used for longest, and of nothing that a call needs", () => {
  const { sent, take } = record(true, 2 * BYTES);
  const [a, b, c] = [createMemory(), createMemory(), createMemory()];
  const dropped = () => take().filter((message) => message.dropped).map(({ id }) => id);
  for (const [slot, { memory }] of [a, b, c].entries()) sent.use(slot, [memory]);
  assertEquals(dropped(), []);
  sent.done(1);
  assertEquals(dropped(), [b.memory.id]);
  sent.done(0);
  sent.use(0, [a.memory]);
  sent.use(1, [b.memory]);
  assertEquals(take().map(({ id, carried }) => [id, carried !== undefined]), [[b.memory.id, true]]);
  for (const slot of [2, 0, 1]) sent.done(slot);
  assertEquals(dropped(), [c.memory.id]);
});

Deno.test("SentValues lets go of what was closed as soon as its calls have ended", () => {
  const { sent, take } = record(true);
  const { memory, handle } = createMemory();
  sent.use(1, [memory]);
  handle.close();
  assertEquals(take().length, 1);
  sent.done(1);
  assertEquals(take(), [{ id: memory.id, dropped: true }]);
  const other = createMemory();
  sent.use(2, [other.memory]);
  sent.done(2);
  take();
  other.handle.close();
  assertEquals(take(), [{ id: other.memory.id, dropped: true }]);
  sent.use(3, [other.memory]);
  sent.end();
  sent.done(3);
  assertEquals(take().map(({ dropped }) => dropped), [undefined]);
});

Deno.test("SentValues gives another process bytes of its own, or where they are stored", () => {
  const { sent, take } = record(false);
  const { memory, handle } = createMemory();
  sent.use(1, [memory]);
  const [message] = take();
  const [array] = message?.carried?.beside ?? [];
  assertInstanceOf(array, Float64Array);
  assertInstanceOf(array.buffer, ArrayBuffer);
  assertEquals(message?.status, undefined);
  const other = createMemory();
  other.memory.stored = digestArgument(other.handle);
  sent.use(2, [other.memory]);
  const [stored] = take();
  assertEquals([stored?.stored, stored?.carried], [other.memory.stored, undefined]);
  sent.sendWhole(other.memory.id);
  sent.sendWhole("nobody's");
  const [whole, ...none] = take();
  assertEquals([whole?.stored, none], [undefined, []]);
  assertInstanceOf(whole?.carried?.beside[0], Float64Array);
  handle.close();
});

Deno.test("SentValues counts nothing that could not be sent", () => {
  const sent = new SentValues(() => {
    throw new Error("too large");
  }, true);
  const { memory } = createMemory();
  assertThrows(() => sent.use(1, [memory]), Error, "too large");
  assertThrows(() => sent.use(1, [memory]), Error, "too large");
  sent.done(1);
});
