import { type Cache, cacheScope, openBag } from "@quiver/quiver";
import { runQuiver, type Terminal } from "@quiver/quiver/cli";
import { area, fail, label, wave } from "./testdata/tasks.ts";

/** What a call of the command has written. */
export interface Ran {
  /** The exit code. */
  readonly code: number;
  /** Standard output. */
  readonly out: string;
  /** Standard error. */
  readonly err: string;
  /** What was asked. */
  readonly asked: readonly string[];
}

/** What a call of the command runs in. */
export interface RunOptions {
  /** The columns of the terminal; none if not given. */
  readonly width?: number;
  /** Whether it shows colours. */
  readonly color?: boolean;
  /** What whoever sits there answers; nobody does if not given. */
  readonly answer?: string;
  /** Told of what is written. */
  readonly onWrite?: (text: string) => void;
  /** Given what Ctrl-C does. */
  readonly onInterrupt?: (end: () => void) => void;
}

/** Runs the command in this process. */
export async function quiver(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const { width, color = false, answer, onWrite = () => {}, onInterrupt } = options;
  let [out, err] = ["", ""];
  const asked: string[] = [];
  const decoder = new TextDecoder();
  const terminal: Terminal = {
    width,
    color,
    showsProgress: width !== undefined,
    write(data) {
      const text = typeof data === "string" ? data : decoder.decode(data);
      out += text;
      onWrite(text);
    },
    writeError: (text) => void (err += text),
    ...(answer !== undefined && {
      ask(question) {
        asked.push(question);
        return answer;
      },
    }),
    ...(onInterrupt !== undefined && {
      onInterrupt(end) {
        onInterrupt(end);
        return { [Symbol.dispose]() {} };
      },
    }),
  };
  const code = await runQuiver(args, { terminal });
  return { code, out, err, asked };
}

/** A folder, which is the working directory for as long as it is open. */
export class Folder implements AsyncDisposable {
  readonly path: string = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "quiver_cli_" }));
  readonly #before = Deno.cwd();

  constructor() {
    Deno.chdir(this.path);
    // What lies above is none of these tests' business.
    Deno.writeTextFileSync("quiver.json", JSON.stringify({ root: true }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    Deno.chdir(this.#before);
    await Deno.remove(this.path, { recursive: true });
  }
}

/** Makes a bag with a few calls of each kind, always in the same order and with the same keys. */
export async function makeBag(path = "results.bag"): Promise<void> {
  // Nothing of what these tests look at has to be sealed, which takes a fifth of a second.
  await using bag = await openBag(path, { fold: "manual" });
  await fillBag(bag);
}

/** Puts a few calls of each kind into a cache. */
export async function fillBag(cache: Cache): Promise<void> {
  await cacheScope({ cache, keepFailures: true, tags: { run: "friday" } }, async () => {
    for (const rate of [0.25, 0.5, 0.75]) await wave({ rate, n: 1000 });
  });
  await cacheScope({ cache, keepFailures: true }, async () => {
    for (const width of [1, 2]) await area(width, 3);
    await label("x\u202e\x1b[31m\ny", "red");
    await fail(-1).catch(() => {});
  });
}

/** Puts digests, which are others after an edit, into words of the same width. */
export function toStable(text: string): string {
  return text.replaceAll(
    /\b(?:[0-9a-f]{64}|[0-9a-f]{12})\b/g,
    (digest) => "f".repeat(digest.length),
  );
}
