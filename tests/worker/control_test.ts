// contract: what reaches a call while it runs and what it says, on every kind of worker
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";
import { openInlineWorker } from "../../src/worker/inline_worker.ts";
import { openWebWorker } from "../../src/worker/web/web_worker.ts";
import type { CallFollower, Worker } from "../../src/worker/worker.ts";
import { deed, errorOf, valueOf } from "./contract.ts";
import { runControl } from "./testdata/run_control.ts";

leaveNothing();

const ENTRY = new URL("./testdata/control_entry.ts", import.meta.url);

const KINDS: { readonly [kind: string]: (name: string) => Promise<Worker> } = {
  web: (name) => openWebWorker(ENTRY, { name }),
  inline: (name) => openInlineWorker(runControl, { name }),
};

/** Notes what a call says, and resolves with its first word. */
class Notes implements CallFollower {
  readonly said: unknown[] = [];
  readonly #first = Promise.withResolvers<void>();
  readonly first = this.#first.promise;

  onMessage(kind: string, data: unknown): void {
    this.said.push([kind, data]);
    this.#first.resolve();
  }
}

for (const [kind, open] of Object.entries(KINDS)) {
  const test = (criterion: string, fn: (worker: Worker) => Promise<void>) =>
    Deno.test(`Worker (${kind}) ${criterion}`, async () => {
      await using worker = await open("test-worker");
      await fn(worker);
    });

  test("tells a follower what the call says, in order and before its end", async (worker) => {
    const notes = new Notes();
    const words = ["one", { two: [2] }, 3];
    assertEquals(valueOf(await worker.run(deed("say", ...words), notes)), [true, true, true]);
    assertEquals(notes.said, words.map((word) => ["word", word]));
  });

  test("keeps apart what calls say that are sent together", async (worker) => {
    const notes = Array.from({ length: 20 }, () => new Notes());
    // What one says must not be heard by the next that gets its slot.
    for (let round = 0; round < 3; round++) {
      await Promise.all(notes.map((note, index) => worker.run(deed("say", index), note)));
    }
    for (const [index, { said }] of notes.entries()) {
      assertEquals(said, [0, 1, 2].map(() => ["word", index]));
    }
  });

  test("runs a call that talks to nobody", async (worker) => {
    assertEquals(valueOf(await worker.run(deed("say", "into the blue"))), [true]);
  });

  test("passes on few of many reports, the last among them", async (worker) => {
    const notes = new Notes();
    await worker.run(deed("count", 200_000), notes);
    assertEquals(notes.said.at(-1), ["progress", { fraction: 1 }]);
    assert(notes.said.length < 5000, `${notes.said.length} reports came`);
  });

  test("abort() reaches the signal of the call that runs, with the reason", async (worker) => {
    const notes = new Notes();
    const call = worker.run(deed("obey"), notes);
    const next = worker.run(deed("echo", 1), new Notes());
    await notes.first;
    worker.abort(notes, new RangeError("enough"));
    const error = errorOf(await call);
    assertInstanceOf(error, RangeError);
    assertEquals(error.message, "enough");
    assertEquals(valueOf(await next), 1);
  });

  test("abort() of a call that has ended, or was never sent, does nothing", async (worker) => {
    const notes = new Notes();
    await worker.run(deed("echo", 1), notes);
    worker.abort(notes, "late");
    worker.abort(new Notes(), "lost");
    const second = new Notes();
    const call = worker.run(deed("obey"), second);
    await second.first;
    worker.abort(notes, "late");
    worker.abort(second, "now");
    assertEquals(errorOf(await call), "now");
    const reasons = valueOf(await worker.run(deed("reasons")));
    assert(Array.isArray(reasons) && !reasons.includes("late"));
    assertEquals(reasons.at(-1), "now");
  });

  test("lets a call say nothing after its end", async (worker) => {
    const notes = new Notes();
    const call = worker.run(deed("obey"), notes);
    await notes.first;
    worker.abort(notes, "over");
    await call;
    const before = notes.said.length;
    const next = new Notes();
    const haunted = valueOf(await worker.run(deed("haunt"), next));
    assertEquals(haunted, [false, undefined, true]);
    assertEquals([notes.said.length, next.said.length], [before, 0]);
  });

  test("stopped() tells that a worker's code has ended", async (worker) => {
    assertEquals(valueOf(await worker.run(deed("echo", 1))), 1);
    worker.terminate();
    assertEquals(await worker.stopped(new AbortController().signal), true);
  });
}
