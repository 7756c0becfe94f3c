/** What counts for the key of a task's calls beside address, version and arguments. */
export type CodeMode = "function" | "none";

/** Options of `task`. */
export interface TaskOptions {
  /**
   * The task's name in its module.
   *
   * @default {fn.name}
   */
  name?: string;
  /** Part of the key: change it to have every call run again. `1` and `"1"` differ. */
  version?: string | number;
  /**
   * Which code is part of the key: the tokens of the function itself (comments, layout and types do
   * not count), or none, which leaves invalidation to `version`.
   *
   * @default {"function"}
   */
  code?: CodeMode;
  /** Names of parameters that are not part of the key, such as `verbose`. */
  ignore?: readonly string[];
  /** Names of parameters that must be given; a call without one of them warns and is not remembered. */
  require?: readonly string[];
}
