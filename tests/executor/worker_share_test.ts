// Contract: what an executor takes of the workers that there may be, and what it leaves to those beneath.
import { assertEquals } from "@std/assert";
import { WorkerLedger } from "../../src/executor/guest/worker_calls.ts";
import { type ShareRequest, WorkerShare } from "../../src/executor/engine/engine.ts";

function request(maxWorkers: number, more: Partial<ShareRequest> = {}): ShareRequest {
  return { maxWorkers, workerType: "web", maxHeapBytes: Infinity, ...more };
}

function openLedger(total: number): WorkerLedger {
  const ledger = new WorkerLedger();
  ledger.total = total;
  return ledger;
}

Deno.test("WorkerShare says nothing to workers where nobody limits anything", () => {
  const share = new WorkerShare(request(4), undefined);
  assertEquals([share.maxWorkers, share.workerType, share.limits], [4, "web", undefined]);
});

Deno.test("WorkerShare divides what its own workers leave over", () => {
  const share = new WorkerShare(request(4, { maxTotalWorkers: 15 }), undefined);
  assertEquals(share.limits, { maxHeapBytes: Infinity, nestedWorkers: 2 });
  share.resize(7);
  assertEquals([share.maxWorkers, share.limits?.nestedWorkers], [7, 1]);
});

Deno.test("WorkerShare without a limit leaves no limit to those beneath", () => {
  const share = new WorkerShare(request(4, { maxTotalWorkers: Infinity }), undefined);
  assertEquals(share.limits?.nestedWorkers, Infinity);
  const ledger = openLedger(Infinity);
  const nested = new WorkerShare(request(8), ledger);
  assertEquals([nested.maxWorkers, nested.limits?.nestedWorkers], [8, Infinity]);
  nested.release();
  assertEquals(ledger.left, Infinity);
});

Deno.test("WorkerShare takes from what is left, and gives it back once", () => {
  const ledger = openLedger(7);
  const share = new WorkerShare(request(3), ledger);
  assertEquals([share.maxWorkers, share.limits?.nestedWorkers, ledger.left], [3, 1, 1]);
  const second = new WorkerShare(request(3), ledger);
  assertEquals([second.maxWorkers, second.limits?.nestedWorkers, ledger.left], [1, 0, 0]);
  share.release();
  share.release();
  assertEquals(ledger.left, 6);
  second.release();
  assertEquals(ledger.left, 7);
});

Deno.test("WorkerShare runs calls in its own isolate when none is left", () => {
  const share = new WorkerShare(request(3, { maxHeapBytes: 1e9 }), openLedger(0));
  assertEquals([share.maxWorkers, share.workerType], [3, "inline"]);
  assertEquals(share.limits, { maxHeapBytes: 1e9, nestedWorkers: 0 });
});

Deno.test("WorkerShare.resize() never takes more than there are", () => {
  const ledger = openLedger(4);
  const share = new WorkerShare(request(1, { maxTotalWorkers: 1 }), ledger);
  assertEquals([share.maxWorkers, ledger.left], [1, 3]);
  const other = new WorkerShare(request(2), ledger);
  assertEquals([other.maxWorkers, ledger.left], [2, 1]);
  other.resize(10);
  assertEquals([other.maxWorkers, ledger.left], [3, 0]);
});
