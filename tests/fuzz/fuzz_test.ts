// contract: what reads the files of a bag believes nothing of what they say, and what is remembered of
// a call is what was asked
import fc from "fast-check";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { FROZEN } from "./frozen_calls.ts";
import { TARGETS } from "./properties.ts";

for (const { name, create } of TARGETS) {
  Deno.test(name, () => {
    using directory = new TemporaryDirectory();
    fc.assert(create(directory.path), { numRuns: 300 });
  });
}

for (const { name, open } of FROZEN) {
  Deno.test(name, async () => {
    using directory = new TemporaryDirectory();
    await using target = await open(directory.path);
    await fc.assert(target.property, { numRuns: 50 });
  });
}
