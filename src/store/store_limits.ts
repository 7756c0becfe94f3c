import type { QuiverWarning } from "../base/warning.ts";
import type { LimitDescription } from "./stores.ts";
import type { VictimPolicy } from "./victim_policy.ts";

/** What stores are limited to. */
export interface StoreLimits extends Omit<LimitDescription, "policy"> {
  /** Which call goes first: the name of a policy, or a function that selects it. */
  policy?: LimitDescription["policy"] | VictimPolicy;
  /** Told when space could not be given back; by default written to standard error. */
  onWarning?: (warning: QuiverWarning) => void;
}
