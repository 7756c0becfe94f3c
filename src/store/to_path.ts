import { fileURLToPath } from "node:url";

/**
 * Makes a path of what users may give instead of one.
 *
 * @param path A path, or a `file:` URL.
 * @returns The path.
 */
export function toPath(path: string | URL): string {
  return path instanceof URL ? fileURLToPath(path) : path;
}
