// contract: which records match a template
import { assertEquals, assertThrows } from "@std/assert";
import type { CallRecord } from "../../src/call/call_record.ts";
import { type CallTemplate, toMatcher } from "../../src/call/call_query.ts";

const RECORD: CallRecord = {
  key: "1".repeat(64),
  scheme: 1,
  module: "file:///f.ts",
  task: "f",
  version: 1,
  args: [],
  result: "2".repeat(64),
  started: 1000,
  duration: 500,
  metadata: {
    tags: { project: "argon", run: 7, nested: { a: [1, { b: 2 }], c: null } },
    host: "x",
  },
};

function matches(template: CallTemplate): boolean {
  return toMatcher(template)(RECORD);
}

Deno.test("toMatcher() asks a function, and takes a task, which is one, for its address", () => {
  const isMine = ({ version }: CallRecord) => version === 1;
  assertEquals([toMatcher(isMine)(RECORD), toMatcher((record) => !isMine(record))(RECORD)], [
    RECORD.version === 1,
    RECORD.version !== 1,
  ]);
  const toTask = (name: string) =>
    Object.assign(() => false, { address: { module: "file:///f.ts", name } });
  assertEquals(["f", "g"].map((name) => toMatcher(toTask(name))(RECORD)), [true, false]);
});

Deno.test("toMatcher() compares all fields that are given, and no other", () => {
  const yes: CallTemplate[] = [
    {},
    { task: "f" },
    { task: { address: { module: "file:///f.ts", name: "f" } }, version: 1 },
    { module: "file:///f.ts", tags: { project: "argon" } },
    { tags: { project: "argon", run: 7 }, metadata: { host: "x" } },
    { tags: { nested: { c: null, a: [1, { b: 2 }] } } },
    { tags: {}, metadata: {} },
    { after: 1500, before: 1501 },
    { after: new Date(0), before: new Date(2000) },
  ];
  const no: CallTemplate[] = [
    { task: "g" },
    { task: { address: { module: "file:///g.ts", name: "f" } } },
    { version: "1" },
    { module: "file:///g.ts", task: "f" },
    { tags: { project: "argon", run: 8 } },
    { tags: { run: "7" } },
    { tags: { run: true } },
    { tags: { missing: null } },
    { tags: { nested: { a: [1, { b: 2 }] } } },
    { tags: { nested: { a: { 0: 1, 1: { b: 2 } }, c: null } } },
    { tags: { toString: "x" } },
    { metadata: { host: "y" } },
    { before: 1500 },
    { after: 1501 },
  ];
  assertEquals(yes.map(matches), yes.map(() => true));
  assertEquals(no.map(matches), no.map(() => false));
});

Deno.test("toMatcher() takes a task for a template", () => {
  const task = { address: { module: "file:///f.ts", name: "f" } };
  assertEquals(toMatcher(task)(RECORD), true);
  assertEquals(toMatcher(task)({ ...RECORD, module: "file:///h.ts" }), false);
});

Deno.test("toMatcher() does not match tags that a record does not have", () => {
  const bare = { ...RECORD, metadata: {} };
  assertEquals(toMatcher({ tags: {} })(bare), false);
  assertEquals(toMatcher({ metadata: {} })(bare), true);
});

Deno.test("toMatcher() rejects unknown fields and what is no time", () => {
  // A misspelled field would match more than it should.
  const template: CallTemplate & { tag?: unknown } = { tag: 1 };
  assertThrows(() => toMatcher(template), TypeError, '"tag" is no field');
  assertThrows(() => toMatcher({ before: new Date("x") }), RangeError, '"before" is no time');
});
