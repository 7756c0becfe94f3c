import { toSweepCommand } from "../sweep.ts";
import type { CommandModule } from "../command.ts";

/** Drops values that no call names. */
export const command: CommandModule = toSweepCommand({
  beside: "",
  always: false,
  examples: [
    ["gc results.bag", "tells what would be dropped, and asks"],
    ["gc --grace 0s --yes", "drops it, what is a minute old included: only where nothing runs"],
  ],
  sweep: ({ cache }, options) => cache.gc(options),
});
