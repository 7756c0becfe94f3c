import type { WorkerType } from "@quiver/quiver";
import { type Limiter, openWorkerContext, type WorkerContextOptions } from "@quiver/quiver/workers";
import { WORKER_TYPES } from "../../src/worker/worker.ts";
import { together } from "../together.ts";

/** A kind of worker. */
export interface WorkerTransport {
  /** Its name. */
  readonly type: WorkerType;
  /** Opens a context of such workers. */
  readonly open: (options?: WorkerContextOptions) => ReturnType<typeof openWorkerContext>;
}

/** Lets every call run at once. */
export const UNLIMITED: Limiter = { acquire: () => ({ [Symbol.dispose]: () => {} }) };

/** Declares a test for each kind of worker. */
export function testKinds(name: string, fn: (kind: WorkerTransport) => Promise<void>): void {
  for (const type of WORKER_TYPES) testKind(type, name, fn);
}

/** Declares one test for all kinds of worker at the same time, of which each would mostly wait. */
export function testKindsTogether(
  name: string,
  fn: (kind: WorkerTransport) => Promise<void>,
): void {
  const cases = WORKER_TYPES.map((type) => [type, () => fn(toKind(type))] as const);
  Deno.test(name, () => together(Object.fromEntries(cases)));
}

/** Declares a test for each kind of worker that has an isolate of its own. */
export function testIsolatedKinds(
  name: string,
  fn: (kind: WorkerTransport) => Promise<void>,
): void {
  for (const type of WORKER_TYPES) if (type !== "inline") testKind(type, name, fn);
}

function testKind(
  type: WorkerType,
  name: string,
  fn: (kind: WorkerTransport) => Promise<void>,
): void {
  Deno.test(`${type}: ${name}`, () => fn(toKind(type)));
}

function toKind(type: WorkerType): WorkerTransport {
  const open = (options: WorkerContextOptions = {}) =>
    openWorkerContext({ workerType: type, ...options });
  return { type, open };
}
