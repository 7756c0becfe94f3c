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
  /**
   * Part of the key, a text or a finite number: change it to have every call run again. `1` and
   * `"1"` differ.
   */
  version?: string | number;
  /**
   * Which code is part of the key: the tokens of the function itself (comments, layout and types do
   * not count), or none, which leaves invalidation to `version`.
   *
   * @default {"function"}
   */
  code?: CodeMode;
  /**
   * Names of parameters that are not part of the key, such as `verbose`. Which they are is part of
   * it: a call that was remembered whatever `verbose` was is another call than one whose `verbose`
   * counts.
   */
  ignore?: readonly string[];
  /**
   * Names of parameters that must be given, and not as `undefined`; a call without one of them warns
   * and is not remembered.
   */
  require?: readonly string[];
}
