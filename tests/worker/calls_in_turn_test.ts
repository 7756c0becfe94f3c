// contract: a process has one call at a time, and each call is either its or can be taken back
import { assertEquals } from "@std/assert";
import { CallsInTurn } from "../../src/worker/process/calls_in_turn.ts";

function openTurns() {
  const revoked: number[] = [];
  const aborted: number[] = [];
  const turns = new CallsInTurn({
    revoked: (slot) => revoked.push(slot),
    aborted: (turn) => aborted.push(turn),
  });
  return { turns, revoked, aborted };
}

function toCall(slot: number): Uint8Array {
  return new Uint8Array([slot]);
}

Deno.test("CallsInTurn.take() gives one call at a time, the oldest first", () => {
  const { turns } = openTurns();
  for (const slot of [7, 0, 3]) turns.add(slot, toCall(slot));
  assertEquals([turns.take(), turns.take()], [toCall(7), undefined]);
  turns.answered();
  assertEquals([turns.take(), turns.take()], [toCall(0), undefined]);
  turns.answered();
  turns.answered();
  assertEquals([turns.take(), turns.take()], [toCall(3), undefined]);
});

Deno.test("CallsInTurn.revoke() takes back what has not begun, and tells so later", async () => {
  const { turns, revoked } = openTurns();
  for (const slot of [1, 2]) turns.add(slot, toCall(slot));
  turns.take();
  assertEquals([turns.revoke(1), turns.revoke(2)], [false, true]);
  assertEquals(revoked, []);
  await Promise.resolve();
  assertEquals(revoked, [2]);
  turns.answered();
  assertEquals(turns.take(), undefined);
});

Deno.test("CallsInTurn.revoke() of a call that could not be sent leaves its slot to who refused it", async () => {
  const { turns, revoked } = openTurns();
  turns.send();
  assertEquals(turns.revoke(5), true);
  await Promise.resolve();
  assertEquals(revoked, []);
});

Deno.test("CallsInTurn.abort() names the turn of the call that was sent, and of no other", () => {
  const { turns, aborted } = openTurns();
  for (const slot of [4, 5]) turns.add(slot, toCall(slot));
  assertEquals(turns.abort(4), false);
  turns.take();
  assertEquals([turns.abort(5), turns.abort(4)], [false, true]);
  turns.answered();
  assertEquals(turns.abort(4), false);
  turns.take();
  assertEquals(turns.abort(5), true);
  assertEquals(aborted, [1, 2]);
});

Deno.test("CallsInTurn.revoke() after the end takes back what was sent and did not begin", () => {
  for (const begins of [false, true]) {
    const { turns } = openTurns();
    turns.add(6, toCall(6));
    turns.take();
    if (begins) turns.begun();
    assertEquals(turns.revoke(6), false);
    turns.end();
    assertEquals(turns.revoke(6), !begins);
  }
});
