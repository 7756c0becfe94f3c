import { digestFunction, type SourceWitness, SourceWitnesses } from "../../call/module_sources.ts";
import { type TaskDefinition, tasksOf } from "../../task/definition.ts";

export type { SourceWitness } from "../../call/module_sources.ts";

/**
 * The sources of the tasks that this isolate has loaded, as they were then: the keys that it makes are
 * of that code, and a worker that starts later may find another.
 */
class CodeSources {
  readonly #witnesses = new SourceWitnesses();
  readonly #known = new Map<string, SourceWitness>();

  /**
   * Gives the witness of a module that has one.
   *
   * @param module The URL of the module.
   * @returns The witness.
   */
  known(module: string): SourceWitness | undefined {
    return this.#known.get(module);
  }

  /**
   * Witnesses the sources of a task's module, with the first call that needs it.
   *
   * @param definition The task.
   * @returns The witness: at once but for the first time.
   */
  get({ address: { module }, evaluatedAt, resolve }: TaskDefinition):
    | SourceWitness
    | Promise<SourceWitness> {
    const known = this.#known.get(module);
    if (known !== undefined) return known;
    const options = resolve === undefined ? { evaluatedAt } : { evaluatedAt, resolve };
    return this.#witnesses.get(module, options).then((files) => {
      const counting = tasksOf(module).filter(({ countsCode }) => countsCode);
      const functions = counting.map(({ name, fn }) => [name, digestFunction(fn)] as const);
      const witness = this.#known.get(module) ??
        { ...files, functions: Object.fromEntries(functions) };
      this.#known.set(module, witness);
      return witness;
    });
  }
}

/** What runs in this isolate stays the same for all of its executors. */
export const CODE_SOURCES: CodeSources = new CodeSources();
