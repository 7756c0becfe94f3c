// contract: a line of which a field has another type is no record
import { assertEquals } from "@std/assert";
import { toCallRecord } from "../../src/disk/disk_stores.ts";

const DIGEST = "a".repeat(64);

const LINE: Readonly<Record<string, unknown>> = {
  key: DIGEST,
  scheme: 1,
  module: "file:///tasks.ts",
  task: "f",
  version: 2,
  code: DIGEST,
  parts: ["tasks.ts f 0123"],
  reads: [{ kind: "file", name: "x.csv", digest: DIGEST }],
  ignored: [1, "...2"],
  args: [{ name: "x", position: 0, digest: DIGEST, value: DIGEST }],
  result: DIGEST,
  started: 1,
  duration: 2,
  metadata: { tags: {} },
};

/** What no field of a record may be, and what lists may not have. */
const WRONG: readonly unknown[] = [null, true, [null], [true], [[]]];

Deno.test("toCallRecord() takes a line for a record whose fields have their types", () => {
  assertEquals(toCallRecord(LINE) as unknown, LINE);
  for (const name of ["version", "code", "parts", "reads", "ignored", "metadata"]) {
    const { [name]: _, ...line } = LINE;
    assertEquals(toCallRecord(line) as unknown, line, name);
  }
});

Deno.test("toCallRecord() takes no line for a record of which a field has another type", () => {
  for (const name of Object.keys(LINE).filter((one) => one !== "key")) {
    for (const value of WRONG) {
      assertEquals(toCallRecord({ ...LINE, [name]: value }), undefined, `${name}: ${value}`);
    }
  }
  const reads = [{ kind: "other", name: "x", digest: DIGEST }];
  assertEquals(toCallRecord({ ...LINE, reads }), undefined);
});
