import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import type { Json } from "../call/call_record.ts";
import { currentFolder, findAbove, isGranted, readGranted } from "./collect_runtime.ts";

/** How long `git status` may take, in milliseconds; after that it is not known what it would say. */
const LONGEST_STATUS = 1500;

type Facts = { readonly [name: string]: Json };

/** What was found, which stays for as long as this isolate lives: to ask takes a process. */
let state: Facts | undefined | Promise<Facts | undefined>;
let asked = false;

/**
 * Collects which commit the working directory is of, as it was when that was first asked; nothing outside
 * of a repository, nor where that may not be read. Whether files that git knows are others than those of
 * the commit only git can say: where it may not be run, that is left out.
 */
export function collectGit(): Facts | undefined | Promise<Facts | undefined> {
  if (asked) return state;
  asked = true;
  const cwd = currentFolder();
  const reading = cwd === undefined ? Promise.resolve(undefined) : readGit(cwd);
  state = reading;
  // Whoever asks first is told of a repository that cannot be made out.
  const settle = (found?: Facts) => void (state = found);
  void reading.then(settle, () => settle());
  return reading;
}

/** What a branch leads to may be any file. */
const COMMIT = /^[0-9a-f]{40,64}$/;

/**
 * Reads which commit a folder is of.
 *
 * @param cwd The URL of the folder.
 */
export async function readGit(cwd: URL): Promise<Facts | undefined> {
  const folder = findAbove(cwd, findGitFolder);
  const head = folder && readGranted(new URL("HEAD", folder))?.trim();
  if (folder === undefined || head === undefined) return undefined;
  const ref = head.startsWith("ref: ") ? head.slice("ref: ".length) : undefined;
  const commit = ref === undefined ? head : readRef(folder, ref);
  const dirty = isGranted({ name: "run", command: "git" }) ? await isDirty(cwd) : undefined;
  return {
    ...(commit !== undefined && COMMIT.test(commit) && { commit }),
    ...(ref !== undefined && { branch: ref.replace(/^refs\/heads\//, "") }),
    ...(dirty !== undefined && { dirty }),
  };
}

/** The folder of a repository's data; in a work tree of another one, a file says where that is. */
function findGitFolder(folder: URL): URL | undefined {
  const inside = new URL(".git/", folder);
  if (readGranted(new URL("HEAD", inside)) !== undefined) return inside;
  const [, path] = readGranted(new URL(".git", folder))?.match(/^gitdir: (.+)$/m) ?? [];
  return path === undefined ? undefined : toFolder(path, folder);
}

function toFolder(path: string, base: URL): URL {
  return isAbsolute(path) ? pathToFileURL(`${path}/`) : new URL(`${encodeURI(path)}/`, base);
}

/** What a branch stands for, in a file of its own, or in the list of all; those of work trees are shared. */
function readRef(folder: URL, ref: string): string | undefined {
  const common = readGranted(new URL("commondir", folder))?.trim();
  const folders = common === undefined ? [folder] : [folder, toFolder(common, folder)];
  for (const each of folders) {
    const loose = readGranted(new URL(encodeURI(ref), each))?.trim();
    if (loose !== undefined) return loose;
    const packed = readGranted(new URL("packed-refs", each))?.split("\n");
    const line = packed?.find((line) => line.endsWith(` ${ref}`));
    if (line !== undefined) return line.split(" ", 1)[0];
  }
  return undefined;
}

/** Whether files differ from the commit, among those that git knows. */
async function isDirty(cwd: URL): Promise<boolean | undefined> {
  try {
    const { success, stdout } = await new Deno.Command("git", {
      args: ["--no-optional-locks", "status", "--porcelain", "--untracked-files=no"],
      cwd,
      stdin: "null",
      stderr: "null",
      signal: AbortSignal.timeout(LONGEST_STATUS),
    }).output();
    return success ? stdout.length > 0 : undefined;
  } catch {
    // Git is not there.
    return undefined;
  }
}
