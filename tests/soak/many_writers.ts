import { assertEquals } from "@std/assert";
import { cacheScope, openBag } from "@quiver/quiver";
import { Program } from "../flight/_program.ts";
import {
  checkWritten,
  type Disturber,
  DISTURBERS,
  type Stage,
  type Written,
} from "./disturbers.ts";

/** What each of two processes with two workers writes. */
export interface Load {
  /** How many small results. */
  readonly small: number;
  /** How many numbers of four bytes a small result has. */
  readonly smallLength: number;
  /** How many large results. */
  readonly large: number;
  /** How many numbers of four bytes a large result has. */
  readonly largeLength: number;
}

/** The load of four writers with 5,000 × 200 B and 20 × 8 MB each. */
export const FULL_LOAD: Load = {
  small: 10_000,
  smallLength: 50,
  large: 40,
  largeLength: 2_000_000,
};

/**
 * Lets two processes with two workers each write to one bag while others disturb them, and checks
 * all results while and after they do so.
 *
 * @param path Where the bag is made.
 * @param load How much is written.
 * @param disturbers What else uses the bag meanwhile.
 * @returns How many results were acknowledged, and how often each disturber did its work.
 */
export async function runManyWriters(
  path: string,
  load: Load,
  disturbers: Readonly<Record<string, Disturber>> = DISTURBERS,
): Promise<Record<string, number>> {
  const written: Written[] = [];
  let writing = true;
  let news = Promise.withResolvers<void>();
  const tell = () => {
    const { resolve } = news;
    news = Promise.withResolvers();
    resolve();
  };
  const stage: Stage = {
    path,
    written,
    more: async () => {
      if (writing) await news.promise;
      return writing;
    },
  };
  const disturbing = Object.entries(disturbers).map(async ([name, disturb]) => {
    return [name, await disturb(stage)] as const;
  });
  const writers = ["first", "second"].map(async (prefix) => {
    const numbers = [load.small, load.smallLength, load.large, load.largeLength];
    await using program = new Program(
      "write",
      [path, prefix, ...numbers.map(String)],
      import.meta.url,
    );
    for (let line = await program.line(); line !== undefined; line = await program.line()) {
      const at = line.lastIndexOf(" ");
      written.push({ name: line.slice(0, at), length: Number(line.slice(at + 1)) });
      tell();
    }
    assertEquals([prefix, await program.success()], [prefix, true]);
  });
  // A disturber that fails ends the run: its writers are not waited for.
  const failed = Promise.race(
    disturbing.map((one) => one.then(() => new Promise<never>(() => {}))),
  );
  try {
    await Promise.race([Promise.all(writers), failed]);
  } finally {
    writing = false;
    tell();
    await Promise.allSettled(disturbing);
  }
  await using bag = await openBag(path);
  await cacheScope({ cache: bag, strict: true }, async () => {
    for (const item of written) await checkWritten(item);
  });
  return { written: written.length, ...Object.fromEntries(await Promise.all(disturbing)) };
}
