// A process of its own makes calls one at a time, one way: prints how long one takes, in milliseconds.
import { Executor } from "@quiver/quiver";
import { OpenPeers, THREAD_PEERS } from "./_peers.ts";
import { RawWorkers } from "./_raw_workers.ts";
import { noop } from "./_tasks.ts";

/** Raw workers, by this name. */
export const RAW = "raw postMessage (baseline)";
/** The executor, by this name. */
export const QUIVER = "Quiver, web";

const WARM = 10_000;

async function measure(name: string, calls: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const call = open(name, stack);
  for (let n = 0; n < WARM; n++) await call();
  const begun = performance.now();
  for (let n = 0; n < calls; n++) await call();
  return (performance.now() - begun) / calls;
}

function open(name: string, stack: AsyncDisposableStack): () => PromiseLike<unknown> {
  if (name === RAW) {
    const raw = stack.use(new RawWorkers(1));
    return () => raw.ask(undefined);
  }
  if (name === QUIVER) {
    const executor = stack.use(new Executor({ maxWorkers: 1 }));
    return () => executor.submit(noop);
  }
  const kinds = THREAD_PEERS.filter((kind) => kind.name === name);
  const [call] = stack.use(new OpenPeers(kinds, 1)).map((_, peer) => () => peer.call("noop"));
  if (call === undefined) throw new TypeError(`Cannot measure "${name}": it is not known`);
  return call;
}

if (import.meta.main) {
  const [name = "", calls = ""] = Deno.args;
  console.log(await measure(name, Number(calls)));
  // Threads of the peers' may be left.
  Deno.exit(0);
}
