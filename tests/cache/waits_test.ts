// Collaboration: the search for calls that wait for one another, with boards that tests write.
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import {
  chooseVictim,
  toCalls,
  toWaits,
  type Wait,
  WaitGraph,
  Waits,
} from "../../src/cache/waits.ts";
import { DeadlockError, QuiverError } from "../../src/base/errors.ts";
import type { WaitBoard } from "../../src/store/stores.ts";

const call = (key: string) => ({ task: key.toUpperCase(), key });

function createWait(id: string, callers: string, target: string, since = 0): Wait {
  return { id, since, target: call(target), callers: [...callers].map(call) };
}

/** Boards that see one another, as those of two processes do. */
function createBoards(count: number): WaitBoard[] {
  const notes: (Record<string, unknown> | undefined)[] = Array(count).fill(undefined);
  return notes.map((_, own) => ({
    write: (note) => void (notes[own] = note),
    read: () => notes.filter((note) => note !== undefined).filter((note) => note !== notes[own]),
  }));
}

function aborted(signal: AbortSignal): Promise<unknown> {
  const { promise, resolve } = Promise.withResolvers<unknown>();
  if (signal.aborted) resolve(signal.reason);
  signal.addEventListener("abort", () => resolve(signal.reason), { once: true });
  return promise;
}

/** Looking for cycles keeps no process alive; in a program, the calls that are waited for do. */
function keepAlive(): Disposable {
  const timer = setInterval(() => {}, 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

Deno.test("WaitGraph.findCycle() follows who computes what to what that waits for", () => {
  const [first, ...others] = [
    createWait("1", "a", "b"),
    createWait("2", "xb", "c"),
    createWait("3", "c", "x"),
    createWait("4", "c", "y"),
    createWait("5", "ya", "z"),
  ];
  assert(first !== undefined);
  assertEquals(new WaitGraph([first, ...others]).findCycle(first), undefined);
  const closing = createWait("6", "x", "a");
  const graph = new WaitGraph([first, ...others, closing]);
  const cycle = graph.findCycle(first);
  assertEquals(cycle?.map(({ id }) => id), ["1", "2", "3", "6"]);
  assertEquals(toCalls(cycle ?? []).map(({ key }) => key), ["a", "b", "c", "x"]);
  graph.delete(closing);
  assertEquals(graph.findCycle(first), undefined);
});

Deno.test("chooseVictim() names the same wait for all, the one that began last", () => {
  const waits = [
    createWait("1", "a", "b", 5),
    createWait("3", "b", "c", 7),
    createWait("2", "c", "a", 7),
  ];
  for (let turn = 0; turn < waits.length; turn++) {
    assertEquals(chooseVictim([...waits.slice(turn), ...waits.slice(0, turn)])?.id, "3");
  }
});

Deno.test("toWaits() takes what is a wait out of a note that may hold anything", () => {
  const wait = createWait("1", "a", "b");
  const notes = [wait, { ...wait, callers: "ab" }, { ...wait, since: "now" }, null, 7, [wait]];
  assertEquals(toWaits({ waits: notes }), [wait]);
  assertEquals([toWaits({}), toWaits({ waits: "none" })], [[], []]);
});

Deno.test("Waits.begin() fails at once what closes a cycle in this isolate", () => {
  const waits = new Waits(undefined);
  using first = waits.begin(call("b"), [call("a")], () => {});
  {
    using second = waits.begin(call("a"), [call("c"), call("b")], () => {});
    assertInstanceOf(second.signal.reason, DeadlockError);
    assertEquals(second.signal.reason.cycle.map(({ task }) => task), ["B", "A"]);
  }
  using again = waits.begin(call("a"), [call("c")], () => {});
  assertEquals([first.signal.aborted, again.signal.aborted], [false, false]);
});

Deno.test("Waits fails one wait of a cycle over two boards, and takes its note back", async () => {
  using _alive = keepAlive();
  const boards = createBoards(3);
  const [first, second] = boards.map((board) => new Waits(board));
  assert(first !== undefined && second !== undefined);
  using long = first.begin(call("b"), [call("a")], () => {});
  {
    using short = second.begin(call("a"), [call("b")], () => {});
    const reason = await Promise.race([aborted(long.signal), aborted(short.signal)]);
    assertInstanceOf(reason, DeadlockError);
    assertEquals(reason.cycle.map(({ key }) => key).sort(), ["a", "b"]);
    // Both began in the same millisecond, perhaps; in any case only one of them fails.
    assertEquals([long, short].filter(({ signal }) => signal.aborted).length, 1);
  }
  assertEquals(boards[2]?.read().flatMap(toWaits).map(({ target }) => target.key), ["b"]);
});

Deno.test("Waits believes a cycle only when all its waits are still there", async () => {
  using _alive = keepAlive();
  const wait = createWait("1", "b", "a", Infinity);
  const looks = Promise.withResolvers<void>();
  let count = 0;
  const board: WaitBoard = {
    write: () => {},
    read: () => {
      count++;
      if (count === 6) looks.resolve();
      // Each time another wait of the same calls: none of them lasted.
      return [{ waits: [{ ...wait, id: `${count}`, since: 0 }] }];
    },
  };
  const waits = new Waits(board);
  using own = waits.begin(call("b"), [call("a")], () => {});
  await looks.promise;
  assertEquals(own.signal.aborted, false);
});

Deno.test("Waits warns when others cannot be told, and ends strict waits with the error", async () => {
  using _alive = keepAlive();
  const board: WaitBoard = {
    write: () => {
      throw new Error("disk on fire");
    },
    read: () => [],
  };
  const waits = new Waits(board);
  const warned = Promise.withResolvers<string>();
  using _lenient = waits.begin(call("b"), [call("a")], (message) => warned.resolve(message));
  using strict = waits.begin(call("d"), [call("c")], (message, cause) => {
    throw new QuiverError(message, { cause });
  });
  assertInstanceOf(await aborted(strict.signal), QuiverError);
  assert((await warned.promise).startsWith('Cannot look for a deadlock while "B" is computed'));
});
