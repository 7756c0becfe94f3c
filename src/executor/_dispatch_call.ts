import type { CallRequest, Outcome } from "../worker/worker.ts";
import type { Member } from "./_dispatch_crew.ts";
import type { QueueEntry } from "./_dispatch_queue.ts";

/** Waits at the gate for a place. */
export interface Waiter {
  /** Gives it the place. */
  readonly admit: () => void;
  /** Sends it away. */
  readonly reject: (reason: unknown) => void;
}

/** Where a call is on its way. */
export type CallPhase =
  | { readonly at: "gate"; readonly entry: QueueEntry<Waiter> }
  | { readonly at: "hall"; readonly entry: QueueEntry<DispatchedCall> }
  | { readonly at: "worker"; readonly member: Member<DispatchedCall> }
  | { readonly at: "end" };

/** A call on its way through a dispatcher. */
export interface DispatchedCall {
  /** What to run. */
  readonly request: CallRequest;
  /** What the caller awaits. */
  readonly result: PromiseWithResolvers<Outcome>;
  /** Stops listening to the caller's signal. */
  readonly unlisten: () => void;
  /** Is told when the call is sent to a worker. */
  readonly started: (() => void) | undefined;
  /** Where it is. */
  phase: CallPhase;
}
