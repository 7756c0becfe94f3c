/** How many files are left to the program, and to workers that load modules, when no more start. */
const SPARE = 32;

/** Something that may be read nearly always. */
const OWN = new URL(import.meta.url);

/**
 * Makes sure that there are files to open for one more worker, and some for the program beside it: in Deno
 * 2.9.6 a web worker that finds none ends the program, and a process that finds none leaves some open.
 *
 * @param count How many the worker needs.
 * @throws What the system says when there are too few; nothing where Quiver's own files are not on disk.
 */
export function requireOpenFiles(count: number): void {
  if (!mayReadOwn()) return;
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < count + SPARE) opened.push(Deno.openSync(OWN));
  } finally {
    for (const one of opened) one.close();
  }
}

function mayReadOwn(): boolean {
  if (OWN.protocol !== "file:") return false;
  return Deno.permissions.querySync({ name: "read", path: OWN }).state === "granted";
}
