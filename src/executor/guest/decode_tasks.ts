import type { Cache } from "../../cache/cache.ts";
import type { Scope, ScopeDescription } from "../../scope/scope.ts";
import type { Found } from "../../store/stores.ts";
import { findTask, importTask } from "../../task/definition.ts";
import { toBoundTask, toTask } from "../../task/task.ts";
import { fromCarried } from "../../value/carry_value.ts";
import { sharedBytesOf } from "../../value/array_part.ts";
import { capture, copyLarge, type LargeBuffer } from "../../value/capture.ts";
import { adoptShared, Shared, type SharedMemory } from "../../value/share.ts";
import type { Digest } from "../../value/value.ts";
import { importInWorker } from "../../worker/current_worker.ts";
import type { RemoteCallbacks } from "../../worker/remote_callbacks.ts";
import type { CallControl } from "../../worker/worker.ts";
import { SHARE } from "../../worker/wire/frames.ts";
import type { SharedMessage } from "../../worker/wire/shared_values.ts";
import type { CallContext } from "../wire/call_context.ts";
import {
  CALLBACK_NODE,
  type CarriedArguments,
  SHARED_NODE,
  TASK_NODE,
  type TaskReference,
  type TaskReferences,
} from "../wire/task_arguments.ts";

/** Restores the scope that a task is bound to. */
type RestoreScope = (description: ScopeDescription) => Scope | Promise<Scope>;

/** What the references of tasks and callbacks lead to. */
export interface DecodeTools {
  /** Restores the scope that a task is bound to. */
  readonly restoreScope: RestoreScope;
  /** The callbacks of the call, if it has some. */
  readonly callbacks: RemoteCallbacks | undefined;
  /** The shared values that this worker was sent. */
  readonly shared: ReadonlyMap<string, ReceivedValue>;
}

/** A shared value that a worker was sent. */
export interface ReceivedValue {
  /** What was told of it; the value itself until it was made. */
  message: Partial<SharedMessage>;
  /** Told when more of it is told, if somebody waits for that. */
  arrived?: () => void;
  /** What was made of it for the first call that refers to it. */
  memory?: SharedMemory | undefined;
}

/** Arguments as they were before they were sent. */
export interface DecodedArguments {
  /** The arguments, with handles of shared values. */
  readonly args: readonly unknown[];
  /** Whether there are such handles. */
  readonly shared: boolean;
}

/**
 * Makes arguments what they were before `encodeTasks()`.
 *
 * @param args The arguments as they came: of a call, or the items of a chunk, of which each is the one
 * argument of a call of its own.
 * @param tools What the references lead to.
 * @returns The arguments as they were given.
 * @throws {WorkerInitError} When the module of a task cannot be imported or does not define it.
 */
export async function decodeTasks(
  args: readonly unknown[],
  references: TaskReferences,
  { restoreScope, callbacks, shared: received }: DecodeTools,
): Promise<DecodedArguments> {
  const decoded: unknown[] = [];
  let shared = false;
  for (const value of args) {
    const tasks = Object.hasOwn(references, tokenOf(value))
      ? references[tokenOf(value)]
      : undefined;
    if (tasks === undefined) {
      decoded.push(value);
      continue;
    }
    const callables: object[] = [];
    for (const task of tasks) callables.push(await toCallable(task, restoreScope));
    // Nobody else knows the token.
    const values = fromCarried(
      value as CarriedArguments,
      ([type, index]) => {
        if (type === CALLBACK_NODE) return callbacks?.get(Number(index));
        if (type === SHARED_NODE) {
          shared = true;
          return toShared(received, String(index));
        }
        return type === TASK_NODE ? callables[Number(index)] : undefined;
      },
    );
    if (!Array.isArray(values)) throw new TypeError("Cannot read arguments: they are no list");
    for (const one of values) decoded.push(one);
    // What is behind has only moved with the rest.
    if (args.length === 2 && values.length > 1) break;
  }
  return { args: decoded, shared };
}

/** Where shared values are read from. */
interface SharedSource {
  /** Those that this worker was sent. */
  readonly received: ReadonlyMap<string, ReceivedValue>;
  /** The cache of the call. */
  readonly cache: Cache | undefined;
  /** Asks for what is not found. */
  readonly control: CallControl;
}

/**
 * Reads the shared values that a call needs: those that were not sent out of its cache, or, where that
 * does not have them, from whoever has made the call.
 *
 * @param ids What they are known by.
 */
export async function readShared(
  ids: readonly string[],
  { received, cache, control }: SharedSource,
): Promise<void> {
  for (const id of ids) {
    const value = received.get(id);
    if (value?.memory !== undefined || value?.message.stored === undefined) continue;
    const { stored, ...message } = value.message;
    const found = await tryRead(cache, stored);
    if (found.hit) {
      value.message = message;
      value.memory = adoptShared(found.value, { id, alone: true });
      continue;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    value.arrived = resolve;
    control.send(SHARE, id);
    await promise;
  }
}

async function tryRead(cache: Cache | undefined, digest: Digest): Promise<Found<unknown>> {
  try {
    return await cache?.value(digest) ?? { hit: false };
  } catch {
    // Whoever has made the call has it, too.
    return { hit: false };
  }
}

/**
 * Puts handles of shared values in their places.
 *
 * @param args The other arguments.
 * @param positions Which are shared values, and what those are known by.
 * @param received The shared values that this worker was sent.
 */
export function placeShared(
  args: readonly unknown[],
  positions: readonly (readonly [position: number, id: string])[],
  received: ReadonlyMap<string, ReceivedValue>,
): readonly unknown[] {
  const placed = [...args];
  for (const [position, id] of positions) placed[position] = toShared(received, id);
  return placed;
}

function toShared(received: ReadonlyMap<string, ReceivedValue>, id: string): Shared<unknown> {
  const value = received.get(id);
  const memory = value && (value.memory ??= adopt(value, id));
  if (memory === undefined) {
    throw new TypeError(`Cannot read arguments: the shared value "${id}" has not come`);
  }
  const { seals = [] } = value?.message ?? {};
  for (const [index, array] of memory.arrays.entries()) {
    const seal = seals[index];
    if (array.part !== undefined || seal === undefined) continue;
    const { digest, kind, sums } = seal;
    array.part = { digest, kind, bytes: sharedBytesOf(array.value) };
    array.sums = sums;
  }
  return new Shared(memory);
}

function adopt(value: ReceivedValue, id: string): SharedMemory | undefined {
  const { carried, status, ...message } = value.message;
  if (carried === undefined) return undefined;
  // What it was made of would be there a second time.
  value.message = message;
  return adoptShared(fromCarried(carried), { id, status, alone: status === undefined });
}

async function toCallable(
  { address, scope, code }: TaskReference,
  restoreScope: RestoreScope,
): Promise<object> {
  const definition = findTask(address) ??
    await importInWorker(address.module, () => importTask(address));
  // The task's digest, which the key of the call is made of, is checked before the body runs; that its
  // code is the same here is told by its sources.
  if (code !== undefined) definition.adoptCode(code);
  return scope === undefined
    ? toTask(definition)
    : toBoundTask(definition, await restoreScope(scope));
}

function tokenOf(value: unknown): string {
  if (typeof value !== "object" || value === null) return "";
  const token: unknown = Object.getOwnPropertyDescriptor(value, "quiver.task")?.value;
  return typeof token === "string" ? token : "";
}

/**
 * Reads arguments out of the cache of the call, in whose places nothing was sent.
 *
 * @param stored Which, by position and digest.
 * @returns All arguments; `undefined` when the cache lacks one, which is to be sent then.
 */
export async function readStored(
  args: readonly unknown[],
  stored: NonNullable<CallContext["stored"]>,
  cache: Cache | undefined,
): Promise<readonly unknown[] | undefined> {
  const read = [...args];
  for (const [position, digest] of stored) {
    // What goes wrong is no matter where the value comes by itself.
    const found = await Promise.try(() => cache?.value(digest)).catch(() => undefined);
    if (found?.hit !== true) return undefined;
    read[position] = found.value;
  }
  return read;
}

/** A view that came with more of its buffer than it shows, or with other views on it, gets its own. */
export function toOwnBuffers(args: readonly unknown[]): readonly unknown[] {
  const seen = new Set<ArrayBuffer>();
  const large = (value: LargeBuffer): LargeBuffer => {
    const buffer = ArrayBuffer.isView(value) ? value.buffer : value;
    const alone = buffer.byteLength === value.byteLength && !seen.has(buffer);
    seen.add(buffer);
    return alone ? value : copyLarge(value);
  };
  return capture(args, { large }).values;
}
