// End-to-end: what is alike for a task wherever it runs, and what is not; real programs and workers.
import { assert, assertEquals } from "@std/assert";
import { leaveNothing } from "../leave_nothing.ts";

leaveNothing();

const ROOT = new URL("../../", import.meta.url);
const KINDS = ["inline", "web", "process"] as const;
type Kind = typeof KINDS[number];
type World = { readonly [fact: string]: unknown };

/** The one list of what is not alike, with what a worker of the kind has; all else that `look` tells is. */
const UNLIKE: { readonly [K in Kind]: World } = {
  inline: {},
  // The platform's: a Web Worker is no main module, has its own script as location, and no storage.
  web: {
    "import.meta.main": false,
    location: new URL("src/executor/guest/worker_main.ts", ROOT).href,
    localStorage: false,
    alert: false,
  },
  process: { "import.meta.main": false },
};

/** A program in a folder of its own, with its configuration in one above, which is a workspace. */
async function openProgram(): Promise<AsyncDisposable & { readonly folder: string }> {
  const path = await Deno.realPath(await Deno.makeTempDir());
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("deno.json", ROOT)));
  // Nothing here needs what comes with others.
  const all = {
    "@quiver/quiver": new URL("mod.ts", ROOT).href,
    acorn: imports.acorn,
    comlink: imports.comlink,
    // For where it is no more than an import map.
    "comlink/": `${imports.comlink.replace("npm:", "npm:/")}/`,
  };
  const files = {
    "deno.json": JSON.stringify({
      workspace: ["./program"],
      imports: { ...all, "the-answer": "./root.ts" },
      unstable: ["cron"],
    }),
    "program/deno.json": JSON.stringify({ name: "@test/program", exports: "./main.ts" }),
    "program/map.json": JSON.stringify({ imports: { ...all, "the-answer": "./mapped.ts" } }),
    "program/other.json": JSON.stringify({ imports: { ...all, "the-answer": "./other.ts" } }),
    "program/permitting.json": JSON.stringify({
      imports: { ...all, "the-answer": "./other.ts" },
      permissions: {
        default: { read: true, env: true, run: true, write: { allow: true, deny: ["./data"] } },
      },
    }),
    "program/main.ts": await Deno.readTextFile(new URL("testdata/world.ts", import.meta.url)),
    "program/data/secret/key.txt": "",
    "elsewhere/nothing.txt": "",
  };
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(`${path}/${name}`.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${path}/${name}`, text);
  }
  return {
    folder: `${path}/program`,
    [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }),
  };
}

interface Start {
  readonly flags: readonly string[];
  readonly script?: string;
  /** Where the program goes, which parts of permissions are told, and which it gives up first. */
  readonly order?: { folder?: string; parts?: readonly object[]; revoke?: readonly object[] };
}

async function readWorlds(
  folder: string,
  { flags, script = "main.ts", order = {} }: Start,
): Promise<{ readonly main: World } & { readonly [K in Kind]: World }> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--no-prompt",
      "--seed=3",
      ...flags,
      script,
      JSON.stringify(order),
      "7",
      "a b",
      "--allow-all",
    ],
    cwd: folder,
    env: { NO_COLOR: "1", TZ: "Asia/Tokyo", LANG: "de_DE.UTF-8", QUIVER_GIVEN: "given" },
  }).output();
  assertEquals(code, 0, new TextDecoder().decode(stderr));
  return JSON.parse(new TextDecoder().decode(stdout));
}

async function checkAlike(folder: string, start: Start): Promise<World> {
  const { main, ...workers } = await readWorlds(folder, start);
  for (const kind of KINDS) assertEquals(workers[kind], { ...main, ...UNLIKE[kind] }, kind);
  return main;
}

Deno.test("a task finds on workers of each kind what it finds in the program", async () => {
  await using program = await openProgram();
  const main = await checkAlike(program.folder, {
    flags: [
      "--allow-all",
      "--unstable-kv",
      "--v8-flags=--expose-gc",
      "--seed",
      "5",
      "--location=https://example.com/there",
    ],
    order: { folder: "../elsewhere" },
  });
  // What has a default must not be alike by it.
  assertEquals(main["Deno.args at the top"], '{"folder":"../elsewhere"},7,a b,--allow-all');
  assert(String(main["Deno.cwd()"]).endsWith("/elsewhere"));
  assertEquals(main["a variable"], "given");
  assertEquals(main["a variable set by the program"], "by the program");
  assertEquals(main["time zone"], "Asia/Tokyo");
  assertEquals(main.locale, "de-DE");
  assert(String(main["a bare import"]).endsWith("/root.ts"), "the workspace's");
  assertEquals(main["unstable features"], ["openKv", "cron"]);
  assertEquals(main["V8's flags"], true);
  assertEquals(main.location, "https://example.com/there");
  assertEquals(main["import.meta.main"], true);
});

for (
  const [flags, answer] of [
    [["--config", "other.json"], "other.ts"],
    [["-c", "./other.json", "--no-lock"], "other.ts"],
    [["--no-config", "--import-map=map.json"], "mapped.ts"],
    [["--import-map", "map.json"], "mapped.ts"],
  ] as const
) {
  Deno.test(`a task's imports are those of the program with ${flags.join(" ")}`, async () => {
    await using program = await openProgram();
    const main = await checkAlike(program.folder, {
      flags: ["-A", ...flags],
      order: { folder: "/" },
    });
    assert(String(main["a bare import"]).endsWith(`/program/${answer}`));
  });
}

Deno.test("a task on a process finds no configuration where the program has none", async () => {
  const folder = await Deno.realPath(await Deno.makeTempDir());
  await Deno.writeTextFile(
    `${folder}/main.ts`,
    `import { Executor, task } from "${new URL("mod.ts", ROOT)}";
    export const look = task(import.meta, function look() {
      try {
        // Quiver's own configuration has it.
        return import.meta.resolve("vega-datasets");
      } catch {
        return "no such import";
      }
    });
    if (import.meta.main) {
      await using executor = new Executor({ workerType: "process", maxWorkers: 1 });
      console.log(await look(), await executor.submit(look));
    }`,
  );
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--allow-all", "main.ts"],
    cwd: folder,
    env: { NO_COLOR: "1" },
  }).output();
  const answer = "no such import no such import\n";
  assertEquals(new TextDecoder().decode(stdout), answer, new TextDecoder().decode(stderr));
  await Deno.remove(folder, { recursive: true });
});

/** What a program needs to have workers that are processes. */
function needs(): string[] {
  const temporary = Deno.env.get("TMPDIR") ?? "/tmp";
  return [`--allow-run=${Deno.execPath()}`, "--allow-env", `--allow-write=${temporary}`];
}

const SECRET = { name: "read", path: "data/secret" };
const PARTS = [
  { name: "read", path: "data" },
  SECRET,
  { name: "read", path: "/etc" },
  { name: "write", path: "data" },
  { name: "net", host: "example.com:443" },
  { name: "net", host: "example.org:443" },
  { name: "sys", kind: "osRelease" },
  { name: "sys", kind: "hostname" },
  { name: "env", variable: "HOME" },
  { name: "run", command: "deno" },
];

Deno.test("a task on a process may do in part what the program may in part", async () => {
  await using program = await openProgram();
  const temporary = Deno.env.get("TMPDIR") ?? "/tmp";
  for (
    const flags of [
      [`-R=.,${temporary},${ROOT.pathname},data`, "--deny-read=data/secret", "-N=example.com:443"],
      ["--allow-read", "--deny-read=data/secret", "--allow-sys=osRelease", "--deny-import"],
      ["--allow-read", "--allow-net=example.com", "--deny-net=example.com:443", "--deny-env=HOME"],
      ["--allow-read", "--deny-write=data", "--allow-import=example.com", "--deny-ffi"],
      ["--allow-read", "--ignore-read=data/secret", "--ignore-env=HOME"],
      ["--allow-read", "--allow-import", "--deny-import"],
    ]
  ) {
    const start = { flags: [...needs(), ...flags], order: { parts: PARTS } };
    const { main, process } = await readWorlds(program.folder, start);
    for (const fact of ["parts of permissions", "import permission"]) {
      // A variable that is denied cannot be told from one that is ignored.
      assertEquals(process[fact], main[fact], `${fact} with ${flags.join(" ")}`);
    }
  }
});

Deno.test("a task on a process may nothing that the program gave up, or may only elsewhere", async () => {
  await using program = await openProgram();
  const allowed = [...needs(), "--allow-read", "--allow-net=example.com:443,example.org:443"];
  const given = await readWorlds(program.folder, {
    flags: allowed,
    order: { parts: PARTS, revoke: [{ name: "net", host: "example.org:443" }] },
  });
  const net = (world: World) => (world["parts of permissions"] as string[][]).slice(4, 6);
  assertEquals(net(given.process).map(([, state]) => state), ["granted", "prompt"]);
  assertEquals(net(given.main), net(given.process));
  // Where nothing is said, a process may import from the usual hosts.
  const importing = await readWorlds(program.folder, {
    flags: [...needs(), "--allow-read", "--allow-import=example.com"],
    order: { revoke: [{ name: "import", host: "example.com" }] },
  });
  const { main, process } = importing;
  assertEquals([main["import permission"], process["import permission"]], ["prompt", "denied"]);
  // What a path was relative to is not known any more where the program has gone elsewhere.
  const secret = { name: "write", path: `${program.folder}/data/secret` };
  const moved = await readWorlds(program.folder, {
    flags: [`--allow-run=${Deno.execPath()}`, "-E", "-R", "-W", "--deny-write=data/secret"],
    script: `${program.folder}/main.ts`,
    order: { folder: "../elsewhere", parts: [secret] },
  });
  const states = (world: World) => (world["parts of permissions"] as string[][])[0]?.[1];
  assertEquals([states(moved.main), states(moved.process)], ["denied", "prompt"]);
  // Flags do not tell what a set of permissions in the configuration bars.
  const set = await readWorlds(program.folder, {
    flags: ["-P", "--config=permitting.json"],
    order: { parts: [{ name: "write", path: "data" }] },
  });
  assertEquals([states(set.main), states(set.process)], ["denied", "prompt"]);
});

Deno.test("`permissions`, `env` and `flags` of an executor go before what the program has", async () => {
  await using program = await openProgram();
  const code = `
    import { Executor } from "@quiver/quiver";
    import { look } from "./main.ts";
    await using executor = new Executor({
      workerType: "process", maxWorkers: 1, permissions: { read: true, env: true, sys: true },
      env: { QUIVER_GIVEN: "otherwise", TZ: "UTC" }, flags: ["--no-config", "--import-map=" + Deno.args[0], "--seed=4"],
    });
    console.log(JSON.stringify(await executor.submit(look, [])));`;
  await Deno.writeTextFile(`${program.folder}/own.ts`, code);
  const { code: exit, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--seed=3", "--config=other.json", "own.ts", `${program.folder}/map.json`],
    cwd: program.folder,
    env: { NO_COLOR: "1", QUIVER_GIVEN: "given" },
  }).output();
  assertEquals(exit, 0, new TextDecoder().decode(stderr));
  const world = JSON.parse(new TextDecoder().decode(stdout));
  assertEquals(world["a variable"], "otherwise");
  assertEquals(world["time zone"], "UTC");
  assert(world["a bare import"].endsWith("/mapped.ts"));
  assertEquals(world.permissions.write, "prompt");
});
