import { assert } from "@std/assert";

/** The texts of a program's files, by their paths. */
export type Files = Readonly<Record<string, string>>;

/** What an edit makes of files: a file that is `undefined` goes. */
export type Edit = Readonly<
  Record<string, string | undefined | readonly [from: string, to: string]>
>;

/** The key of a program's task, and what was said meanwhile. */
export interface Told {
  readonly key: string;
  readonly parts: readonly string[];
  readonly warnings: readonly string[];
}

/** Tells the keys of programs. */
export const KEYS = new URL("testdata/keys.ts", import.meta.url).href;

const ROOT = new URL("../../../", import.meta.url);

/** Many small programs, each in a folder of its own, whose keys one process tells. */
export class Projects implements Disposable {
  readonly #path = Deno.realPathSync(Deno.makeTempDirSync());
  readonly #names: string[] = [];

  /** Adds a program; its task is `simulate` of `tasks.ts`, if nothing else is said. */
  add(files: Files): string {
    const name = `${this.#path}/p${this.#names.length}`;
    this.#names.push(name);
    Deno.mkdirSync(name);
    for (const [path, text] of Object.entries(files)) write(`${name}/${path}`, text);
    return name;
  }

  /** The URL of a file of all programs. */
  urls(file = "tasks.ts"): string[] {
    return this.#names.map((name) => new URL(`file://${name}/${file}`).href);
  }

  /** Tells the keys in a process of its own. */
  async tell(kind: string, urls: readonly string[] = this.urls()): Promise<Told[]> {
    return JSON.parse((await this.run(KEYS, ["-A"], [kind, ...urls])).stdout);
  }

  /** Runs a program. */
  async run(
    file: string,
    flags: readonly string[],
    args: readonly string[] = [],
  ): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [
        ...["run", "--no-check", "--no-prompt", ...flags],
        ...["--config", new URL("deno.json", ROOT).pathname, file, ...args],
      ],
      cwd: ROOT,
    }).output();
    const decoder = new TextDecoder();
    assert(code === 0, decoder.decode(stderr));
    return { stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.#path, { recursive: true });
  }
}

/** Makes an edit in a folder. */
export function apply(folder: string, edit: Edit): void {
  for (const [path, change] of Object.entries(edit)) {
    const file = `${folder}/${path}`;
    if (change === undefined) {
      Deno.removeSync(file);
    } else if (typeof change === "string") {
      write(file, change);
    } else {
      const text = Deno.readTextFileSync(file);
      const [from, to] = change;
      assert(text.includes(from), `${path} has no ${JSON.stringify(from)}`);
      Deno.writeTextFileSync(file, text.replace(from, to));
    }
  }
}

function write(path: string, text: string): void {
  Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
  Deno.writeTextFileSync(path, text);
}
