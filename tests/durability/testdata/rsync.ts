// Copies as rsync does, for machines without it: as much of it as examples/guides/sharing.md uses.
// Arguments: -a, --delete, --exclude=<name or /path or *.ending>, what is copied, and where to.

/** What rsync says when files were there when it listed them, and gone when it came to them. */
const VANISHED = 24;

const paths = Deno.args.filter((argument) => !argument.startsWith("-"));
const excluded = Deno.args.filter((argument) => argument.startsWith("--exclude="))
  .map((argument) => argument.slice("--exclude=".length));
const removes = Deno.args.includes("--delete");
const [from = "", to = ""] = paths;
let vanished = false;

function isExcluded(path: string): boolean {
  return excluded.some((rule) =>
    rule.startsWith("/") ? path === rule : rule.startsWith("*") && path.endsWith(rule.slice(1))
  );
}

function lookAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function copyFile(source: string, target: string): void {
  const [is, was] = [lookAt(source), lookAt(target)];
  if (is === undefined) {
    vanished = true;
    return;
  }
  if (was?.size === is.size && was.mtime?.getTime() === is.mtime?.getTime()) return;
  const temporary = `${target}.rsync`;
  try {
    Deno.copyFileSync(source, temporary);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    vanished = true;
    return;
  }
  if (is.atime !== null && is.mtime !== null) Deno.utimeSync(temporary, is.atime, is.mtime);
  Deno.renameSync(temporary, target);
}

function copyDirectory(below: string): void {
  Deno.mkdirSync(`${to}${below}`, { recursive: true });
  const entries = Array.from(Deno.readDirSync(`${from}${below}`));
  for (const { name, isDirectory } of entries) {
    const path = `${below}${name}`;
    if (isExcluded(`/${path}`)) continue;
    if (isDirectory) copyDirectory(`${path}/`);
    else copyFile(`${from}${path}`, `${to}${path}`);
  }
  if (!removes) return;
  const names = new Set(entries.map(({ name }) => name));
  for (const { name } of Array.from(Deno.readDirSync(`${to}${below}`))) {
    if (names.has(name) || isExcluded(`/${below}${name}`)) continue;
    Deno.removeSync(`${to}${below}${name}`, { recursive: true });
  }
}

if (from.endsWith("/")) copyDirectory("");
else copyFile(from, `${to}${from.slice(from.lastIndexOf("/") + 1)}`);
if (vanished) Deno.exit(VANISHED);
