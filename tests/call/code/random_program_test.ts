// contract: laws of the code that a task reaches, which hold for any program
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { digestOf } from "./_digest.ts";
import { RandomProgram } from "./_random_program.ts";

const PROGRAMS = 60;

Deno.test("codeParts() is the same however unused code is named and all code is laid out", async () => {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const program = new RandomProgram(seed);
    const { fn } = program;
    const before = await digestOf(program.write(), { fn });
    for (
      const style of [
        { suffix: "Renamed" },
        { layout: seed + 1 },
        { layout: seed + 2, suffix: "_", unused: 5 },
        { unused: 7 },
      ]
    ) {
      const text = `seed ${seed}, ${JSON.stringify(style)}`;
      assertEquals(await digestOf(program.write(style), { fn }), before, text);
    }
  }
});

Deno.test("codeParts() is another with each literal that is reached", async () => {
  let literals = 0;
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    const program = new RandomProgram(seed);
    const { fn } = program;
    const digests = new Set([await digestOf(program.write(), { fn })]);
    for (const index of program.reached) {
      const digest = await digestOf(program.write({}, index), { fn });
      assert(!digests.has(digest), `seed ${seed}, declaration ${index}`);
      digests.add(digest);
      literals++;
    }
  }
  assertNotEquals(literals < PROGRAMS, true);
});
