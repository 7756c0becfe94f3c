/** How many files are left to the program, and to workers that load modules, when no more start. */
const SPARE = 32;

/**
 * Makes sure that there are files to open for one more worker, and some for the program beside it.
 *
 * @param file Something that may be read; it is opened and closed at once.
 * @param count How many the worker needs.
 * @throws What the system says when there are too few.
 */
export function requireOpenFiles(file: string | URL, count: number): void {
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < count + SPARE) opened.push(Deno.openSync(file));
  } finally {
    for (const one of opened) one.close();
  }
}
