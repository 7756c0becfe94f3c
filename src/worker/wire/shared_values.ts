import { type Carried, toCarried } from "../../value/carry_value.ts";
import { copyLarge } from "../../value/capture.ts";
import type { SharedMemory } from "../../value/share.ts";
import type { Digest, ValueKind } from "../../value/value.ts";

/** What tells whether an array of a shared value has changed. */
export interface SharedSeal {
  /** The digest of the array. */
  readonly digest: Digest;
  /** How its bytes are stored. */
  readonly kind: ValueKind;
  /** Checksums of its blocks. */
  readonly sums: Uint32Array<ArrayBuffer>;
}

/** What a worker is told of a shared value, before a call that needs it or when none does any more. */
export interface SharedMessage {
  /** What the value is known by. */
  readonly id: string;
  /** The value. */
  readonly carried?: Carried;
  /** The digest under which the cache of the call has the value, which then does not go with it. */
  readonly stored?: Digest;
  /** Whether somebody has written into it; absent where the worker has memory of its own. */
  readonly status?: SharedArrayBuffer;
  /** What is known of its arrays, in their order. */
  readonly seals?: readonly (SharedSeal | undefined)[];
  /** That the worker is to let go of it. */
  readonly dropped?: true;
}

/** So many bytes of shared values a worker keeps that no call needs which it has. */
const MOST_BYTES = 2 ** 29;

/** A shared value that a worker has. */
interface KnownValue {
  readonly memory: SharedMemory;
  /** How many of its calls need it. */
  uses: number;
  /** Whether the worker knows the digests of its arrays. */
  sealed: boolean;
  /** Ends that its release is told. */
  readonly forget: () => void;
}

/** What one worker was sent of shared values: each once, before the first call that needs it. */
export class SentValues {
  readonly #send: (message: SharedMessage) => void;
  readonly #sharesMemory: boolean;
  readonly #most: number;
  readonly #byId = new Map<string, KnownValue>();
  readonly #bySlot = new Map<number, readonly SharedMemory[]>();

  /**
   * Creates what has sent nothing yet.
   *
   * @param send Sends a message, before those that are sent later.
   * @param sharesMemory Whether the worker has the memory of this isolate's that is shared.
   * @param most How many bytes it keeps that no call needs which it has.
   */
  constructor(
    send: (message: SharedMessage) => void,
    sharesMemory: boolean,
    most: number = MOST_BYTES,
  ) {
    this.#send = send;
    this.#sharesMemory = sharesMemory;
    this.#most = most;
  }

  /**
   * A call is about to be sent.
   *
   * @param slot What stands for it.
   * @param memories What it needs.
   * @throws What structured clone throws.
   */
  use(slot: number, memories: readonly SharedMemory[]): void {
    for (const memory of memories) this.#provide(memory);
    for (const { id } of memories) {
      const known = this.#byId.get(id);
      if (known !== undefined) known.uses++;
    }
    this.#bySlot.set(slot, memories);
  }

  /** The worker is done with a call. */
  done(slot: number): void {
    const memories = this.#bySlot.get(slot);
    if (memories === undefined) return;
    this.#bySlot.delete(slot);
    for (const { id } of memories) {
      const known = this.#byId.get(id);
      if (known !== undefined) known.uses--;
    }
    this.#prune();
  }

  /** The worker has not found a value where it is stored. */
  sendWhole(id: string): void {
    const known = this.#byId.get(id);
    if (known !== undefined) this.#send(this.#toMessage(known.memory, undefined));
  }

  /** The worker is dead. */
  end(): void {
    for (const { forget } of this.#byId.values()) forget();
    this.#byId.clear();
    this.#bySlot.clear();
  }

  #provide(memory: SharedMemory): void {
    const { id } = memory;
    const known = this.#byId.get(id);
    const sealed = memory.arrays.every(({ part }) => part !== undefined);
    if (known === undefined) {
      this.#send(this.#toMessage(memory, memory.stored));
      const forget = memory.onRelease(() => this.#prune());
      this.#byId.set(id, { memory, uses: 0, sealed, forget });
      return;
    }
    if (sealed && !known.sealed) this.#send({ id, seals: toSeals(memory) });
    known.sealed ||= sealed;
    // What was used last comes last.
    this.#byId.delete(id);
    this.#byId.set(id, known);
  }

  #toMessage(memory: SharedMemory, stored: Digest | undefined): SharedMessage {
    const { id, status } = memory;
    const seals = toSeals(memory);
    if (this.#sharesMemory) return { id, carried: carry(memory.root), status, seals };
    return stored === undefined
      ? { id, carried: toOwnMemory(carry(memory.root)), seals }
      : { id, stored, seals };
  }

  /** Lets go of what nobody needs any more, and of what was not used for the longest time. */
  #prune(): void {
    let bytes = this.#byId.values().reduce((sum, { memory }) => sum + memory.byteLength, 0);
    for (const [id, { memory, uses, forget }] of this.#byId) {
      if (uses > 0 || bytes <= this.#most && !memory.released) continue;
      bytes -= memory.byteLength;
      forget();
      this.#byId.delete(id);
      this.#send({ id, dropped: true });
    }
  }
}

function toSeals({ arrays }: SharedMemory): readonly (SharedSeal | undefined)[] {
  return arrays.map(({ part, sums }) =>
    part && sums && { digest: part.digest, kind: part.kind, sums }
  );
}

function carry(root: unknown): Carried {
  return toCarried(root, {
    root: "value",
    fails: (path) => `Cannot send ${path} of a shared value to a worker`,
  });
}

/** Another process gets no memory that is shared. */
function toOwnMemory(carried: Carried): Carried {
  const beside = carried.beside.map((value) =>
    // A view of the same kind on memory that nobody shares.
    ArrayBuffer.isView(value) ? copyLarge(value as ArrayBufferView<ArrayBuffer>) : value
  );
  return { ...carried, beside };
}
