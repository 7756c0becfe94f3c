/**
 * The callbacks of a call, where its code runs. Loaded with the first call that has some.
 *
 * @module
 */
import { UnclonableError } from "../base/errors.ts";
import { fromCarried, toCarried } from "../value/carry_value.ts";
import { toThrown } from "../value/codec/thrown_value.ts";
import { findShared } from "../value/digest/refusal.ts";
import { holdsSpecial } from "../value/holds_special.ts";
import { isCallback } from "../value/symbols.ts";
import type { CallbackArguments, CallbackMessage, CallbackOutcome } from "./callback_server.ts";
import { CALLBACK } from "./wire/frames.ts";
import { type Endpoint, releaseProxy, type Remote, wrap } from "./web/comlink.ts";
import type { Callback, CallbackListener, CallControl } from "./worker.ts";

/** Who waits for the answer to one call of a callback. */
type Waiting = PromiseWithResolvers<unknown>;

/**
 * The callbacks of one call: functions, of which each is a proxy of Comlink's for one of the caller's.
 * They are released when the call ends or is given up.
 */
export class RemoteCallbacks implements CallbackListener {
  readonly #control: CallControl;
  readonly #channels: CallbackChannel[] = [];
  #ended: { readonly reason: unknown } | undefined;

  /**
   * Creates the callbacks.
   *
   * @param control Leads to who has made the call.
   */
  constructor(control: CallControl) {
    this.#control = control;
    control.listen?.(this);
  }

  /**
   * Gives a callback.
   *
   * @param index What stands for it.
   * @returns The function, the same each time.
   */
  get(index: number): Callback {
    const channel = this.#channels[index] ??= new CallbackChannel(index, this.#control);
    if (this.#ended !== undefined) channel.end(this.#ended.reason);
    return channel.call;
  }

  answered(data: unknown): void {
    // What the caller's side sends is a message.
    const [index, message] = data as CallbackMessage;
    this.#channels[index]?.receive(message);
  }

  ended(reason: unknown): void {
    this.#ended = { reason };
    for (const channel of this.#channels) channel?.end(reason);
  }
}

/** An endpoint for Comlink, whose messages travel as what the call says. */
class CallbackChannel implements Endpoint {
  readonly #index: number;
  readonly #control: CallControl;
  readonly #remote: Remote<(given: CallbackArguments) => CallbackOutcome>;
  readonly #waiting = new Set<Waiting>();
  #listener: EventListenerOrEventListenerObject | undefined;
  #ended: { readonly reason: unknown } | undefined;
  /** Why the last message could not be sent, if it could not. */
  #refused: { readonly cause: unknown } | undefined;

  constructor(index: number, control: CallControl) {
    this.#index = index;
    this.#control = control;
    this.#remote = wrap(this);
  }

  /** Calls the function of the caller's. */
  readonly call: Callback = (...args) => {
    const waiting: Waiting = Promise.withResolvers();
    if (this.#ended !== undefined) refuse(waiting, this.#ended.reason);
    else {
      this.#waiting.add(waiting);
      void this.#settle(waiting, args);
    }
    return waiting.promise;
  };

  async #settle(waiting: Waiting, args: readonly unknown[]): Promise<void> {
    try {
      const outcome = await this.#send(args);
      if ("thrown" in outcome) waiting.reject(toThrown(outcome.thrown));
      else waiting.resolve("carried" in outcome ? fromCarried(outcome.carried) : outcome.value);
    } catch (error) {
      waiting.reject(error);
    }
    this.#waiting.delete(waiting);
  }

  /** Comlink posts before it returns, so that what cannot be posted is known of at once. */
  async #send(args: readonly unknown[]): Promise<CallbackOutcome> {
    const given = toArguments(args);
    this.#refused = undefined;
    const answer = this.#remote(given);
    if (this.#refused === undefined) return await answer;
    const { cause } = this.#refused;
    // Comlink tells the same.
    answer.catch(() => {});
    const { path, reason } = findShared(args, "args") ?? { path: "args", reason: toText(cause) };
    throw new UnclonableError(`${toFailure(path)}: ${reason}`, path, { cause });
  }

  /** Takes an answer. */
  receive(message: unknown): void {
    // Comlink reads nothing else of an event.
    const event = { data: message } as MessageEvent;
    if (typeof this.#listener === "function") this.#listener(event);
    else this.#listener?.handleEvent(event);
  }

  /** Nobody is called any more, and nobody answers. */
  end(reason: unknown): void {
    if (this.#ended !== undefined) return;
    this.#ended = { reason };
    for (const waiting of this.#waiting) refuse(waiting, reason);
    this.#waiting.clear();
    this.#remote[releaseProxy]();
  }

  postMessage(message: unknown): void {
    // The caller's side needs no word of the release: it knows of the end by itself.
    if (this.#ended !== undefined) return;
    try {
      this.#control.send(CALLBACK, [this.#index, message] satisfies CallbackMessage);
    } catch (cause) {
      this.#refused = { cause };
      throw cause;
    }
  }

  addEventListener(_type: string, listener: EventListenerOrEventListenerObject): void {
    this.#listener = listener;
  }

  removeEventListener(): void {
    this.#listener = undefined;
  }
}

function toArguments(args: readonly unknown[]): CallbackArguments {
  if (args.some((arg) => typeof arg === "function" && isCallback(arg))) {
    throw new TypeError("Cannot call back with a proxy: a callback takes data; pass what it gives");
  }
  if (!holdsSpecial(args)) return { args };
  return { carried: toCarried(args, { root: "args", fails: toFailure }) };
}

function toFailure(path: string): string {
  return `Cannot send ${path} to a callback`;
}

function toText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

/** Code that has not waited for the answer is not at fault: nobody would catch what it is told. */
function refuse(waiting: Waiting, reason: unknown): void {
  waiting.promise.catch(() => {});
  waiting.reject(reason);
}
