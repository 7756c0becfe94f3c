import { currentScope, runInScope } from "../scope/current_scope.ts";
import type { Scope } from "../scope/scope.ts";
import { currentWorker, isThread } from "../worker/current_worker.ts";

/**
 * Runs a body in a directory of its own; loaded with the first.
 *
 * @param name What its task is called in warnings.
 * @param body Runs it.
 * @param keep Whether the directory stays when the body has ended.
 * @returns What the body returns.
 */
export async function runIsolated(
  name: string,
  body: () => unknown,
  keep: boolean,
): Promise<unknown> {
  const directory = await Deno.makeTempDir({ prefix: "quiver-task-" });
  const scope = currentScope();
  try {
    using _ = PROCESS_DIRECTORY.enter(directory);
    return await runInScope(withDirectory(scope, directory), body);
  } finally {
    if (!keep) await removeDirectory(name, directory, scope);
  }
}

function withDirectory(scope: Scope, directory: string): Scope {
  const { outputs = PROCESS_DIRECTORY.before } = scope;
  return { ...scope, directory, ...(outputs !== undefined && { outputs }) };
}

async function removeDirectory(name: string, directory: string, { warn }: Scope): Promise<void> {
  try {
    await Deno.remove(directory, { recursive: true });
  } catch (cause) {
    // Whoever has removed it has done no harm.
    if (cause instanceof Deno.errors.NotFound) return;
    warn(`Cannot remove "${directory}", the directory of a call of "${name}"`, cause, false);
  }
}

/** The working directory of this process, which a body may have for itself if no other one does. */
class ProcessDirectory {
  /** What it is otherwise, while a body has it; nothing where it was removed. */
  before: string | undefined;
  #taken = false;

  /**
   * Changes it, where this is a worker's own process, and it may be changed.
   *
   * @returns What changes it back.
   */
  enter(directory: string): Disposable | undefined {
    if (currentWorker() === undefined || isThread() || this.#taken) return undefined;
    try {
      const before = unlessRemoved(() => Deno.cwd());
      Deno.chdir(directory);
      this.before = before;
      this.#taken = true;
      return { [Symbol.dispose]: () => this.#leave() };
    } catch (error) {
      if (error instanceof Deno.errors.NotCapable) return undefined;
      throw error;
    }
  }

  /** Whoever has removed what it was does not want the result to be lost. */
  #leave(): void {
    const { before } = this;
    this.before = undefined;
    this.#taken = false;
    if (before !== undefined) unlessRemoved(() => Deno.chdir(before));
  }
}

function unlessRemoved<T>(fn: () => T): T | undefined {
  try {
    return fn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

const PROCESS_DIRECTORY = new ProcessDirectory();
