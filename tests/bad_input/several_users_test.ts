// End-to-end: a cache that several users share, each with a umask that lets nobody else in.
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { NOBODY, Tool } from "../tools.ts";

const OTHER_USER = Tool.find("other-user");
const KINDS = ["bag", "files", "sqlite"] as const;
/** Two who are in one group, and root. */
const [OWNER, MEMBER, ROOT] = [NOBODY, NOBODY - 1, 0] as const;

interface Options {
  readonly permissions?: string | number;
  readonly mode?: "read";
}

async function use(
  kind: (typeof KINDS)[number],
  path: string,
  uid: number,
  names: readonly string[],
  options: Options = {},
): Promise<{ known?: string[]; warnings?: string[]; error?: string; stderr: string }> {
  const { stdout, stderr } = await runProgram("one_user.ts", {
    args: [kind, path, JSON.stringify(options), ...names],
    flags: ["--allow-read", "--allow-write", "--allow-sys"],
    uid,
    gid: uid === ROOT ? ROOT : NOBODY,
  });
  return { ...JSON.parse(stdout.trim().split("\n").at(-1) ?? "{}"), stderr };
}

/** The modes of all that lies in a directory, and whose it is, by paths without what is random. */
function listOwnership(path: string): { path: string; mode: string; uid: number; gid: number }[] {
  const { mode, uid, gid, isDirectory } = Deno.lstatSync(path);
  assert(mode !== null && uid !== null && gid !== null);
  const below = isDirectory
    ? Array.from(Deno.readDirSync(path), ({ name }) => listOwnership(`${path}/${name}`)).flat()
    : [];
  return [{ path, mode: (mode & 0o777).toString(8), uid, gid }, ...below];
}

async function createHome(mode: number): Promise<TemporaryDirectory> {
  const directory = new TemporaryDirectory();
  await Deno.chown(directory.path, OWNER, NOBODY);
  await Deno.chmod(directory.path, mode);
  return directory;
}

for (const kind of KINDS) {
  Deno.test({
    ...OTHER_USER.forTest(`two users of a group share one cache whatever their umask (${kind})`),
    async fn() {
      await using home = await createHome(0o2770);
      const path = `${home.path}/cache`;
      const first = await use(kind, path, OWNER, ["one"], { permissions: "group" });
      assertEquals(first, { known: [], warnings: [], stderr: "" });
      const second = await use(kind, path, MEMBER, ["one", "two"]);
      assertEquals(second, { known: ["one"], warnings: [], stderr: "" });
      const third = await use(kind, path, OWNER, ["one", "two", "three"]);
      assertEquals(third, { known: ["one", "two"], warnings: [], stderr: "" });
      const again = await use(kind, path, MEMBER, ["one", "two", "three"]);
      assertEquals(again, { known: ["one", "two", "three"], warnings: [], stderr: "" });
      for (const { path: file, mode, gid } of listOwnership(path)) {
        assert(["660", "770"].includes(mode), `${file}: ${mode}`);
        assertEquals(gid, NOBODY, file);
      }
    },
  });

  Deno.test({
    ...OTHER_USER.forTest(`a run as root costs the owner of a cache nothing (${kind})`),
    async fn() {
      await using home = await createHome(0o755);
      const path = `${home.path}/cache`;
      await use(kind, path, OWNER, ["one"]);
      const root = await use(kind, path, ROOT, ["one", "two"]);
      assertEquals(root, { known: ["one"], warnings: [], stderr: "" });
      for (const { path: file, uid } of listOwnership(path)) assertEquals(uid, OWNER, file);
      const owner = await use(kind, path, OWNER, ["one", "two", "three"]);
      assertEquals(owner, { known: ["one", "two"], warnings: [], stderr: "" });
    },
  });

  Deno.test({
    ...OTHER_USER.forTest(`a reader costs the owner of a cache nothing (${kind})`),
    async fn() {
      for (const mode of [0o755, 0o777]) {
        await using home = await createHome(mode);
        const path = `${home.path}/cache`;
        await use(kind, path, OWNER, ["one"], { permissions: 0o644 });
        const reader = await use(kind, path, MEMBER, ["one"], { mode: "read" });
        assertEquals(reader, { known: ["one"], warnings: [], stderr: "" });
        const owner = await use(kind, path, OWNER, ["one", "two"]);
        assertEquals(owner, { known: ["one"], warnings: [], stderr: "" });
      }
    },
  });

  Deno.test({
    ...OTHER_USER.forTest(`who may not write learns which file, whose, and what to do (${kind})`),
    async fn() {
      await using home = await createHome(0o755);
      const path = `${home.path}/cache`;
      await use(kind, path, OWNER, ["one"], { permissions: 0o644 });
      const { error = "" } = await use(kind, path, MEMBER, ["one"]);
      assertMatch(error, new RegExp(`^QuiverError: Cannot open "${path}" for writing: "${path}`));
      assertStringIncludes(error, `belongs to user ${OWNER}`);
      assertStringIncludes(error, 'open it with mode: "read"');
    },
  });

  Deno.test({
    ...OTHER_USER.forTest(`permissions of a cache that is there stay, with a warning (${kind})`),
    async fn() {
      await using home = await createHome(0o755);
      const path = `${home.path}/cache`;
      await use(kind, path, OWNER, ["one"], { permissions: "user" });
      const before = listOwnership(path)[0];
      const { known, stderr } = await use(kind, path, OWNER, ["one"], { permissions: "group" });
      assertEquals(known, ["one"]);
      assertStringIncludes(stderr, `Warning: Cannot use "${path}" with permissions: "group"`);
      assertEquals(listOwnership(path)[0], before);
    },
  });
}
