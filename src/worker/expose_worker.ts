/**
 * The worker's side of a Web Worker.
 *
 * @module
 */
import { BatchingEndpoint, type MessageEnd } from "./_batching_endpoint.ts";
import {
  isReportFrame,
  type ParentFrame,
  valueOfAnswer,
  withValue,
  type WorkerFrame,
} from "./_call_frames.ts";
import { AnswerRing } from "./_answer_ring.ts";
import { Claims } from "./_claims.ts";
import { exposeLate } from "./_expose_late.ts";
import { toParcel } from "./_large_buffers.ts";
import type { CloseReply, ExposedWorker, ReadyMessage } from "./_protocol.ts";
import { toThrownValue } from "./_run_to_outcome.ts";
import { ServedCalls } from "./_served_calls.ts";
import { holdLock } from "./_worker_lock.ts";
import { enterWorker } from "./current_worker.ts";
import type { RunCall, WorkerHooks } from "./worker.ts";

/**
 * Makes this isolate a worker that runs calls, one at a time, in the order they were sent.
 *
 * The worker's entry calls this once, synchronously, before anything imports a task's module: what
 * the parent posts earlier is lost where a module awaits at its top level.
 *
 * @param runCall Does the work of one call.
 * @param hooks What else the worker does.
 * @returns Resolves when the parent was told that the worker listens.
 */
export async function exposeWorker(runCall: RunCall, hooks: WorkerHooks = {}): Promise<void> {
  // The global scope of a worker, which the type library of the main isolate does not describe.
  const scope = globalThis as unknown as MessageEnd & { readonly name: string };
  enterWorker(scope.name);
  const claims = new Claims();
  const ring = new AnswerRing();
  const send = (frame: WorkerFrame): void => {
    // A task's module may keep what it returns: large buffers are copied, and the copies move.
    const parcel = isReportFrame(frame) ? undefined : toParcel([valueOfAnswer(frame)], "copy");
    if (isReportFrame(frame) || parcel === undefined) endpoint.send(frame);
    else endpoint.send(withValue(frame, parcel.values[0]), parcel.moved);
  };
  const sendNow = (frame: WorkerFrame): void => {
    endpoint.send(frame);
    endpoint.flush();
  };
  const served = new ServedCalls(runCall, { claims, ring }, send, sendNow);
  const endpoint = new BatchingEndpoint<WorkerFrame, ParentFrame>(scope, {
    received: (frame) => served.receive(frame),
    refused: (frame, cause) => void served.refused(frame, cause),
    posted: () => served.posted(),
  });
  exposeLate({ close: () => close(hooks) } satisfies ExposedWorker, endpoint);
  const lock = crypto.randomUUID();
  // A worker without its lock could die unseen: a failure here is left uncaught and ends it.
  await holdLock(lock);
  const ready: ReadyMessage = {
    type: "quiver.ready",
    lock,
    claims: claims.buffer,
    ring: ring.buffer,
  };
  scope.postMessage(ready);
}

async function close(hooks: WorkerHooks): Promise<CloseReply> {
  try {
    await hooks.close?.();
    return { type: "closed" };
  } catch (error) {
    return { type: "failed", error: await toThrownValue(error) };
  }
}
