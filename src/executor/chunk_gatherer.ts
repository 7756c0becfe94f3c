import { CancelledError } from "../base/errors.ts";
import { CancelSource } from "../task/future.ts";
import type { CallRequest } from "../worker/worker.ts";
import type { CallObserver, OutcomeTaker } from "./_dispatch_call.ts";
import type { CallContext, Remembering } from "./call_context.ts";
import { ChunkCall, type ChunkContent, type ChunkResult, type ChunkRoute } from "./chunk_call.ts";

/** A call that waits for its chunk to be full. */
interface GatheredCall {
  readonly request: CallRequest;
  readonly observer: CallObserver;
  readonly result: OutcomeTaker;
}

/**
 * Gathers calls into chunks, in place of a dispatcher: those that come in one microtask checkpoint
 * travel together. So each call goes the way that every call goes, through the cache and past
 * whoever computes the same, and only what a worker must run travels in chunks.
 */
export class ChunkGatherer {
  readonly #route: ChunkRoute;
  #gathered: GatheredCall[] = [];

  /**
   * Creates a gatherer for the calls that one task gets in one scope, each with one argument.
   *
   * @param route What chunks are sent with.
   */
  constructor(route: ChunkRoute) {
    this.#route = route;
  }

  /**
   * Runs a call on a worker.
   *
   * @param request The call.
   * @param observer When to give it up, and who is told when it starts.
   * @param result Told how it ended.
   */
  dispatch(request: CallRequest, observer: CallObserver, result: OutcomeTaker): void {
    const call: GatheredCall = { request, observer, result };
    if (this.#gathered.push(call) === 1) queueMicrotask(() => this.#flush());
  }

  #flush(): void {
    const gathered = this.#gathered;
    this.#gathered = [];
    const { size } = this.#route.pace;
    for (let begin = 0; begin < gathered.length; begin += size) {
      void this.#send(gathered.slice(begin, begin + size));
    }
  }

  async #send(calls: readonly GatheredCall[]): Promise<void> {
    const chunk = new ChunkCall(this.#route, observeAll(calls));
    try {
      deliver(calls, await chunk.run(toContent(calls)));
    } catch (error) {
      for (const { result } of calls) result.reject(error);
    }
  }
}

function toContent(gathered: readonly GatheredCall[]): ChunkContent {
  // What `toCallContext` made, in one scope: all the same but for the calls.
  const contexts = gathered.map(({ request }) => request.context as CallContext | undefined);
  const { call: _call, check: _check, lent: _lent, ...context } =
    contexts.find((each) => each !== undefined) ??
      {};
  const remembering = contexts.map(toRemembering);
  // A call that cannot be remembered has none.
  const sources = contexts.find((each) => each?.sources !== undefined)?.sources;
  const tasks = Object.assign({}, ...contexts.map((each) => each?.tasks));
  return {
    items: gathered.map(({ request }) => request.args[0]),
    context: contexts.some((each) => each !== undefined)
      ? {
        tags: {},
        strict: false,
        ...context,
        ...(sources && { sources }),
        ...(Object.keys(tasks).length > 0 && { tasks }),
      }
      : undefined,
    ...(remembering.some((own) => own !== undefined) && { remembering }),
  };
}

function toRemembering(context: CallContext | undefined): Remembering | undefined {
  const { call, check, lent } = context ?? {};
  if (call === undefined && check === undefined) return undefined;
  return {
    ...(call !== undefined && { call }),
    ...(check !== undefined && { check }),
    ...(lent !== undefined && { lent }),
  };
}

/** A chunk is given up when each of its calls is. */
function observeAll(calls: readonly GatheredCall[]): CallObserver {
  const [first] = calls;
  if (first !== undefined && calls.length === 1) return first.observer;
  const cancellation = new CancelSource();
  let wanted = calls.length;
  for (const { observer } of calls) {
    const given = observer.cancellation;
    const giveUp = () => {
      if (--wanted === 0) cancellation.abort(given?.reason);
    };
    if (given?.aborted) giveUp();
    else given?.addEventListener("abort", giveUp);
  }
  return { cancellation };
}

function deliver(
  calls: readonly GatheredCall[],
  { values, failures, notes }: ChunkResult,
): void {
  for (const [index, error] of failures) calls[index]?.result.reject(error);
  for (const [index, value] of values.entries()) {
    const note = notes[index];
    // Those that failed are settled already.
    calls[index]?.result.resolve({
      type: "value",
      value,
      ...(note !== undefined && { note }),
      duration: 0,
      warnings: [],
    });
  }
  for (const { request: { task }, result } of calls.slice(values.length)) {
    result.reject(new CancelledError(`Cannot finish "${task}": the map that called it has ended`));
  }
}
