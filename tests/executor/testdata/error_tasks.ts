// Tasks that throw, in all the ways there are, or give back what cannot travel.
import { currentSignal, reportProgress, task } from "@quiver/quiver";
import { registerError } from "@quiver/quiver/workers";

/** Arrives as what it is, by its prototype. */
export class DivergedError extends RangeError {
  override name = "DivergedError";
  constructor(readonly step: number, options?: ErrorOptions) {
    super(`diverged in step ${step}`, options);
  }
  get next(): number {
    return this.step + 1;
  }
}
registerError(DivergedError);

/** Has a private field, which only its constructor can make. */
export class SecretError extends Error {
  readonly #secret: string;
  constructor(secret: string, options?: ErrorOptions) {
    super("it is a secret", options);
    this.#secret = secret;
  }
  get secret(): string {
    return this.#secret;
  }
}
registerError(SecretError, {
  name: "tests.SecretError",
  toFields: (error) => ({ secret: error.secret }),
  fromFields: ({ secret }, { cause }) => {
    if (secret === "unreadable") throw new TypeError("no way to read it");
    return new SecretError(String(secret), { cause });
  },
});

/** Nobody registers it. */
export class HttpError extends TypeError {
  constructor(readonly status: number) {
    super(`status ${status}`);
  }
}

const THROWN: { readonly [how: string]: () => unknown } = {
  diverged: () => new DivergedError(3, { cause: new SecretError("hidden", { cause: "text" }) }),
  secret: () => new SecretError("open"),
  unreadable: () => new SecretError("unreadable"),
  http: () => new HttpError(404),
  aggregate: () => new AggregateError([new DivergedError(1), new HttpError(500), "text"], "many"),
  dom: () => new DOMException("data", "DataError"),
  undefined: () => undefined,
  text: () => "text",
  object: () => ({ code: 1, list: [1, 2] }),
  function: () => function thrown() {},
  symbol: () => Symbol("thrown"),
  chain: () =>
    new Error("outer", { cause: new TypeError("middle", { cause: new Error("inner") }) }),
  cyclic: () => {
    const error = new Error("round");
    error.cause = new Error("and round", { cause: error });
    return error;
  },
  getter: () =>
    Object.defineProperty(new Error("with a getter"), "bad", {
      enumerable: true,
      get: () => {
        throw new Error("not to be read");
      },
    }),
  unclonable: () =>
    Object.assign(new Error("with a function"), { code: 5, request: { retry: () => 1 } }),
};

export const throwIt = task(import.meta, function throwIt(how: string): never {
  throw THROWN[how]?.();
});

export const throwLater = task(import.meta, async function throwLater(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, 5));
  throw new RangeError("later");
});

export const double = task(import.meta, (n: number) => 2 * n, { name: "double" });

export const doubleLater = task(import.meta, async function doubleLater(n: number) {
  await Promise.resolve();
  return 2 * n;
});

export const giveFunction = task(import.meta, function giveFunction(): unknown {
  return { list: [{ callback: () => 1 }] };
});

export const waitForReason = task(import.meta, async function waitForReason(): Promise<void> {
  const signal = currentSignal();
  reportProgress("running");
  await new Promise((resolve) => signal.addEventListener("abort", resolve));
  const { reason } = signal;
  lastReason = reason instanceof Error ? [reason.constructor.name, reason.message] : reason;
});

let lastReason: unknown;

export const seenReason = task(import.meta, function seenReason(): unknown {
  return lastReason;
});

export const exit = task(import.meta, function exit(): never {
  Deno.exit(3);
});
