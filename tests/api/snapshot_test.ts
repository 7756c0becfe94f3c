// Contract: what users can import and call is what snapshot.txt says, and changes only on purpose.
import { assertEquals } from "@std/assert";
import { readSignatures, SNAPSHOT } from "./_signatures.ts";

Deno.test("each entry exports what snapshot.txt says; `deno task api` renews it", async () => {
  const [actual, expected] = [await readSignatures(), await Deno.readTextFile(SNAPSHOT)];
  assertEquals(actual.split("\n"), expected.split("\n"));
});
