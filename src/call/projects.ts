/**
 * The projects that modules belong to: keys and records know a module by the name of its project and
 * its place in it, so that they hold wherever the project lies.
 *
 * @module
 */

/** A folder whose configuration has a name. */
export interface Project {
  /** The name. */
  readonly name: string;
  /** The URL of the folder. */
  readonly folder: string;
}

/** The project around each folder that was looked at, by the URLs of the folders. */
export type ProjectTable = ReadonlyMap<string, Project | undefined>;

/** The files that give a project its name, the first that has one. */
const CONFIGS = ["deno.json", "deno.jsonc", "jsr.json", "package.json"];

/** A module of a package of JSR: its package and its place in it, whatever the version. */
const OF_JSR = /^https:\/\/jsr\.io\/(@[^/]+\/[^/]+)\/[^/]+\/(.+)$/;

// A worker is told before it loads this module, and so are all copies of Quiver in it: what they share
// hangs on the global object (`worker/current_worker.ts`).
const KEY = Symbol.for("quiver.projects");

/** The projects that are known here; what was looked at once holds for as long as the isolate lives. */
function knownProjects(): Map<string, Project | undefined> {
  // Only this module and who greets a worker write under this symbol.
  const known = Reflect.get(globalThis, KEY) as Map<string, Project | undefined> | undefined;
  if (known !== undefined) return known;
  const none = new Map<string, Project | undefined>();
  Reflect.set(globalThis, KEY, none);
  return none;
}

/**
 * Gives what keys and records know a module by: the name of the nearest project around it that has one,
 * and the module's path in it; of a package of JSR the same. Any other module is known by its URL, and
 * so is one whose configuration may not be read; nobody is asked whether it may.
 *
 * @param url The URL of the module.
 */
export function toPortableModule(url: string): string {
  const file = URL.parse(url);
  if (file?.protocol !== "file:") return url.replace(OF_JSR, "$1/$2");
  const project = findProject(new URL(".", file).href);
  return project === undefined ? url : `${project.name}/${file.href.slice(project.folder.length)}`;
}

/**
 * Looks for the projects of modules, for workers that may read less.
 *
 * @param modules The URLs of the modules.
 * @returns All projects that are known here.
 */
export function findProjects(modules: readonly string[] = []): ProjectTable {
  for (const module of modules) toPortableModule(module);
  return knownProjects();
}

function findProject(folder: string): Project | undefined {
  const known = knownProjects();
  if (known.has(folder)) return known.get(folder);
  const name = readName(folder);
  const above = new URL("..", folder).href;
  const around = above === folder ? undefined : findProject(above);
  const project = name === undefined ? around : { name, folder };
  known.set(folder, project);
  return project;
}

function readName(folder: string): string | undefined {
  for (const config of CONFIGS) {
    const name = readField(new URL(config, folder));
    if (typeof name === "string" && name !== "") return name;
  }
  return undefined;
}

/** The name that a configuration gives; nothing where there is none that can be read. */
function readField(path: URL): unknown {
  try {
    if (Deno.permissions.querySync({ name: "read", path }).state !== "granted") return undefined;
    // Whatever else is called so may have no end.
    if (!Deno.statSync(path).isFile) return undefined;
    const config: unknown = parseJsonc(Deno.readTextFileSync(path));
    return typeof config === "object" && config !== null && "name" in config && config.name;
  } catch {
    // Whoever runs the program is told of a broken one by Deno.
    return undefined;
  }
}

/** A text, a comment, or a comma behind which nothing comes but comments. */
const COMMENT = /("(?:[^"\\]|\\.)*")|\/\/.*|\/\*[^]*?\*\//g;
const LAST_COMMA = /("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])/g;

/**
 * Reads JSON with comments and trailing commas, as configurations have it.
 *
 * @throws {SyntaxError} When it is none.
 */
export function parseJsonc(text: string): unknown {
  const plain = text.replace(/^\uFEFF/, "").replaceAll(COMMENT, (_, quoted = " ") => quoted);
  return JSON.parse(plain.replaceAll(LAST_COMMA, (_, quoted = "") => quoted));
}
