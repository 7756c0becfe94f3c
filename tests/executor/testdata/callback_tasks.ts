// Tasks that call their caller back.
import { task } from "@quiver/quiver";

/** A function of the caller's: here it is called at once, and from a worker a promise comes back. */
export type Back<A extends unknown[], R> = (...args: A) => R | Promise<R>;

/** What the newest call that was refused an answer was told. */
let refusal: unknown;
let kept: Back<[], unknown> | undefined;

export const count = task(
  import.meta,
  async function count(to: number, step: Back<[number], number>): Promise<number[]> {
    const answers: number[] = [];
    for (let n = 0; n < to; n++) answers.push(await step(n));
    return answers;
  },
);

/** Asks without an end, and does not look at its signal. */
export const askForEver = task(
  import.meta,
  async function askForEver(step: Back<[number], unknown>): Promise<void> {
    try {
      for (let n = 0;; n++) await step(n);
    } catch (error) {
      refusal = error;
      throw error;
    }
  },
);

export const lastRefusal = task(import.meta, function lastRefusal(): unknown {
  return refusal instanceof Error ? [refusal.constructor.name, refusal.message] : refusal;
});

interface Hooks {
  readonly one: Back<[unknown], unknown>;
  readonly list: readonly Back<[unknown], unknown>[];
  readonly named: ReadonlyMap<string, Back<[unknown], unknown>>;
}

/** Which of the functions are one and the same, and what each answers. */
export const callAll = task(
  import.meta,
  async function callAll({ one, list, named }: Hooks, last: Back<[unknown], unknown>) {
    const all = [one, ...list, ...named.values(), last];
    const answers = await Promise.all(all.map((back, index) => back({ index })));
    return { same: all.map((back) => all.indexOf(back)), answers };
  },
);

export const catchFrom = task(
  import.meta,
  async function catchFrom(back: Back<[unknown], unknown>, argument?: unknown) {
    const { proxy } = await import("comlink/dist/esm/comlink.mjs");
    const given = argument === "function"
      ? () => 1
      : argument === "proxy"
      ? proxy(() => 1)
      : argument;
    try {
      return await back(given);
    } catch (error) {
      if (!(error instanceof Error)) return error;
      return {
        class: error.constructor.name,
        message: error.message,
        code: Reflect.get(error, "code"),
      };
    }
  },
);

/** Does not wait for what it asks, and goes on asking when it has ended. */
export const leaveBehind = task(
  import.meta,
  function leaveBehind(back: Back<[string], unknown>): string {
    void back("not waited for");
    kept = () => back("too late");
    return "ended";
  },
);

export const callKept = task(import.meta, async function callKept(): Promise<string> {
  try {
    await kept?.();
    return "answered";
  } catch (error) {
    return String(error);
  }
});

export const dieAfter = task(
  import.meta,
  async function dieAfter(back: Back<[string], unknown>): Promise<void> {
    await back("last words");
    // Nobody will get an answer.
    void back("and more");
    Deno.exit(3);
  },
);

export const remembered = task(
  import.meta,
  async function remembered(n: number, step: Back<[number], unknown>): Promise<number> {
    await step(n);
    return 2 * n;
  },
);

export const ignoring = task(
  import.meta,
  async function ignoring(n: number, step: Back<[number], unknown>): Promise<number> {
    await step(n);
    return 2 * n;
  },
  { ignore: ["step"] },
);

export const nested = task(
  import.meta,
  async function nested(back: Back<[unknown], unknown>): Promise<unknown> {
    const { Executor } = await import("@quiver/quiver");
    const { proxy } = await import("comlink");
    await using executor = new Executor({ maxWorkers: 1 });
    return await executor.submit(catchFrom, proxy((value: unknown) => back(value)), "deep");
  },
);
