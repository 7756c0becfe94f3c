import { type CodeParts, codeParts } from "../../../src/call/code/code_parts.ts";
import type { Extent } from "../../../src/call/code/reach.ts";
import { parseFunction } from "../../../src/call/function_profile.ts";
import { TemporaryDirectory } from "../../bag/_temporary_directory.ts";

/** The texts of files, by their paths. */
export type Files = Readonly<Record<string, string>>;

/** What stands where a task's function does in the text of its module. */
export const FN = "FN";

export const QUIVER = new URL("../../../mod.ts", import.meta.url).href;

/** How a program is read. */
export interface ReadOptions {
  /** The task's function, in JavaScript. */
  readonly fn?: string;
  /** What counts. */
  readonly extent?: Extent;
  /** The task's module. */
  readonly main?: string;
  /** What the function is called, if it is a method. */
  readonly method?: string;
  /** Resolves bare specifiers. */
  readonly resolve?: (specifier: string, folder: string) => string;
}

/** A program of which a task's code is read; it is never run. */
export const SIMULATE = "function simulate(x) { return helper(x); }";

/**
 * Reads the code of the task of a program in a folder of its own.
 *
 * @param files Its files; `FN` in them is the task's function.
 */
export async function readCode(
  files: Files,
  { fn = SIMULATE, extent = "reach", main = "tasks.ts", method, resolve }: ReadOptions = {},
): Promise<CodeParts> {
  using folder = new TemporaryDirectory();
  for (const [path, text] of Object.entries(files)) {
    const file = `${folder.path}/${path}`;
    Deno.mkdirSync(file.slice(0, file.lastIndexOf("/")), { recursive: true });
    Deno.writeTextFileSync(file, text.replace(FN, () => fn));
  }
  const { default: value }: { default: unknown } = await import(
    `data:application/javascript,export default ${encodeURIComponent(fn)}`
  );
  if (typeof value !== "function") throw new TypeError("it is no function");
  const read = await parseFunction(value as () => unknown);
  const parsed = method === undefined ? read : { ...read, method };
  const root = new URL(`file://${folder.path}/`).href;
  const address = { module: root + main, name: "simulate" };
  const evaluatedAt = Date.now() + 1000;
  const toUrl = (specifier: string) => {
    if (resolve !== undefined) return resolve(specifier, root);
    if (!URL.canParse(specifier)) throw new TypeError(`no ${specifier}`);
    return specifier;
  };
  return await codeParts({ address, parsed, extent, evaluatedAt, resolve: toUrl });
}

/** The digest of a program's task. */
export async function digestOf(files: Files, options?: ReadOptions): Promise<string> {
  return (await readCode(files, options)).digest;
}

/** The text of a module with a task. */
export function toTasks(before: string, after = ""): string {
  return `import { task } from "${QUIVER}";\n${before}\n` +
    `export const simulate = task(import.meta, ${FN});\n${after}`;
}
