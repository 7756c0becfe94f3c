// Contract: quantiles of a histogram against those of the sorted times, and what a counters counts.
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { CallCounters, LatencyHistogram } from "../../src/executor/dispatch/metrics.ts";

Deno.test("LatencyHistogram knows quantiles to 5 %", () => {
  const times = fc.array(fc.double({ min: 0.001, max: 1e8, noNaN: true }), { minLength: 1 });
  fc.assert(fc.property(times, (times) => {
    const histogram = new LatencyHistogram();
    for (const time of times) histogram.add(time);
    const sorted = times.toSorted((a, b) => a - b);
    const { quantiles } = histogram;
    assert(quantiles !== undefined);
    const { p50, p90, p99 } = quantiles;
    for (const [share, found] of [[0.5, p50], [0.9, p90], [0.99, p99]] as const) {
      const exact = sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
      assert(Math.abs(found / exact - 1) < 0.05, `${share}: ${found}, not ${exact}`);
    }
  }));
});

Deno.test("LatencyHistogram takes any time for the shortest or the longest that it knows", () => {
  assertEquals(new LatencyHistogram().quantiles, undefined);
  const histogram = new LatencyHistogram();
  for (const time of [-1, 0, 1e-9]) histogram.add(time);
  assertEquals(histogram.quantiles?.p99, 0.001);
  for (let count = 0; count < 4; count++) histogram.add(Infinity);
  assert((histogram.quantiles?.p90 ?? 0) > 1e8);
});

Deno.test("CallCounters counts what workers computed, not what they only looked up", () => {
  const counters = new CallCounters();
  assertEquals(counters.counts, { completed: 0, failed: 0, retried: 0 });
  const value = { type: "value", value: 1, duration: 2, warnings: [] } as const;
  counters.ran(value, 5);
  counters.ran({ ...value, source: "computed" }, 5);
  counters.ran({ ...value, source: "cache" }, 900);
  counters.ran({ ...value, source: "busy" }, 900);
  counters.ran({ type: "error", error: { thrown: null }, duration: 2, warnings: [] }, 5);
  counters.died();
  counters.died();
  counters.retried();
  const { completed, failed, retried, runTime, waitTime } = counters.counts;
  assertEquals({ completed, failed, retried }, { completed: 2, failed: 2, retried: 1 });
  assert(runTime !== undefined && Math.abs(runTime.p99 / 2 - 1) < 0.05);
  assert(waitTime !== undefined && Math.abs(waitTime.p99 / 3 - 1) < 0.05);
});
