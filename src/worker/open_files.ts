/**
 * How many files are left to the program, and to workers that load modules, when no more start: of few,
 * one in so many.
 */
const SPARE = 32;
const SPARE_SHARE = 8;

/** Something that may be read nearly always. */
const OWN = new URL(import.meta.url);

/**
 * Makes sure that there are files to open for one more worker, and some for the program beside it: in Deno
 * 2.9.6 a web worker that finds none ends the program, and a process that finds none leaves some open.
 *
 * @param count How many the worker needs.
 * @throws What the system says when there are too few; nothing where that cannot be found out.
 */
export function requireOpenFiles(count: number): void {
  const files = countFiles();
  if (files === undefined) return tryOpening(count + SPARE);
  const needed = count + Math.min(SPARE, Math.floor(files.most / SPARE_SHARE));
  const left = files.most - files.open;
  if (left >= needed) return;
  const message = `Too many open files: a worker needs ${needed}, and ${left} are left`;
  throw Object.assign(new Error(message), { code: "EMFILE" });
}

/** Linux tells those who may do everything; to open files would take them from workers that load. */
function countFiles(): { readonly most: number; readonly open: number } | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const limits = Deno.readTextFileSync("/proc/self/limits");
    const most = /^Max open files +(\d+)/m.exec(limits)?.[1];
    if (most === undefined) return undefined;
    return { most: Number(most), open: Array.from(Deno.readDirSync("/proc/self/fd")).length };
  } catch (error) {
    const { NotCapable, NotFound, PermissionDenied } = Deno.errors;
    if ([NotCapable, NotFound, PermissionDenied].some((kind) => error instanceof kind)) {
      return undefined;
    }
    throw error;
  }
}

function tryOpening(count: number): void {
  if (OWN.protocol !== "file:") return;
  if (Deno.permissions.querySync({ name: "read", path: OWN }).state !== "granted") return;
  const opened: Deno.FsFile[] = [];
  try {
    while (opened.length < count) opened.push(Deno.openSync(OWN));
  } finally {
    for (const one of opened) one.close();
  }
}
