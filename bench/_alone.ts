/**
 * Times a contender in a process of its own: what others in a process leave behind (garbage, the
 * processors that the kernel has come to wake its threads on) is not for the next one to pay.
 *
 * The module that calls `alone()` exports `ALONE`, which the process finds its contender in.
 *
 * @module
 */
import type { Contender } from "./_compare.ts";
import { type Peer, THREAD_PEERS } from "./_peers.ts";

/** Opens what is called, for as long as the stack lives, and gives one call. */
export type Opening = (stack: AsyncDisposableStack) => () => PromiseLike<unknown>;

/** What a module has to be timed, by the names of the contenders. */
export type Openings = Readonly<Record<string, Opening>>;

/** How a contender is timed alone. */
export interface AloneOptions {
  /** The URL of the module that exports it in `ALONE`. */
  readonly module: string;
  /** How many calls are made first: until the code is optimized. */
  readonly warm: number;
  /** How often it is called in a round, where the others' number would take it too long. */
  readonly calls?: number;
  /** A command that the process is started by, such as `taskset`. */
  readonly before?: readonly string[];
}

/** Makes a contender of what runs in a process of its own. */
export function alone(name: string, options: AloneOptions): Contender {
  const { module, warm, calls, before = [] } = options;
  return {
    name,
    ...(calls !== undefined && { calls }),
    run: async (calls) => {
      const [command = "", ...args] = [
        ...before,
        Deno.execPath(),
        ...["run", "--allow-all", import.meta.url, module, name, `${calls}`, `${warm}`],
      ];
      const child = new Deno.Command(command, { args, stderr: "inherit" });
      const { success, stdout } = await child.output();
      if (!success) throw new Error(`Cannot time "${name}": its process failed`);
      return Number(new TextDecoder().decode(stdout));
    },
  };
}

/** The pools of others, each with one worker, calling one of `_peer_functions.ts`. */
export function openPeersAlone(call: (peer: Peer) => PromiseLike<unknown>): Openings {
  const opened = THREAD_PEERS.map(({ name, open }): [string, Opening] => [name, (stack) => {
    const peer = stack.use(open(1));
    return () => call(peer);
  }]);
  return Object.fromEntries(opened);
}

async function time(open: Opening, calls: number, warm: number): Promise<number> {
  await using stack = new AsyncDisposableStack();
  const call = open(stack);
  for (let n = 0; n < warm; n++) await call();
  const begun = performance.now();
  for (let n = 0; n < calls; n++) await call();
  return (performance.now() - begun) / calls;
}

async function main(): Promise<void> {
  const [module = "", name = "", calls, warm] = Deno.args;
  const { ALONE }: { readonly ALONE: Openings } = await import(module);
  const open = ALONE[name];
  if (open === undefined) throw new TypeError(`Cannot time "${name}": "${module}" has no such one`);
  console.log(await time(open, Number(calls), Number(warm)));
  // Threads of the peers' may be left.
  Deno.exit(0);
}

// Not awaited: the module that it imports imports this one, which would wait for it.
if (import.meta.main) void main();
