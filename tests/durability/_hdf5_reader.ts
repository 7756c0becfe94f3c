import { Tool } from "../tools.ts";
import { createLineStream } from "./testdata/text_lines.ts";

/** Opens the link file and all segments of each bag that it is told of, and compares every array. */
const SCRIPT = `
import h5py, glob, json, os, sys, zlib
def check(dataset):
    about = json.loads(dataset.attrs["quiver"])
    assert zlib.crc32(dataset[...].tobytes()) == about["crc32"], dataset.name
def read(path):
    live, all = [], 0
    for name in glob.glob(path + "/segments/*.h5"):
        with h5py.File(name, "r") as segment:
            for dataset in segment["values"].values():
                check(dataset)
                all += 1
    if os.path.exists(path + "/values.h5"):
        with h5py.File(path + "/values.h5", "r") as door:
            for values in door["segments"].values():
                for digest, dataset in values.items():
                    check(dataset)
                    live.append(digest)
    return {"live": live, "all": all}
for line in sys.stdin:
    try:
        print(json.dumps(read(line[:-1])), flush=True)
    except Exception as error:
        print(json.dumps({"error": repr(error)}), flush=True)
`;

/** What h5py finds in a bag. */
export interface Hdf5Content {
  /** The digests of the arrays behind the link file. */
  readonly live: readonly string[];
  /** How many arrays are in all segments that are there. */
  readonly all: number;
}

/** Reads bags with h5py, in one program for all of them. */
export class Hdf5Reader implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(python: Tool) {
    this.#child = python.command(["-c", SCRIPT], {
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream())
      .pipeThrough(createLineStream()).getReader();
  }

  /** Starts a reader, unless there is no h5py here. */
  static start(): Hdf5Reader | undefined {
    const python = Tool.find("python3-h5py");
    return python.found ? new Hdf5Reader(python) : undefined;
  }

  /** Reads all arrays of a bag. */
  read(path: string): Promise<Hdf5Content> {
    // One question at a time.
    const answer = this.#turn.then(() => this.#ask(path));
    this.#turn = answer.catch(() => {});
    return answer;
  }

  async #ask(path: string): Promise<Hdf5Content> {
    await this.#input.write(new TextEncoder().encode(`${path}\n`));
    const { value = "{}" } = await this.#lines.read();
    const { live, all, error } = JSON.parse(value);
    if (!Array.isArray(live)) throw new Error(`h5py cannot read "${path}": ${error}`);
    return { live, all };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close();
    await this.#lines.cancel();
    await this.#child.status;
  }
}
