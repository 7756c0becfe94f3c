import { UnclonableError } from "../base/errors.ts";
import { importLater, LateModule } from "../base/lazy_import.ts";
import type { Carried } from "../value/carry_value.ts";
import { fromThrown } from "../value/codec/thrown_value.ts";
import { holdsSpecial } from "../value/holds_special.ts";
import type { Callback } from "./worker.ts";

type Carrying = typeof import("../value/carry_value.ts");
type Comlink = typeof import("./web/comlink.ts");
type Listener = EventListenerOrEventListenerObject;

/** A program without a configuration, where its name leads nowhere, has workers all the same. */
const COMLINK = new LateModule(() => importLater<Comlink>("comlink"));

/** A message of Comlink's, and the number of the callback that it goes to or comes from. */
export type CallbackMessage = readonly [index: number, message: unknown];

/** The arguments of a callback, or what carries them where structured clone would change them. */
export type CallbackArguments = { readonly args: readonly unknown[] } | {
  readonly carried: Carried;
};

/** How a callback ended, as data: of an error that is thrown Comlink keeps name and message alone. */
export type CallbackOutcome =
  | { readonly value: unknown }
  | { readonly carried: Carried }
  | { readonly thrown: unknown };

/**
 * The caller's side of the callbacks of one call. Comlink exposes each on an endpoint that is nothing
 * but a number, and its messages travel among the call's own: there is no port that could be left
 * open when the call ends, in whatever way.
 */
export class CallbackServer {
  readonly #callbacks: readonly Callback[];
  readonly #answer: (message: CallbackMessage) => void;
  /** What Comlink listens to messages with, of each callback that was called. */
  readonly #listeners: Listener[] = [];
  /** What has come before Comlink was loaded. */
  #early: CallbackMessage[] = [];
  #state: "open" | "ended" | "given up" = "open";

  /**
   * Begins to answer.
   *
   * @param answer Sends an answer to the call; throws when structured clone refuses it.
   */
  constructor(callbacks: readonly Callback[], answer: (message: CallbackMessage) => void) {
    this.#callbacks = callbacks;
    this.#answer = answer;
  }

  /** Takes what the call's code has sent. */
  receive(data: unknown): void {
    // What the worker's side sends is a message.
    const message = data as CallbackMessage;
    const comlink = COMLINK.loaded;
    if (comlink !== undefined && this.#early.length === 0) this.#deliver(comlink, message);
    else if (this.#early.push(message) === 1) void this.#load();
  }

  /** The call has ended: what it has called before is called, but nothing is answered any more. */
  end(): void {
    if (this.#state === "open") this.#state = "ended";
  }

  /** The call is given up: nothing is called any more. */
  giveUp(): void {
    this.#state = "given up";
  }

  async #load(): Promise<void> {
    try {
      const comlink = await COMLINK.load();
      for (const message of this.#early.splice(0)) this.#deliver(comlink, message);
    } catch (error) {
      for (const [index, message] of this.#early.splice(0)) this.#refuse(index, message, error);
    }
  }

  #deliver(comlink: Comlink, [index, message]: CallbackMessage): void {
    if (this.#state === "given up") return;
    const listener = this.#listeners[index] ??= this.#expose(comlink, index);
    // Comlink reads nothing else of an event.
    const event = { data: message } as MessageEvent;
    if (typeof listener === "function") listener(event);
    else listener.handleEvent(event);
  }

  #expose({ expose }: Comlink, index: number): Listener {
    let added: Listener = () => {};
    expose((given: CallbackArguments) => this.#call(index, given), {
      addEventListener: (_type, listener) => added = listener,
      removeEventListener: () => {},
      postMessage: (message) => this.#send(index, message),
    });
    return added;
  }

  async #call(index: number, given: CallbackArguments): Promise<CallbackOutcome> {
    try {
      const args = "args" in given ? given.args : await readCarried(given.carried);
      const value = await this.#callbacks[index]?.(...args);
      if (!holdsSpecial([value])) return { value };
      const { toCarried } = await importLater<Carrying>("carried");
      return { carried: toCarried(value, { root: "result", fails: toFailure }) };
    } catch (error) {
      return { thrown: fromThrown(error) };
    }
  }

  #send(index: number, message: unknown): void {
    if (this.#state !== "open") return;
    try {
      this.#answer([index, message]);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const text = `Cannot send the result of a callback to its task: ${reason}`;
      this.#refuse(index, message, new UnclonableError(text, "result", { cause }));
    }
  }

  /** Answers a message of Comlink's without Comlink. */
  #refuse(index: number, message: unknown, error: unknown): void {
    if (this.#state !== "open") return;
    const { id } = message as { readonly id: string };
    const value: CallbackOutcome = { thrown: fromThrown(error) };
    this.#answer([index, { id, type: "RAW", value }]);
  }
}

function toFailure(path: string): string {
  return `Cannot send ${path} as the result of a callback to its task`;
}

async function readCarried(carried: Carried): Promise<readonly unknown[]> {
  const { fromCarried } = await importLater<Carrying>("carried");
  // What a callback is called with is a list.
  return fromCarried(carried) as readonly unknown[];
}
