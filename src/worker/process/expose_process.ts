/**
 * The worker's side of a process worker.
 *
 * @module
 */
import process from "node:process";
import { adoptMainModule, adoptProjects, enterWorker } from "../current_worker.ts";
import { runCloseHook, ServedCalls } from "../served_calls.ts";
import { type AnswerFrame, valueOfAnswer, withValue } from "../wire/frames.ts";
import { planTransfer } from "../wire/large_buffers.ts";
import type { RunCall, WorkerHooks } from "../worker.ts";
import { ServedClaimLog } from "./claim_log.ts";
import {
  ANSWER_FD,
  AnswerWriter,
  CLAIM_FD,
  fromBatch,
  type Greeting,
  isGreeting,
  type ProcessNotice,
  READY,
} from "./answer_pipe.ts";
import { PieceReader } from "./pieces.ts";
import type {} from "./watch_parent.ts";

/**
 * Makes this process a worker that runs calls, one at a time, in the order they were sent. It ends
 * with its parent, whatever it is doing then, and leaves Ctrl-C to the parent.
 *
 * @param runCall Does the work of one call.
 * @param hooks What else the worker does.
 */
export function exposeProcess(runCall: RunCall, hooks: WorkerHooks = {}): void {
  enterWorker("");
  // Ctrl-C reaches all processes of a terminal; what it means is the parent's to decide.
  Deno.addSignalListener("SIGINT", () => {});
  const writer = new AnswerWriter(ANSWER_FD);
  const claims = new ServedClaimLog(CLAIM_FD);
  const send = (frame: AnswerFrame): void => {
    try {
      writer.writeFrame(pack(frame));
    } catch (cause) {
      void served.refused(frame, cause);
      return;
    }
    served.posted();
  };
  const notify = (notice: ProcessNotice): void => writer.writeFrame(notice);
  const leave = async (): Promise<void> => {
    claims.close();
    notify(await runCloseHook(hooks));
    Deno.exit(0);
  };
  const served = new ServedCalls(
    runCall,
    { claims, ring: writer },
    send,
    (report) => writer.writeFrame(report),
    hooks,
  );
  // What began last is to blame for the end, and of tiny items some count as begun that have not.
  beforeOwnEnd(() => served.settleItems());
  const messages = new PieceReader((batch) => {
    for (const frame of fromBatch(batch)) {
      if (frame === "close") void leave();
      else if (isGreeting(frame)) greet(frame);
      else served.receive(frame);
    }
  });
  process.on("message", (message: unknown) => {
    // A task may have listeners of its own; the parent sends nothing but bytes.
    if (message instanceof Uint8Array) messages.read(message);
  });
  tellUncaught(notify);
  notify(READY);
  watchParent();
}

/** How long the text of an error that was not caught may be. */
const MAX_TEXT = 1000;

/** What nobody catches ends this process, unless a task listens to it, too, and takes care of it. */
function tellUncaught(notify: (notice: ProcessNotice) => void): void {
  const tell = (error: unknown) => {
    notify({ type: "uncaught", text: toText(error).slice(0, MAX_TEXT) });
  };
  addEventListener("error", ({ error }) => tell(error));
  addEventListener("unhandledrejection", ({ reason }) => tell(reason));
}

function toText(error: unknown): string {
  try {
    return String(error);
  } catch {
    return `[${typeof error} without text]`;
  }
}

/** Comes before all calls, and so before any code of theirs. */
function greet({ name, mainModule, projects, script }: Greeting): void {
  enterWorker(name);
  adoptMainModule(mainModule);
  adoptProjects(projects);
  process.argv[1] = script;
}

function pack(frame: AnswerFrame): AnswerFrame {
  const plan = planTransfer([valueOfAnswer(frame)], "keep");
  return plan === undefined ? frame : withValue(frame, plan.values[0]);
}

/** Has a thread wait for the parent's end: the main thread may be busy when it comes. */
function watchParent(): void {
  try {
    new Worker(new URL("./watch_parent.ts", import.meta.url), { type: "module", name: "watch" });
  } catch {
    // The system gives no more threads: the end of the channel is noticed as soon as no code runs.
    process.on("disconnect", () => Deno.kill(Deno.pid, "SIGKILL"));
  }
}

/**
 * Has something run before code of this process ends it: by `exit()`, or by a signal that it sends, which
 * may be one to itself.
 *
 * @param run What is to run; it may run often.
 */
function beforeOwnEnd(run: () => void): void {
  globalThis.addEventListener("unload", run);
  runBefore(Deno, "kill", run);
  runBefore(process, "kill", run);
  runBefore(process, "abort", run);
}

function runBefore(owner: object, name: string, run: () => void): void {
  const before: unknown = Reflect.get(owner, name);
  if (typeof before !== "function") return;
  const value = (...args: unknown[]): unknown => {
    run();
    return Reflect.apply(before, owner, args);
  };
  Object.defineProperty(owner, name, {
    value,
    configurable: true,
    enumerable: true,
    writable: true,
  });
}
