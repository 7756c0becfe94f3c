/**
 * The worker's side of a Web Worker.
 *
 * @module
 */
import { importLater } from "../../base/lazy_import.ts";
import { adoptMainModule, adoptProjects, enterWorker } from "../current_worker.ts";
import { runCloseHook, ServedCalls } from "../served_calls.ts";
import {
  type AnswerFrame,
  type ExposedWorker,
  isReportFrame,
  type ParentFrame,
  type ProgramMessage,
  type ReadyMessage,
  type ReportFrame,
  valueOfAnswer,
  withValue,
  type WorkerFrame,
} from "../wire/frames.ts";
import { AnswerRing } from "../wire/small_answers.ts";
import type { RunCall, WorkerHooks } from "../worker.ts";
import { BatchingEndpoint, type MessageEnd } from "./batching_endpoint.ts";
import { Claims } from "./claims.ts";
import type { Endpoint } from "./comlink.ts";
import { holdLock } from "./worker_lock.ts";

type LargeBuffers = typeof import("../wire/large_buffers.ts");

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
  const scope = globalThis as unknown as MessageEnd & EventTarget & { readonly name: string };
  enterWorker(scope.name);
  scope.addEventListener("message", greet, { once: true });
  const claims = new Claims();
  const ring = new AnswerRing({ wake: () => endpoint.wake() });
  let buffers: LargeBuffers | undefined;
  const pack = (frame: AnswerFrame, value: object, { planTransfer }: LargeBuffers): void => {
    // A task's module may keep what it returns: large buffers are copied, and the copies move.
    const plan = planTransfer([value], "copy");
    if (plan === undefined) endpoint.send(frame);
    else endpoint.send(withValue(frame, plan.values[0]), plan.moved);
  };
  const packLate = async (frame: AnswerFrame, value: object): Promise<void> => {
    // What cannot be loaded is left uncaught: it ends the worker, and so the call.
    pack(frame, value, buffers = await importLater<LargeBuffers>("buffers"));
  };
  const send = (frame: AnswerFrame): void => {
    const value = valueOfAnswer(frame);
    if (typeof value !== "object" || value === null) endpoint.send(frame);
    else if (buffers !== undefined) pack(frame, value, buffers);
    else void packLate(frame, value);
  };
  const sendNow = (frame: ReportFrame): void => endpoint.sendNow(frame);
  const served = new ServedCalls(runCall, { claims, ring }, send, sendNow, hooks);
  const endpoint = new BatchingEndpoint<WorkerFrame, ParentFrame>(scope, {
    received: (frame) => served.receive(frame),
    refused: (frame, cause) => {
      // A report is sent at once, and whoever sends it is told.
      if (!isReportFrame(frame)) void served.refused(frame, cause);
    },
    posted: () => served.posted(),
  });
  const close = () => {
    claims.close();
    return runCloseHook(hooks);
  };
  exposeLate({ close } satisfies ExposedWorker, endpoint);
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

/** What the parent posts first is a {@linkcode ProgramMessage}. */
function greet(event: Event): void {
  const { data } = event as MessageEvent<ProgramMessage>;
  if (data.type !== "quiver.program") return;
  adoptMainModule(data.mainModule);
  adoptProjects(data.projects);
}

/**
 * Exposes methods to the other side's Comlink, which this side loads with the first message for
 * them: they are for the end of a worker's life, and loading it takes a fifth of its start.
 *
 * @param end Where messages come from; it gives Comlink's alone.
 */
function exposeLate(methods: object, end: Endpoint): void {
  const early: Event[] = [];
  const keep = (event: Event): void => {
    // What cannot be loaded is left uncaught: it ends the worker, which is what was asked for.
    if (early.push(event) === 1) void load();
  };
  const load = async (): Promise<void> => {
    const { expose } = await importLater<typeof import("./comlink.ts")>("comlink");
    expose(methods, {
      postMessage: (message) => end.postMessage(message),
      removeEventListener: (...of) => end.removeEventListener(...of),
      addEventListener(type, listener) {
        end.addEventListener(type, listener);
        end.removeEventListener("message", keep);
        for (const event of early) {
          if (typeof listener === "function") listener(event);
          else listener.handleEvent(event);
        }
      },
    });
  };
  end.addEventListener("message", keep);
}
