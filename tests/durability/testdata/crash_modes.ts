import { type Bag, cacheScope, openBag } from "@quiver/quiver";
import { limited } from "@quiver/quiver/caches";
import type { InlineBags } from "../_inline_bags.ts";
import { damageBag } from "./damage_bag.ts";
import { computeSpecimen, specimen, toSize } from "./specimen.ts";

/** What a program that is there to be killed works with. */
export interface Workplace {
  /** The bag; in mode `create` a directory of bags. */
  readonly path: string;
  /** The first argument of all calls of this program. */
  readonly name: string;
  /** Opens bags and checks them. */
  readonly bags: InlineBags;
  /** Says something to whoever kills. */
  tell(what: "hit" | "value" | "maybe" | "miss" | "done", n: number): void;
}

/** Does one kind of work for ever. */
export type Mode = (workplace: Workplace) => Promise<void>;

const MANUAL = { fold: "manual", journalBytes: 64 * 1024, memoryBytes: 0 } as const;

/** How large the array is that a result has for itself in mode `limited`. */
export const LIMITED_SIZE = 20_000;

/** How many calls are remembered in mode `limited`. */
export const LIMITED_ITEMS = 12;

/** Makes one call after another, and does something after some of them. */
function calling(every: number, act: (bag: Bag, workplace: Workplace, n: number) => unknown): Mode {
  return async (workplace) => {
    const { path, name, bags, tell } = workplace;
    await using bag = await bags.open(path, MANUAL);
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (let n = 0;; n++) {
        await specimen(name, n, toSize(n));
        tell("hit", n);
        if (n % every < every - 1) continue;
        await act(bag, workplace, n);
        tell("done", n);
      }
    });
  };
}

/** Forgets a call of this program. */
async function forget(bag: Bag, { name, tell }: Workplace, n: number): Promise<void> {
  tell("maybe", n);
  await bag.evict(await specimen.digest(name, n, toSize(n)));
  tell("miss", n);
}

/** All modes by name. */
export const MODES: Readonly<Record<string, Mode>> = {
  async put({ path, name, bags, tell }) {
    await using bag = await bags.open(path, MANUAL);
    for (let n = 0;; n++) {
      await bag.putValue(computeSpecimen(name, n, toSize(n)));
      tell("value", n);
    }
  },
  record: calling(1, () => undefined),
  fold: calling(6, (bag) => bag.fold()),
  switch: calling(1, (bag) => bag.fold()),
  compact: calling(5, async (bag, workplace, n) => {
    await forget(bag, workplace, n - 1);
    await forget(bag, workplace, n - 3);
    await bag.compact({ gracePeriod: 0 });
  }),
  gc: calling(5, async (bag, workplace, n) => {
    await bag.fold();
    await forget(bag, workplace, n - 2);
    await bag.gc({ gracePeriod: 0 });
  }),
  evict: calling(2, (bag, workplace, n) => forget(bag, workplace, n - 1)),
  // Folds start by themselves, in workers, and merge what earlier ones have made.
  async background({ path, name, tell }) {
    await using bag = await openBag(path, { journalBytes: 64 * 1024, memoryBytes: 0 });
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (let n = 0;; n++) {
        await specimen(name, n, toSize(n));
        tell("hit", n);
        // Lets the fold go on.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    });
  },
  async limited({ path, name, bags, tell }) {
    await using bag = await bags.open(path, MANUAL);
    const limits = { maxItems: LIMITED_ITEMS, policy: "fifo", gracePeriod: 0 } as const;
    const cache = limited(bag, { ...limits, maxBytes: 2 * LIMITED_ITEMS * 8 * LIMITED_SIZE });
    await cacheScope({ cache, strict: true }, async () => {
      for (let n = 0;; n++) {
        await specimen(name, n, LIMITED_SIZE);
        tell("hit", n);
        if (n % 10 === 9) await bag.fold();
      }
    });
  },
  async rebuild({ path, name, bags, tell }) {
    for (let n = 0;; n++) {
      {
        await using bag = await bags.open(path, { memoryBytes: 0 });
        await cacheScope({ cache: bag, strict: true }, () => specimen(name, n, toSize(n)));
        tell("hit", n);
      }
      removeDerived(path, n);
      tell("done", n);
    }
  },
  async repair({ path, name, bags, tell }) {
    for (let n = 0;; n++) {
      {
        await using bag = await bags.open(path, { fold: n % 3 === 0 ? "manual" : "auto" });
        await cacheScope({ cache: bag, strict: true }, () => specimen(name, n, 1000));
        tell("hit", n);
      }
      tell("maybe", n);
      const key = await specimen.digest(name, n, 1000);
      damageBag(path, n, { key, own: computeSpecimen(name, n, 1000).own });
      await bags.verify(path, { repair: true });
      tell("done", n);
    }
  },
  // The bag is beside its backup, which is what is looked at after the kill.
  async backup({ path, name, bags, tell }) {
    const root = `${path}-source`;
    await using bag = await bags.open(root, MANUAL);
    await cacheScope({ cache: bag, strict: true }, async () => {
      for (let n = 0;; n++) {
        await specimen(name, n, toSize(n));
        if (n % 3 === 1) await bag.fold();
        if (n % 5 === 4) await bag.compact({ gracePeriod: 0 });
        await bags.backUp(root, path, { links: n % 4 !== 0 });
        tell("hit", n);
      }
    });
  },
  async create({ path, name, bags, tell }) {
    for (let n = 0;; n++) {
      await using bag = await bags.open(`${path}/${name} ${n}`);
      await cacheScope({ cache: bag, strict: true }, () => specimen(name, n, toSize(n)));
      tell("hit", n);
    }
  },
};

/** Removes files that follow from others. */
function removeDerived(path: string, n: number): void {
  const tables = Array.from(Deno.readDirSync(`${path}/segments`), ({ name }) => `segments/${name}`)
    .filter((name) => name.endsWith(".index"));
  const files = [tables, ["values.h5"], [...tables, "values.h5", "calls.index"]][n % 3] ?? [];
  for (const file of files) {
    try {
      Deno.removeSync(`${path}/${file}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
}
