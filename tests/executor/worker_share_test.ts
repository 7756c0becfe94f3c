// Contract: what an executor takes of the workers that there may be, and what it leaves to those beneath.
import { assertEquals } from "@std/assert";
import { WorkerBudget } from "../../src/executor/guest/worker_limits.ts";
import { type ShareRequest, WorkerShare } from "../../src/executor/engine/engine.ts";

function request(maxWorkers: number, more: Partial<ShareRequest> = {}): ShareRequest {
  return { maxWorkers, workerType: "web", maxHeapBytes: Infinity, ...more };
}

function openBudget(total: number): WorkerBudget {
  const budget = new WorkerBudget();
  budget.total = total;
  return budget;
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
  const budget = openBudget(Infinity);
  const nested = new WorkerShare(request(8), budget);
  assertEquals([nested.maxWorkers, nested.limits?.nestedWorkers], [8, Infinity]);
  nested.release();
  assertEquals(budget.left, Infinity);
});

Deno.test("WorkerShare takes from what is left, and gives it back once", () => {
  const budget = openBudget(7);
  const share = new WorkerShare(request(3), budget);
  assertEquals([share.maxWorkers, share.limits?.nestedWorkers, budget.left], [3, 1, 1]);
  const second = new WorkerShare(request(3), budget);
  assertEquals([second.maxWorkers, second.limits?.nestedWorkers, budget.left], [1, 0, 0]);
  share.release();
  share.release();
  assertEquals(budget.left, 6);
  second.release();
  assertEquals(budget.left, 7);
});

Deno.test("WorkerShare runs calls in its own isolate when none is left", () => {
  const share = new WorkerShare(request(3, { maxHeapBytes: 1e9 }), openBudget(0));
  assertEquals([share.maxWorkers, share.workerType], [3, "inline"]);
  assertEquals(share.limits, { maxHeapBytes: 1e9, nestedWorkers: 0 });
});

Deno.test("WorkerShare.resize() never takes more than there are", () => {
  const budget = openBudget(4);
  const share = new WorkerShare(request(1, { maxTotalWorkers: 1 }), budget);
  assertEquals([share.maxWorkers, budget.left], [1, 3]);
  const other = new WorkerShare(request(2), budget);
  assertEquals([other.maxWorkers, budget.left], [2, 1]);
  other.resize(10);
  assertEquals([other.maxWorkers, budget.left], [3, 0]);
});
