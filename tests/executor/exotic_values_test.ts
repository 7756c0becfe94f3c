// end-to-end: no channel loses anything without an error: arguments, results, callbacks, of each kind
import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import * as Comlink from "comlink";
import {
  type Cache,
  cacheScope,
  createMemoryCache,
  Executor,
  openBag,
  UnclonableError,
} from "@quiver/quiver";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { leaveNothing } from "../leave_nothing.ts";
import {
  ask,
  describeExotic,
  EXOTIC,
  fail,
  type Fate,
  give,
  giveIt,
  look,
  lookAt,
  makeExotic,
} from "./testdata/exotic_values.ts";

leaveNothing();

/** Checks one way of a value: what comes out says what the value consists of, or it is refused. */
async function checkWay(
  name: string,
  arrives: boolean,
  way: string,
  go: () => PromiseLike<unknown>,
): Promise<void> {
  if (arrives) return assertEquals(await go(), describeExotic(makeExotic(name)), `${name}: ${way}`);
  const error = await assertRejects(async () => await go(), Error, undefined, `${name}: ${way}`);
  assertInstanceOf(error, UnclonableError, `${name}: ${way}: ${error}`);
  assert(error.message.includes(error.path), `${error.message} does not name ${error.path}`);
}

for (const workerType of WORKER_TYPES) {
  const test = (name: string, fn: (executor: Executor) => Promise<void>) =>
    Deno.test(`${workerType}: ${name}`, async () => {
      await using executor = new Executor({ maxWorkers: 1, workerType });
      await fn(executor);
    });
  const arrivesOn = (fate: Fate) =>
    fate === "arrives" || (fate === "thread" && workerType !== "process");

  for (const kind of ["no cache", "a memory cache", "a bag"] as const) {
    test(`what is exotic arrives or is refused, as argument and as result, with ${kind}`, async (executor) => {
      const path = await Deno.makeTempDir();
      {
        await using bag = kind === "a bag" ? await openBag(path) : undefined;
        const cache: Cache | undefined = kind === "a memory cache" ? createMemoryCache() : bag;
        const scope = cache === undefined ? {} : { cache, onWarning: () => {} };
        await cacheScope(scope, async () => {
          for (const [name, [fate]] of Object.entries(EXOTIC)) {
            const arrives = arrivesOn(fate);
            await checkWay(
              name,
              arrives,
              "argument",
              () => executor.submit(look, makeExotic(name), name),
            );
            // The second of a call that is remembered is a hit.
            for (const way of ["result", "result once more"]) {
              await checkWay(
                name,
                arrives,
                way,
                () => executor.submit(give, name, "").then(describeExotic),
              );
            }
          }
        });
      }
      await Deno.remove(path, { recursive: true });
    });
  }

  test("what is exotic arrives or is refused among the items of a map", async (executor) => {
    for (const [name, [fate]] of Object.entries(EXOTIC)) {
      const arrives = arrivesOn(fate);
      const second = async (results: AsyncIterable<unknown>) => (await Array.fromAsync(results))[1];
      const items = [1, makeExotic(name), 2];
      await checkWay(
        name,
        arrives,
        "item",
        () => second(executor.map(lookAt, items, { chunkSize: 3 })),
      );
      const names = ["numbers in objects", name, "a URL"];
      await checkWay(
        name,
        arrives,
        "result of an item",
        () => second(executor.map(giveIt, names, { chunkSize: 3 })).then(describeExotic),
      );
    }
  });

  test("what is exotic arrives or is refused between a task and its caller", async (executor) => {
    for (const [name, [fate]] of Object.entries(EXOTIC)) {
      let seen: unknown;
      const call = Comlink.proxy((value: unknown) => {
        seen = describeExotic(value);
        return value;
      });
      await checkWay(name, arrivesOn(fate), "callback", () => executor.submit(ask, call, name));
      if (arrivesOn(fate)) assertEquals(seen, describeExotic(makeExotic(name)), name);
      else assertEquals(seen, undefined, name);
      // What the task gives is plain, and what it is answered is not.
      const answer = Comlink.proxy(() => makeExotic(name));
      const plain = "numbers in objects";
      await checkWay(name, arrivesOn(fate), "answer", () => executor.submit(ask, answer, plain));
    }
  });

  test("what is exotic is told as a text where it is in an error that was thrown", async (executor) => {
    for (const [name, [fate]] of Object.entries(EXOTIC)) {
      const error = await assertRejects(() => executor.submit(fail, name), RangeError, "failed");
      const value: unknown = Reflect.get(error, "value");
      if (fate === "arrives") {
        assertEquals(describeExotic(value), describeExotic(makeExotic(name)), name);
      } else if (typeof value === "object" && value !== null) {
        // A text in what holds it.
        assert(!describeExotic(value).endsWith("Object {  }"), `${name}: ${describeExotic(value)}`);
      }
    }
  });
}
