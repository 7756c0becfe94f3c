// Contract: the path to whatever structured clone refuses or loses.
import { assertEquals } from "@std/assert";
import * as fc from "fast-check";
import { findUnclonable } from "../../src/value/digest/refusal.ts";
import { graph } from "./arbitrary_value.ts";

Deno.test("findUnclonable() names what structured clone refuses", () => {
  class Held {
    constructor(readonly inner: unknown) {}
  }
  const buffer = new ArrayBuffer(8);
  buffer.transfer();
  const cases: [value: unknown, path: string, reason: string][] = [
    [{ solver: { callback: () => 1 } }, "args[0].solver.callback", "a function cannot be cloned"],
    [[1, Symbol("s")], "args[0][1]", "a symbol cannot be cloned"],
    [new Map([["k", [() => 1]]]), 'args[0].get("k")[0]', "a function cannot be cloned"],
    [new Set([() => 1]), "args[0].values()[0]", "a function cannot be cloned"],
    [new Held(() => 1), "args[0].inner", "a function cannot be cloned"],
    [new Held(new WeakSet()), "args[0].inner", "an instance of WeakSet cannot be cloned"],
    [Promise.resolve(), "args[0]", "an instance of Promise cannot be cloned"],
    [{ a: new WeakMap() }, "args[0].a", "an instance of WeakMap cannot be cloned"],
    [new Proxy({}, {}), "args[0]", "a proxy cannot be cloned; pass a copy"],
    [{ b: new Uint8Array(1), buffer }, "args[0].buffer", "a detached buffer cannot be cloned"],
    [Object(Symbol("s")), "args[0]", "an instance of Symbol cannot be cloned"],
    [[AbortSignal.abort(), () => 1], "args[0][1]", "a function cannot be cloned"],
  ];
  for (const [value, path, reason] of cases) {
    assertEquals(findUnclonable(value, "args[0]"), { path, reason });
  }
});

Deno.test("findUnclonable() names what arrives as an empty object", () => {
  using file = Deno.openSync(new URL(import.meta.url));
  assertEquals(findUnclonable({ signal: AbortSignal.abort() }, "args[1]"), {
    path: "args[1].signal",
    reason: "an instance of AbortSignal arrives as an empty object; a task has currentSignal()",
  });
  assertEquals(findUnclonable([file], "args[1]"), {
    path: "args[1][0]",
    reason: "an instance of FsFile arrives as an empty object",
  });
});

Deno.test("findUnclonable() finds nothing in what can be cloned", () => {
  fc.assert(
    fc.property(graph, (value) => {
      assertEquals(findUnclonable(value, "value"), undefined);
    }),
    { numRuns: 300 },
  );
  class Point {
    x = 1;
  }
  class Empty {}
  for (
    const value of [
      new Point(),
      new Blob(["x"]),
      Object.assign(new Error(), { f() {} }),
      new Empty(),
    ]
  ) {
    assertEquals(findUnclonable(value, "value"), undefined);
  }
});
