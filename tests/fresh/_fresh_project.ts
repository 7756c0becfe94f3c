/** How long a command may take before it counts as one that hangs: it may download packages. */
const PATIENCE = 120_000;

/** Where Deno keeps what it has downloaded, of which a fresh project shares the packages of npm. */
const NPM_CACHE = await readNpmCache();

/** How a command ended. */
export interface CommandEnd {
  /** Its exit code. */
  readonly code: number;
  /** What it printed. */
  readonly stdout: string;
  /** What was printed on standard error, but for lines that tell of downloads. */
  readonly stderr: string;
}

/** Options of {@linkcode openFreshProject}. */
export interface FreshProjectOptions {
  /** What `@quiver/quiver` is, and its other entries where they do not follow from it. */
  imports: { readonly [name: string]: string };
  /** What else stands in `deno.json`. */
  configuration?: { readonly [key: string]: unknown };
  /** Variables added to the environment. */
  env?: { readonly [name: string]: string };
}

/** A folder with two modules and a `deno.json`, and a cache of Deno's in which only npm is known. */
export class FreshProject implements AsyncDisposable {
  /** Where it is. */
  readonly path: string;
  readonly #cache: string;
  readonly #env: { readonly [name: string]: string };

  constructor(path: string, cache: string, env: { readonly [name: string]: string }) {
    this.path = path;
    this.#cache = cache;
    this.#env = env;
  }

  /** Runs Deno in the project. */
  async deno(...args: string[]): Promise<CommandEnd> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args,
      cwd: this.path,
      env: { ...this.#env, NO_COLOR: "1", DENO_DIR: this.#cache },
      stdin: "null",
      signal: AbortSignal.timeout(PATIENCE),
    }).output();
    const decoder = new TextDecoder();
    return {
      code,
      stdout: decoder.decode(stdout),
      stderr: decoder.decode(stderr).replaceAll(/^(Download|Check|Initialize) .*\n/gm, ""),
    };
  }

  /** The names of what lies in the folder. */
  files(): string[] {
    return Array.from(Deno.readDirSync(this.path), ({ name }) => name).sort();
  }

  /** The packages of npm that the lock file has in it. */
  async packages(): Promise<string[]> {
    const { npm } = JSON.parse(await Deno.readTextFile(`${this.path}/deno.lock`));
    return Object.keys(npm).map((name) => name.replace(/@[^@]+$/, ""));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.path, { recursive: true });
    await Deno.remove(this.#cache, { recursive: true });
  }
}

/** Makes a project of which Deno has seen nothing. */
export async function openFreshProject(options: FreshProjectOptions): Promise<FreshProject> {
  const { imports, configuration = {}, env = {} } = options;
  const path = await Deno.makeTempDir();
  const cache = await Deno.makeTempDir();
  await Deno.mkdir(NPM_CACHE, { recursive: true });
  await Deno.symlink(NPM_CACHE, `${cache}/npm`);
  await Deno.writeTextFile(`${path}/deno.json`, JSON.stringify({ ...configuration, imports }));
  for (const name of ["main.ts", "tasks.ts"]) {
    await Deno.copyFile(new URL(`testdata/${name}`, import.meta.url), `${path}/${name}`);
  }
  return new FreshProject(path, cache, env);
}

async function readNpmCache(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).npmCache;
}
