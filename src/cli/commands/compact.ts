import type { CommandModule } from "../command.ts";
import { toBag } from "../open_cache.ts";
import { toSweepCommand } from "../sweep.ts";

/** Leaves a bag as small as it can be. */
export const command: CommandModule = toSweepCommand({
  beside: ", and rewrite the rest into one segment",
  always: true,
  examples: [["compact results.bag --yes", "takes up to as much space again until it is done"]],
  sweep: (handle, options) => toBag(handle, "compact").compact(options),
});
