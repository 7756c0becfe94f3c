// Contract: which records a template means.
import { assertEquals, assertThrows } from "@std/assert";
import { matchesRecord, type RecordTemplate } from "../../src/cache/record_template.ts";
import { createRecord } from "../store/contract.ts";

const RECORD = {
  ...createRecord("1".repeat(64), "2".repeat(64), "fit"),
  metadata: { tags: { project: "argon", runs: [1, 2] }, host: "here", flag: true },
};

Deno.test("matchesRecord() wants all that a template has", () => {
  const cases: [RecordTemplate, boolean][] = [
    [{}, true],
    [{ task: "fit" }, true],
    [{ task: "fit", module: "file:///f.ts", version: 1 }, true],
    [{ task: "fit", version: "1" }, false],
    [{ task: "f" }, false],
    [{ module: "file:///g.ts" }, false],
    [{ tags: { project: "argon" } }, true],
    [{ tags: { project: "neon" } }, false],
    [{ tags: { project: "argon", missing: null } }, false],
    [{ tags: { runs: [1, 2] } }, true],
    [{ tags: { runs: [1] } }, false],
    [{ tags: { toString: null } }, false],
    [{ metadata: { host: "here", tags: { project: "argon" } } }, true],
    [{ metadata: { flag: 1 } }, false],
    [(record) => record.duration > 1, true],
    [(record) => record.duration > 2, false],
  ];
  for (const [template, expected] of cases) {
    assertEquals(matchesRecord(RECORD, template), expected, JSON.stringify(template));
  }
});

Deno.test("matchesRecord() rejects a field that there is not", () => {
  const template = { tasks: "fit" };
  assertThrows(() => matchesRecord(RECORD, template as RecordTemplate), TypeError, '"tasks"');
});
