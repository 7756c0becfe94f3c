import type { Cache, Task } from "../../mod.ts";
import { type CallRecord, query } from "../caches.ts";
import type { CommandCall } from "./command.ts";
import { note } from "./open_cache.ts";

/** What finds the module of a task. */
export interface TaskOptions {
  /** The module, where its records do not tell where it lies. */
  readonly from?: string;
}

/** A task whose arguments are not known here. */
export type AnyTask = Task<unknown[], unknown>;

/** The option that names the module. */
export const FROM_OPTION = [
  "-f, --from <module>",
  "the file or URL of the task's module, where it cannot be found by its records",
] as const;

/**
 * Imports a task: runs the module that has it, which is told on standard error.
 *
 * @param call The call of the command.
 * @param task What the task is known as.
 * @throws {Error} When the module is not found, or has no such task.
 */
export async function loadTask(
  call: CommandCall<TaskOptions>,
  { task, module }: Pick<CallRecord, "task" | "module">,
): Promise<AnyTask> {
  const { from } = call.options;
  const url = from === undefined ? findModule(module) : toUrl(from);
  if (url === undefined) {
    throw new Error(
      `Cannot find the module of "${task}", which is known as "${module}": no configuration here or ` +
        "above has that project's name; go into its folder, or name the module with --from",
    );
  }
  if (from === undefined && !url.startsWith("file:")) {
    // Anybody may have written the record, and to import is to run.
    throw new Error(
      `Cannot import "${url}" because a record names it: name it with --from if you trust it`,
    );
  }
  note(call, `Importing ${url}`);
  const exports: { readonly [name: string]: unknown } = await import(url);
  const tasks = Object.values(exports).filter(isTask);
  const found =
    tasks.find(({ identity }) => identity.task === task && identity.module === module) ??
      tasks.find(({ identity }) => identity.task === task);
  if (found !== undefined) return found;
  const names = tasks.map(({ identity }) => identity.task).join(", ");
  throw new Error(
    `Cannot find the task "${task}" in ${url}: ${
      names === "" ? "it exports no tasks" : `it exports ${names}`
    }; export it, or name another module with --from`,
  );
}

/**
 * Finds what a task of a name is known as.
 *
 * @returns `undefined` when the cache has no call of it.
 */
export async function findTask(
  cache: Cache,
  task: string,
): Promise<Pick<CallRecord, "task" | "module"> | undefined> {
  return await query(cache, { task }).first() ??
    await query(cache, { task, state: "failed" }).first();
}

function isTask(value: unknown): value is AnyTask {
  return typeof value === "function" && "identity" in value && "rerun" in value;
}

function toUrl(from: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(from)
    ? from
    : new URL(from, new URL(`${encodePath(Deno.cwd())}/`, "file:///")).href;
}

function encodePath(path: string): string {
  return encodeURI(path).replaceAll("?", "%3F").replaceAll("#", "%23");
}

/** The files that give a project its name. */
const CONFIGS = ["deno.json", "deno.jsonc", "jsr.json", "package.json"];

/** Finds where a module lies by what records know it as: its URL, or a project's name and a path in it. */
function findModule(known: string): string | undefined {
  if (/^[a-z][a-z0-9+.-]+:/i.test(known)) return known;
  let folder = new URL(`${encodePath(Deno.cwd())}/`, "file:///");
  while (true) {
    const name = CONFIGS.map((config) => readName(new URL(config, folder))).find(Boolean);
    if (name !== undefined && known.startsWith(`${name}/`)) {
      return new URL(known.slice(name.length + 1), folder).href;
    }
    const above = new URL("..", folder);
    if (above.href === folder.href) return undefined;
    folder = above;
  }
}

/** The name that a configuration begins with; one with comments is read, too. */
function readName(path: URL): string | undefined {
  try {
    return /^\s*"name"\s*:\s*"([^"\\]+)"/m.exec(Deno.readTextFileSync(path))?.[1];
  } catch (error) {
    const { NotFound, NotADirectory, IsADirectory } = Deno.errors;
    const isAbsent = [NotFound, NotADirectory, IsADirectory].some((kind) => error instanceof kind);
    if (isAbsent) return undefined;
    throw error;
  }
}
