// end-to-end: helpers keep nothing that was taken and dropped, and none takes long because there is much
import { assert, assertEquals } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

/** What 8000 rounds may leave, in bytes: a hundred for each round would be 800,000. */
const MOST_GROWTH = 500_000;
/** What may be held of 49 MB of results that were taken, in bytes. */
const MOST_KEPT = 5_000_000;
/** What twice as many may take; with time to search all the others, it would be four times. */
const MOST_RATIO = 3;
/**
 * How many times as long a wait for one of a thousand may take as one for one of two: all others are in
 * what it returns, but not one of them need be told anew that somebody waits.
 */
const MOST_WAIT_RATIO = 6;

interface Report {
  readonly growths: { readonly [helper: string]: number };
  readonly kept: { readonly [helper: string]: number };
  readonly ratios: { readonly [helper: string]: number };
  readonly waits: number;
}

function above(numbers: { readonly [helper: string]: number }, most: number): [string, number][] {
  return Object.entries(numbers).filter(([, number]) => !(number <= most));
}

Deno.test("no helper keeps what was taken and dropped, or takes long because there is much", async () => {
  const entry = new URL("./testdata/growth_main.ts", import.meta.url).href;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-read", "--v8-flags=--expose-gc", entry],
    stderr: "inherit",
  }).output();
  const { growths, kept, ratios, waits }: Report = JSON.parse(new TextDecoder().decode(stdout));
  assert(Object.keys(growths).length > 15 && Object.keys(kept).length === 4);
  assertEquals(above(growths, MOST_GROWTH), []);
  assertEquals(above(kept, MOST_KEPT), []);
  assertEquals(above(ratios, MOST_RATIO), []);
  assert(waits <= MOST_WAIT_RATIO, `${waits} times as long`);
});
