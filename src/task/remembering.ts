import { LateModule } from "../late_module.ts";

type Remembering = typeof import("./remember_call.ts");

/** What only calls that are to be remembered need: keys, digests, and the parser of parameters. */
export const REMEMBERING: LateModule<Remembering> = new LateModule(() =>
  import("./remember_call.ts")
);
