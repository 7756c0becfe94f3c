import { fileURLToPath } from "node:url";

const NAMES = ["env", "ffi", "import", "net", "read", "run", "sys", "write"] as const;
type Name = typeof NAMES[number];
type Grant = "inherit" | boolean | readonly (string | URL)[];

/** The names of the files in which Deno's configuration stands, in the order of its search. */
const CONFIG_NAMES = ["deno.json", "deno.jsonc"];

/** Quiver's own files, which a worker must be able to read whatever else it may. */
const OWN = new URL("../", import.meta.url);

/**
 * Makes flags of permissions.
 *
 * @param permissions What a process may do.
 * @returns The flags of `deno run`.
 * @throws {TypeError} When there is no such permission.
 */
export function toPermissionFlags(permissions: Deno.PermissionOptions): string[] {
  const grants = toGrants(permissions);
  return NAMES.flatMap((name) => {
    const grant = toOwnGrant(name, grants[name] ?? false);
    if (grant === true) return [`--allow-${name}`];
    const list = grant.map((item) => (item instanceof URL ? fileURLToPath(item) : item));
    // A comma would end a path.
    const text = list.map((item) => item.replaceAll(",", ",,")).join(",");
    return list.length === 0 ? [] : [`--allow-${name}=${text}`];
  });
}

/**
 * Finds the configuration that this program runs with, as Deno does: upwards from the main module.
 * The worker's own main module is Quiver's, so that it would find another one.
 *
 * @returns The flag that names it, unless there is none or it may not be looked for.
 */
export function toConfigFlags(): string[] {
  try {
    const { protocol, href } = new URL(Deno.mainModule);
    let folder = new URL(protocol === "file:" ? "./" : toFolder(Deno.cwd()), href);
    for (;;) {
      const found = CONFIG_NAMES.map((name) => new URL(name, folder)).find(isFile);
      if (found !== undefined) return [`--config=${fileURLToPath(found)}`];
      const above = new URL("../", folder);
      if (above.href === folder.href) return [];
      folder = above;
    }
  } catch (error) {
    // What the program may not read, its workers do without.
    if (error instanceof Deno.errors.NotCapable) return [];
    throw error;
  }
}

function toGrants(permissions: Deno.PermissionOptions): { readonly [N in Name]?: Grant } {
  if (permissions === "none") return {};
  if (permissions === "inherit") return Object.fromEntries(NAMES.map((name) => [name, "inherit"]));
  for (const name of Object.keys(permissions)) {
    if (NAMES.some((known) => known === name)) continue;
    throw new TypeError(
      `Cannot start a process worker: there is no permission "${name}"; ` +
        `the permissions are ${NAMES.join(", ")}`,
    );
  }
  return permissions;
}

function toOwnGrant(name: Name, grant: Grant): true | readonly (string | URL)[] {
  const given = grant === "inherit" ? isGrantedInFull(name) : grant;
  if (given === true) return true;
  const list = given === false ? [] : given;
  return name === "read" && OWN.protocol === "file:" ? [...list, OWN] : list;
}

/** A permission for certain paths or hosts only cannot be told from one that was not given. */
function isGrantedInFull(name: Name): boolean {
  const { state, partial } = Deno.permissions.querySync({ name });
  return state === "granted" && partial !== true;
}

function toFolder(path: string): string {
  return `file://${path.replaceAll("\\", "/")}/`;
}

function isFile(url: URL): boolean {
  try {
    return Deno.statSync(url).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
