import { UnclonableError } from "../base/errors.ts";
import { LateModule } from "../base/lazy_import.ts";
import { fromThrown } from "../value/codec/thrown_value.ts";
import type { Callback } from "./worker.ts";

type Comlink = typeof import("./web/comlink.ts");
type Listener = EventListenerOrEventListenerObject;

const COMLINK: LateModule<Comlink> = new LateModule(() => import("./web/comlink.ts"));

/** A message of Comlink's, and the number of the callback that it goes to or comes from. */
export type CallbackMessage = readonly [index: number, message: unknown];

/** How a callback ended, as data: of an error that is thrown Comlink keeps name and message alone. */
export type CallbackOutcome = { readonly value: unknown } | { readonly thrown: unknown };

/**
 * The caller's side of the callbacks of one call. Comlink exposes each on an endpoint that is nothing
 * but a number, and its messages travel among the call's own: there is no port that could be left
 * open when the call ends, in whatever way.
 */
export class CallbackServer {
  readonly #callbacks: readonly Callback[];
  readonly #answer: (message: CallbackMessage) => void;
  /** What Comlink listens to messages with, of each callback that was called. */
  readonly #listeners: Promise<Listener>[] = [];
  #closed = false;

  /**
   * Begins to answer.
   *
   * @param callbacks The callbacks.
   * @param answer Sends an answer to the call; throws when structured clone refuses it.
   */
  constructor(callbacks: readonly Callback[], answer: (message: CallbackMessage) => void) {
    this.#callbacks = callbacks;
    this.#answer = answer;
  }

  /**
   * Takes what the call's code has sent.
   *
   * @param data A message.
   */
  receive(data: unknown): void {
    // What the worker's side sends is a message.
    void this.#receive(data as CallbackMessage);
  }

  /** The call has ended or is given up: nothing is called from now on, and nothing answered. */
  close(): void {
    this.#closed = true;
  }

  async #receive([index, message]: CallbackMessage): Promise<void> {
    try {
      const listener = await (this.#listeners[index] ??= this.#expose(index));
      if (this.#closed) return;
      // Comlink reads nothing else of an event.
      const event = { data: message } as MessageEvent;
      if (typeof listener === "function") listener(event);
      else listener.handleEvent(event);
    } catch (error) {
      this.#refuse(index, message, error);
    }
  }

  async #expose(index: number): Promise<Listener> {
    const { expose } = await COMLINK.load();
    const added = Promise.withResolvers<Listener>();
    expose((...args: unknown[]) => this.#call(index, args), {
      addEventListener: (_type, listener) => added.resolve(listener),
      removeEventListener: () => {},
      postMessage: (message) => this.#send(index, message),
    });
    return await added.promise;
  }

  async #call(index: number, args: readonly unknown[]): Promise<CallbackOutcome> {
    try {
      return { value: await this.#callbacks[index]?.(...args) };
    } catch (error) {
      return { thrown: fromThrown(error) };
    }
  }

  #send(index: number, message: unknown): void {
    if (this.#closed) return;
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
    if (this.#closed) return;
    const { id } = message as { readonly id: string };
    const value: CallbackOutcome = { thrown: fromThrown(error) };
    this.#answer([index, { id, type: "RAW", value }]);
  }
}
