// contract: what reads the files of a bag believes nothing of what they say
import fc from "fast-check";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { TARGETS } from "./properties.ts";

for (const { name, create } of TARGETS) {
  Deno.test(name, () => {
    using directory = new TemporaryDirectory();
    fc.assert(create(directory.path), { numRuns: 300 });
  });
}
