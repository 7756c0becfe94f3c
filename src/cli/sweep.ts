import type { Cache } from "../../mod.ts";
import { type GcOptions, type SweepResult, usage } from "../caches.ts";
import type { CommandCall, CommandModule } from "./command.ts";
import { confirm, type ConfirmOptions, YES_OPTION } from "./confirm.ts";
import { toLength } from "./filters.ts";
import { toCount, toSize } from "./format.ts";
import { type CacheHandle, note, openCache } from "./open_cache.ts";

/** Options of what drops values. */
export interface SweepOptions extends ConfirmOptions {
  readonly grace?: string;
  readonly dryRun?: boolean;
}

/** What drops the values of a cache that no call names. */
export interface Sweep {
  /** What it does beside, for the question: `""` for nothing. */
  readonly beside: string;
  /** Calls of it, for the help. */
  readonly examples: CommandModule["examples"];
  /** Does it. */
  sweep(handle: CacheHandle, options: GcOptions): Promise<SweepResult>;
  /** Whether it does something where nothing is to be dropped. */
  readonly always: boolean;
}

/** Makes the command that drops values. */
export function toSweepCommand(
  { beside, examples, sweep, always }: Sweep,
): CommandModule<SweepOptions> {
  return {
    takesCache: true,
    examples,
    configure(command) {
      command
        .option("--grace <time>", "keep what is younger, as its call may run now; 1h if not given")
        .option("--dry-run", "change nothing, and only tell")
        .option(...YES_OPTION);
    },
    async run(call) {
      const { options: { grace, dryRun } } = call;
      const gracePeriod = grace === undefined ? undefined : toLength("grace", grace);
      await using handle = await openCache(call, { writes: true });
      const found = await describeGarbage(handle.cache);
      if (found === undefined && !always) {
        note(call, "There is nothing to drop");
        return 0;
      }
      const dropped = found === undefined ? "nothing" : `up to ${found}`;
      const what = `Drop ${dropped} that no call of ${handle.title} names${beside}`;
      if (dryRun) {
        call.terminal.write(`${what}\n`);
        return 0;
      }
      const refused = confirm(call, what);
      if (refused !== undefined) return refused;
      showWork(call);
      const result = await sweep(handle, gracePeriod === undefined ? {} : { gracePeriod });
      const done = `${toCount(result.values, "value")}, ${toSize(result.bytes)}`;
      note(call, `Dropped ${done}${toHint(result, gracePeriod)}`);
      return 0;
    },
  };
}

/** What is young is kept, which whoever has just deleted something does not expect. */
function toHint({ values }: SweepResult, gracePeriod: number | undefined): string {
  return values === 0 && gracePeriod !== 0 ? "; what is younger is kept: see --grace" : "";
}

async function describeGarbage(cache: Cache): Promise<string | undefined> {
  const { garbage } = await usage(cache);
  if (garbage === undefined) return "all values";
  const { values, bytes } = garbage;
  return values === 0 ? undefined : `${toCount(values, "value")} (${toSize(bytes)})`;
}

function showWork({ terminal, options }: CommandCall): void {
  if (terminal.showsProgress && options.quiet !== true) terminal.writeError("Working…\n");
}
