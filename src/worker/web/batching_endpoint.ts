/** What both ends of a Web Worker offer. */
export interface MessageEnd {
  /** Sends a message, and moves buffers with it; throws when structured clone refuses it. */
  postMessage(message: unknown, options?: { transfer?: ArrayBuffer[] }): void;
  /** Listens to messages. */
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
}

/** Options of {@linkcode BatchingEndpoint}. */
export interface BatchingEndpointOptions<S, R> {
  /** Is given each frame that the other side has posted. */
  received: (frame: R) => void;
  /** Is told of each post, before it is given what is in it. */
  woken?: () => void;
  /** Is told of each frame that cannot be posted, with what structured clone threw. */
  refused: (frame: S, cause: unknown) => void;
  /** Is told after each post. */
  posted?: () => void;
  /** Is told of what has just been posted, and how long that took, in milliseconds. */
  wrote?: (batch: readonly unknown[], time: number) => void;
}

/** Tells a batch from what a task posts on its own account. */
const BATCH = "quiver.batch";
/** An empty batch: short texts cross without being serialized as objects are. */
const WAKE = "quiver.wake";

/**
 * One side of a worker's channel: an endpoint for Comlink, and beside it a way for frames, which are
 * arrays. What is sent in one microtask checkpoint is gathered into one post.
 *
 * @typeParam S The frames that this side sends.
 * @typeParam R The frames that it receives.
 */
export class BatchingEndpoint<S extends readonly unknown[], R extends readonly unknown[]> {
  readonly #end: MessageEnd;
  readonly #options: BatchingEndpointOptions<S, R>;
  readonly #listeners = new Set<EventListenerOrEventListenerObject>();
  #batch: unknown[] = [BATCH];
  /** The buffers that move with messages of the batch; hardly any message has some. */
  #moved: Map<unknown, ArrayBuffer[]> | undefined;

  /**
   * Creates the endpoint of one side.
   *
   * @param end The Worker object, or the worker's global scope.
   * @param options What to do with frames.
   */
  constructor(end: MessageEnd, options: BatchingEndpointOptions<S, R>) {
    this.#end = end;
    this.#options = options;
    end.addEventListener("message", ({ data }) => {
      if (!isBatch(data)) return;
      options.woken?.();
      if (data === WAKE) return;
      for (let index = 1; index < data.length; index++) this.#receive(data[index]);
    });
  }

  /**
   * Sends a frame with whatever else is sent in this microtask checkpoint.
   *
   * @param moved Buffers that move with it.
   */
  send(frame: S, moved?: ArrayBuffer[]): void {
    if (moved !== undefined) (this.#moved ??= new Map()).set(frame, moved);
    this.postMessage(frame);
  }

  /**
   * Sends a frame at once, behind what was sent in this microtask checkpoint.
   *
   * @throws What structured clone throws when it refuses the frame.
   */
  sendNow(frame: S): void {
    this.flush();
    this.#end.postMessage([BATCH, frame]);
    this.#options.posted?.();
  }

  /** Sends a message of Comlink's with whatever else is sent in this microtask checkpoint. */
  postMessage(message: unknown): void {
    if (this.#batch.push(message) === 2) queueMicrotask(() => this.flush());
  }

  /** Posts at once what was sent in this microtask checkpoint. */
  flush(): void {
    // What was flushed early leaves its microtask nothing to do.
    if (this.#batch.length === 1) return;
    const batch = this.#batch;
    const moved = this.#moved;
    this.#batch = [BATCH];
    this.#moved = undefined;
    this.#post(batch, moved);
  }

  /** Posts at once, even if there is nothing to post. */
  wake(): void {
    if (this.#batch.length > 1) return this.flush();
    this.#end.postMessage(WAKE);
    this.#options.posted?.();
  }

  /** Adds a listener; there is only the event `message`. */
  addEventListener(_type: string, listener: EventListenerOrEventListenerObject): void {
    this.#listeners.add(listener);
  }

  /** Removes a listener. */
  removeEventListener(_type: string, listener: EventListenerOrEventListenerObject): void {
    this.#listeners.delete(listener);
  }

  #receive(data: unknown): void {
    // Comlink's messages are objects; arrays are the other side's frames.
    if (Array.isArray(data)) return this.#options.received(data as unknown as R);
    // Comlink reads nothing else of an event.
    const event = { data } as MessageEvent;
    for (const listener of this.#listeners) {
      if (typeof listener === "function") listener(event);
      else listener.handleEvent(event);
    }
  }

  #post(batch: readonly unknown[], moved: Map<unknown, ArrayBuffer[]> | undefined): void {
    const { wrote } = this.#options;
    const begun = wrote === undefined ? 0 : performance.now();
    try {
      if (moved === undefined) this.#end.postMessage(batch);
      else {
        const transfer = batch.flatMap((message) => moved.get(message) ?? []);
        this.#end.postMessage(batch, { transfer });
      }
    } catch (cause) {
      // One frame spoils its batch: each goes alone, so that only the guilty one fails.
      if (batch.length > 2) {
        for (const message of batch.slice(1)) this.#post([BATCH, message], moved);
        // Comlink's own messages here hold nothing but text.
      } else this.#options.refused(batch[1] as S, cause);
      return;
    }
    wrote?.(batch, performance.now() - begun);
    this.#options.posted?.();
  }
}

function isBatch(data: unknown): data is readonly unknown[] | typeof WAKE {
  return data === WAKE || Array.isArray(data) && data[0] === BATCH;
}
