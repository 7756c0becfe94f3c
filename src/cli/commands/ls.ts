import type { CommandModule } from "../command.ts";

/** Lists calls. */
export const command: CommandModule = {
  takesCache: true,
  operands: [{ name: "task", about: "Only calls of this task" }],
  examples: [["ls results.bag simulate", "lists the calls of simulate"]],
  run: () => Promise.resolve(),
};
