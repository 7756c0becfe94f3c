import { type Bag, cacheScope } from "@quiver/quiver";
import { limited } from "@quiver/quiver/caches";
import type { InlineBags } from "./_inline_bags.ts";
import type { Team } from "./_teams.ts";
import { damageBag } from "./testdata/damage_bag.ts";
import { LIMITED_SIZE } from "./testdata/crash_modes.ts";
import { computeSpecimen, specimen } from "./testdata/specimen.ts";

/** The first argument of all calls. */
export const NAME = "stop";

/** What a program does that is stopped at each of its steps. */
export interface Scenario {
  /** What it does. */
  readonly name: string;
  /** How large the array is that the nth result has for itself. */
  readonly toSize: (n: number) => number;
  /** What is done before the bag has to be sound. */
  readonly mend?: Team["mend"];
  /** How many steps there are at least: a scenario that does nothing would prove nothing. */
  readonly steps: number;
  /** In the suite, only one of so many steps fails; all of them with `deno task crash --steps`. */
  readonly sample?: number;
  /** Makes the bag; says `hit`, `maybe`… of each call. */
  prepare(bags: InlineBags, path: string, tell: Tell): Promise<void>;
  /** Does it; a step may fail. */
  act(bags: InlineBags, path: string, tell: Tell): Promise<void>;
}

/** Takes note of what a bag has to know. */
export type Tell = (line: `${"hit" | "maybe" | "miss"} ${number}`) => void;

const MANUAL = { fold: "manual", memoryBytes: 0 } as const;

/** Makes calls, and seals them in a segment of their own if that is large enough. */
async function make(
  bag: Bag,
  { toSize }: Pick<Scenario, "toSize">,
  tell: Tell,
  ns: readonly number[],
): Promise<void> {
  for (const n of ns) {
    await cacheScope({ cache: bag, strict: true }, () => specimen(NAME, n, toSize(n)));
    tell(`hit ${n}`);
  }
}

/** Makes a bag with segments of the calls of each group. */
function withSegments(...groups: readonly (readonly number[])[]): Scenario["prepare"] {
  return async function (this: Scenario, bags, path, tell) {
    await using bag = await bags.open(path, MANUAL);
    for (const ns of groups) {
      await make(bag, this, tell, ns);
      await bag.fold();
    }
  };
}

/** Small results, and some with an array that has a dataset. */
const mixed = (n: number) => n % 2 === 0 ? 1000 : 5;

/** Results so large that a segment with one takes in no other of those before it. */
const falling = (n: number) => 9600 - 100 * n;

/** All scenarios. */
export const SCENARIOS: readonly Scenario[] = [
  {
    name: "creates a bag",
    toSize: mixed,
    steps: 15,
    prepare: () => Promise.resolve(),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      await make(bag, this, tell, [0]);
    },
  },
  {
    name: "folds, and merges what was folded before",
    toSize: mixed,
    steps: 25,
    sample: 4,
    prepare: withSegments([0, 1]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      await make(bag, this, tell, [2, 3]);
      await bag.fold();
    },
  },
  {
    name: "folds, and merges many small segments",
    toSize: falling,
    steps: 40,
    sample: 8,
    prepare: withSegments([0], [1], [2], [3], [4], [5], [6]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      await make(bag, this, tell, [7]);
      await bag.fold();
    },
  },
  {
    name: "clears away what a killed fold left",
    toSize: mixed,
    steps: 20,
    async prepare(bags, path, tell) {
      await withSegments([0, 1]).call(this, bags, path, tell);
      // The manifest of before the fold: as if it had been killed right before its switch.
      const manifest = Deno.readFileSync(`${path}/manifest.json`);
      const [journal, content] = await (async () => {
        await using bag = await bags.open(path, MANUAL);
        await make(bag, this, tell, [2, 3]);
        const [{ name = "" } = {}] = Array.from(Deno.readDirSync(`${path}/journal`));
        const content = Deno.readFileSync(`${path}/journal/${name}`);
        const segments = Array.from(Deno.readDirSync(`${path}/segments`), ({ name }) => name);
        const kept = segments.map((name) => [name, Deno.readFileSync(`${path}/segments/${name}`)]);
        await bag.fold();
        for (const [name, bytes] of kept) {
          if (bytes instanceof Uint8Array) Deno.writeFileSync(`${path}/segments/${name}`, bytes);
        }
        return [name, content] as const;
      })();
      Deno.writeFileSync(`${path}/journal/${journal}`, content);
      Deno.writeFileSync(`${path}/manifest.json`, manifest);
    },
    async act(bags, path) {
      await using bag = await bags.open(path, MANUAL);
      await bag.fold();
    },
  },
  {
    name: "makes tables and the link file again",
    toSize: falling,
    steps: 12,
    mend: "open",
    async prepare(bags, path, tell) {
      await withSegments([0], [1]).call(this, bags, path, tell);
      removeDerived(path);
    },
    async act(bags, path) {
      await using _bag = await bags.open(path, MANUAL);
    },
  },
  {
    name: "folds after tables and the link file have gone",
    toSize: falling,
    steps: 30,
    sample: 4,
    mend: "open",
    prepare: withSegments([0], [1]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      await make(bag, this, tell, [2]);
      removeDerived(path);
      await bag.fold();
    },
  },
  {
    name: "evicts calls and collects the garbage",
    toSize: falling,
    steps: 25,
    prepare: withSegments([0, 10], [1], [2]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      for (const n of [0, 1]) {
        tell(`maybe ${n}`);
        await bag.evict(await specimen.digest(NAME, n, this.toSize(n)));
        tell(`miss ${n}`);
      }
      await bag.gc({ gracePeriod: 0 });
    },
  },
  {
    name: "drops all that there is",
    toSize: mixed,
    steps: 15,
    prepare: withSegments([0, 1]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      for (const n of [0, 1]) tell(`maybe ${n}`);
      await bag.evict(specimen);
      for (const n of [0, 1]) tell(`miss ${n}`);
      await bag.compact({ gracePeriod: 0 });
    },
  },
  {
    name: "stores within limits",
    toSize: () => LIMITED_SIZE,
    steps: 40,
    sample: 12,
    prepare: withSegments([0, 1, 2, 3, 4, 5]),
    async act(bags, path, tell) {
      await using bag = await bags.open(path, MANUAL);
      const limits = { maxItems: 2, maxBytes: 1_000_000, policy: "fifo", gracePeriod: 0 } as const;
      for (const n of [0, 1, 2, 3, 4, 5]) tell(`maybe ${n}`);
      const onWarning = ({ message, cause }: { message: string; cause?: unknown }) => {
        throw new Error(message, { cause });
      };
      const cache = limited(bag, { ...limits, onWarning });
      for (const n of [6, 7, 8]) {
        if (n === 8) tell("maybe 6");
        await cacheScope({ cache, strict: true }, () => specimen(NAME, n, this.toSize(n)));
        tell(`hit ${n}`);
        await bag.fold();
      }
    },
  },
  {
    name: "repairs several damaged segments",
    toSize: falling,
    steps: 40,
    sample: 8,
    mend: "repair",
    async prepare(bags, path, tell) {
      await withSegments([0, 10], [1, 11], [2, 12], [3]).call(this, bags, path, tell);
      for (const n of [0, 1, 2]) {
        tell(`maybe ${n}`);
        const key = await specimen.digest(NAME, n, this.toSize(n));
        damageBag(path, 0, { key, own: computeSpecimen(NAME, n, this.toSize(n)).own });
      }
    },
    async act(bags, path) {
      await bags.verify(path, { repair: true });
    },
  },
];

/** Removes what follows from other files. */
function removeDerived(path: string): void {
  for (const { name } of Deno.readDirSync(`${path}/segments`)) {
    if (name.endsWith(".index")) Deno.removeSync(`${path}/segments/${name}`);
  }
  Deno.removeSync(`${path}/values.h5`);
}
