// contract: of a call that both sides want, exactly one gets it, in whatever order they come
import { assertEquals } from "@std/assert";
import { closeSync, fstatSync, openSync } from "node:fs";
import { Claims } from "../../src/worker/web/claims.ts";
import { SentClaimLog, ServedClaimLog } from "../../src/worker/process/claim_log.ts";

const NONE = [false, false, false];

interface Sides extends Disposable {
  readonly parent: SentClaimLog;
  readonly worker: ServedClaimLog;
  records(): number;
}

function openSides(): Sides {
  const path = Deno.makeTempFileSync();
  const files = [openSync(path, "a+"), openSync(path, "a+")] as const;
  Deno.removeSync(path);
  return {
    parent: new SentClaimLog(files[0], () => {}),
    worker: new ServedClaimLog(files[1]),
    records: () => fstatSync(files[0]).size / 4,
    [Symbol.dispose]: () => files.forEach((file) => closeSync(file)),
  };
}

Deno.test("ServedClaimLog.claim() gets a call that the parent did not take back", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  for (const slot of [7, 0, 1023]) parent.send(slot);
  assertEquals([7, 0].map((slot) => worker.claim(slot, true)), [true, true]);
  assertEquals([parent.revoke(7), parent.revoke(1023)], [false, true]);
  assertEquals(worker.claim(1023, true), false);
});

Deno.test("SentClaimLog.revoke() that came too late does not harm the slot's next call", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  for (let round = 0; round < 3; round++) {
    parent.send(5);
    assertEquals(worker.claim(5, true), true);
    assertEquals(parent.revoke(5), false);
    parent.answered();
  }
  parent.send(5);
  assertEquals(parent.revoke(5), true);
  assertEquals(worker.claim(5, true), false);
});

Deno.test("SentClaimLog.forestall() keeps a claimed call from beginning, until it has begun", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  for (let round = 0; round < 3; round++) {
    parent.send(5);
    assertEquals([parent.isClaimed(5), parent.hasBegun(5), parent.forestall(5)], NONE);
    assertEquals(worker.claim(5, false), true);
    assertEquals([parent.isClaimed(5), parent.hasBegun(5), parent.forestall(5)], [
      true,
      false,
      true,
    ]);
    assertEquals(worker.begin(5), false);
    parent.answered();
    parent.send(5);
    assertEquals(worker.claim(5, false), true);
    assertEquals(worker.begin(5), true);
    assertEquals([parent.isClaimed(5), parent.hasBegun(5), parent.forestall(5)], [
      true,
      true,
      false,
    ]);
    assertEquals(worker.isAborted(5), false);
    parent.answered();
    parent.send(5);
    assertEquals(worker.claim(5, true), true);
    assertEquals([parent.hasBegun(5), parent.forestall(5), parent.abort(5)], [true, false, true]);
    assertEquals(worker.isAborted(5), true);
    parent.answered();
  }
});

Deno.test("SentClaimLog.withdraw() leaves nothing behind of a call that was never sent", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  parent.send(3);
  assertEquals(parent.revoke(3), true);
  parent.withdraw(3);
  parent.send(3);
  assertEquals(worker.claim(3, true), true);
  assertEquals(parent.revoke(3), false);
});

Deno.test("SentClaimLog empties its file between calls, and both sides go on", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  let largest = 0;
  for (let n = 0; n < 70_000; n++) {
    const slot = n % 1000;
    const taken = n % 7 === 0;
    parent.send(slot);
    if (taken) assertEquals(parent.revoke(slot), true);
    assertEquals(worker.claim(slot, true), !taken);
    if (!taken && n % 10 === 1) assertEquals(parent.revoke(slot), false);
    parent.answered();
    largest = Math.max(largest, n % 100 === 0 ? sides.records() : 0);
  }
  assertEquals(largest < 25_000, true, `${largest} records`);
});

interface ItemSides {
  readonly parent: Pick<SentClaimLog, "send" | "takeItems">;
  readonly worker: Pick<ServedClaimLog, "claim" | "beginItem" | "awaitItem">;
}

const KINDS: { readonly [kind: string]: () => ItemSides } = {
  web: () => {
    const parent = new Claims();
    return { parent, worker: new Claims(parent.buffer) };
  },
  process: openSides,
};

for (const [kind, open] of Object.entries(KINDS)) {
  const close = (sides: Partial<Disposable>) => sides[Symbol.dispose]?.();

  Deno.test(`${kind}: takeItems() leaves each item to one side, in whatever order they come`, () => {
    const sides: ItemSides & Partial<Disposable> = open();
    const { parent, worker } = sides;
    for (let round = 0; round < 30; round++) {
      parent.send(7, 40);
      assertEquals(parent.takeItems(7), undefined);
      assertEquals(worker.claim(7, false), true);
      let begun = 0;
      while (begun < round && worker.beginItem(7)) begun++;
      if (round % 3 === 0) worker.awaitItem(7);
      const { count = -1, sure = -1 } = parent.takeItems(7) ?? {};
      assertEquals(begun >= sure && begun <= count, true, `${begun} of ${sure} to ${count}`);
      if (kind === "web" || round % 3 === 0) assertEquals([count, sure], [begun, begun]);
      while (worker.beginItem(7)) begun++;
      // What counts as begun is the worker's, and nothing else.
      assertEquals(begun, count);
      assertEquals(parent.takeItems(7)?.count, count);
    }
    close(sides);
  });

  Deno.test(`${kind}: takeItems() that came too late does not harm the slot's next call`, () => {
    const sides: ItemSides & Partial<Disposable> = open();
    const { parent, worker } = sides;
    parent.send(3, 2);
    assertEquals([worker.claim(3, false), worker.beginItem(3)], [true, true]);
    // The worker has answered, and the parent has not seen that.
    assertEquals(parent.takeItems(3), { count: 1, sure: 1 });
    parent.send(3, 2);
    assertEquals([worker.claim(3, false), worker.beginItem(3)], [true, true]);
    assertEquals(parent.takeItems(3), { count: 1, sure: 1 });
    close(sides);
  });
}

Deno.test("ServedClaimLog.beginItem() begins items one by one but for tiny ones", () => {
  using sides = openSides();
  const { parent, worker } = sides;
  parent.send(1, 100);
  worker.claim(1, false);
  const busy = () => {
    for (const end = performance.now() + 0.05; performance.now() < end;);
  };
  for (let item = 1; item < 20; item++) {
    worker.beginItem(1);
    busy();
  }
  assertEquals(sides.records(), 20);
  parent.send(1, 100);
  worker.claim(1, false);
  const before = sides.records();
  for (let item = 0; item < 1000; item++) worker.beginItem(1);
  assertEquals(sides.records() - before < 500, true, `${sides.records() - before} records`);
});
