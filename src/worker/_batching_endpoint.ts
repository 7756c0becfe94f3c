/** What both ends of a Web Worker offer. */
export interface MessageEnd {
  /** Sends a message; throws when structured clone refuses it. */
  postMessage(message: unknown): void;
  /** Listens to messages. */
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Options of {@linkcode BatchingEndpoint}. */
export interface BatchingEndpointOptions {
  /** Is told of each message that cannot be posted, with what structured clone threw. */
  refused: (message: unknown, cause: unknown) => void | Promise<void>;
  /** Is told after each post. */
  posted?: () => void;
}

/**
 * An endpoint for Comlink that gathers what is sent in one microtask checkpoint into one message,
 * which takes no-op calls from half the speed of raw messages to all of it.
 */
export class BatchingEndpoint {
  readonly #end: MessageEnd;
  readonly #options: BatchingEndpointOptions;
  readonly #listeners = new Set<EventListenerOrEventListenerObject>();
  #batch: unknown[] = [];

  /**
   * Creates the endpoint of one side.
   *
   * @param end The Worker object, or the worker's global scope.
   * @param options What to do with messages that cannot be posted.
   */
  constructor(end: MessageEnd, options: BatchingEndpointOptions) {
    this.#end = end;
    this.#options = options;
    end.addEventListener("message", (event) => {
      // Anything else was posted by a task on its own account.
      if (Array.isArray(event.data)) { for (const message of event.data) this.deliver(message); }
    });
  }

  /**
   * Sends a message with the others of this microtask checkpoint.
   *
   * @param message The message.
   */
  postMessage(message: unknown): void {
    if (this.#batch.push(message) === 1) queueMicrotask(() => this.#flush());
  }

  /**
   * Hands a message to this side's listeners, as if the other side had sent it.
   *
   * @param data The message.
   */
  deliver(data: unknown): void {
    // Comlink reads nothing else of an event, and to make a real one costs as much as a call.
    const event = { data } as MessageEvent;
    for (const listener of this.#listeners) {
      if (typeof listener === "function") listener(event);
      else listener.handleEvent(event);
    }
  }

  /** Adds a listener; there is only the event `message`. */
  addEventListener(_type: string, listener: EventListenerOrEventListenerObject): void {
    this.#listeners.add(listener);
  }

  /** Removes a listener. */
  removeEventListener(_type: string, listener: EventListenerOrEventListenerObject): void {
    this.#listeners.delete(listener);
  }

  #flush(): void {
    const batch = this.#batch;
    this.#batch = [];
    this.#post(batch);
  }

  #post(batch: readonly unknown[]): void {
    try {
      this.#end.postMessage(batch);
    } catch (cause) {
      // One message spoils its batch: each goes alone, so that only the guilty one fails.
      if (batch.length > 1) { for (const message of batch) this.#post([message]); }
      else void this.#options.refused(batch[0], cause);
      return;
    }
    this.#options.posted?.();
  }
}
