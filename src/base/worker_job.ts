/**
 * One job in a worker of its own, which ends with the job: what it loads and takes is gone then, and
 * whoever asked for it is not held up. Unlike the workers of tasks, it runs no code of the user's.
 *
 * @module
 */
import { BagCorruptError, BagFormatError, QuiverError } from "./errors.ts";

/** A job for a worker. */
export interface WorkerJob<P> {
  /** The worker's entry, which calls {@linkcode serveJob}. */
  readonly entry: URL;
  /** The worker's name. */
  readonly name: string;
  /** What it is asked. */
  readonly request: unknown;
  /** What cannot be done when it fails, as in `fold "results.bag"`. */
  readonly action: string;
  /** What is said behind the reason. */
  readonly remedy?: string;
  /** Told how far it is. */
  readonly told?: (progress: P) => void;
  /** Has the job end where it can, which it does with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An error as data that structured clone carries: it would lose the class of ours. */
interface Failure {
  /** The name of the error's class. */
  readonly name: string;
  /** What could not be done. */
  readonly message: string;
  /** The error's stack: text always can be cloned, whatever was thrown. */
  readonly cause: string | undefined;
  /** The damaged file and where, if that is what is wrong. */
  readonly corrupt?: { readonly file: string; readonly offset: number };
}

type Reply<R, P> =
  | { readonly type: "progress"; readonly progress: P }
  | { readonly type: "result"; readonly result: R }
  | { readonly type: "failure"; readonly failure: Failure };

const ABORT = "abort";

/**
 * Does a job in a worker of its own.
 *
 * @typeParam R What it results in.
 * @typeParam P What it tells of how far it is.
 * @throws {QuiverError} When it fails, or its worker does.
 */
export async function runJob<R, P = never>(job: WorkerJob<P>): Promise<R> {
  const { entry, name, request, action, told, signal } = job;
  const worker = new Worker(entry, { type: "module", name });
  const { promise, resolve, reject } = Promise.withResolvers<R>();
  worker.onmessage = ({ data }: MessageEvent<Reply<R, P>>) => {
    if (data.type === "progress") told?.(data.progress);
    else if (data.type === "result") resolve(data.result);
    else reject(toError(job, data.failure));
  };
  worker.onmessageerror = () => reject(new QuiverError(`Cannot ${action}: the answer was lost`));
  worker.onerror = (event) => {
    // Unhandled, it would end this program.
    event.preventDefault();
    reject(new QuiverError(`Cannot ${action}: its worker failed: ${event.message}`));
  };
  const abort = () => worker.postMessage(ABORT);
  signal?.addEventListener("abort", abort);
  worker.postMessage(request);
  try {
    return await promise;
  } catch (error) {
    // The worker's own reason says no more than that it was told to end.
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
    worker.terminate();
  }
}

/** What the worker knows of who has asked. */
export interface JobControl<P> {
  /** Tells how far the job is. */
  readonly tell: (progress: P) => void;
  /** Aborts when the job is to end. */
  readonly signal: AbortSignal;
}

/** The part of a worker's global scope that this needs; Deno's default types are a window's. */
interface WorkerScope<Q, R, P> {
  onmessage: (event: MessageEvent<Q | typeof ABORT>) => void;
  postMessage(message: Reply<R, P>): void;
}

/**
 * Makes this isolate the worker of a job; its entry calls this.
 *
 * @typeParam Q What it is asked.
 * @typeParam R What the job results in.
 * @typeParam P What it tells of how far it is.
 * @param work Does the job.
 */
export function serveJob<Q, R, P = never>(
  work: (request: Q, control: JobControl<P>) => Promise<R>,
): void {
  // The caller is a worker's entry, so its global scope is a worker's.
  const scope = globalThis as unknown as WorkerScope<Q, R, P>;
  const abort = new AbortController();
  const tell = (progress: P) => scope.postMessage({ type: "progress", progress });
  scope.onmessage = async ({ data }) => {
    if (data === ABORT) return abort.abort();
    try {
      // It is the request, as it is not the abort.
      const result = await work(data as Q, { tell, signal: abort.signal });
      scope.postMessage({ type: "result", result });
    } catch (error) {
      scope.postMessage({ type: "failure", failure: toFailure(error) });
    }
  };
}

function toFailure(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: "Error", message: String(error), cause: undefined };
  const { name, message, stack: cause } = error;
  if (!(error instanceof BagCorruptError)) return { name, message, cause };
  return { name, message, cause, corrupt: { file: error.file, offset: error.offset } };
}

/** What is none of ours is the cause of one. */
function toError(
  { action, remedy = "" }: WorkerJob<never>,
  failure: Failure,
): QuiverError {
  const { name, message, cause, corrupt } = failure;
  if (corrupt !== undefined) {
    return new BagCorruptError(message, corrupt.file, corrupt.offset, { cause });
  }
  if (name === "BagFormatError") return new BagFormatError(message, { cause });
  return new QuiverError(`Cannot ${action}: ${message}${remedy}`, { cause });
}
