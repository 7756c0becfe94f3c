const PYTHON = "/usr/bin/python3";

/** What a program has answered. */
export interface Answer {
  readonly code: number;
  readonly output: string;
}

/** Runs a program. */
export function run(command: string, args: string[]): Answer {
  const { code, stdout, stderr } = new Deno.Command(command, { args }).outputSync();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Runs a Python program with h5py. */
export function runPython(script: string, ...args: string[]): Answer {
  return run(PYTHON, ["-c", script, ...args]);
}

function runs(command: string, args: string[]): boolean {
  try {
    return run(command, args).code === 0;
  } catch (error) {
    // No such program, or no permission to run it.
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotCapable) {
      return false;
    }
    throw error;
  }
}

const HAS_H5PY = runs(PYTHON, ["-c", "import h5py"]);
const HAS_H5DUMP = runs("h5dump", ["--version"]);

/** The name of a test that needs h5py, and whether it is ignored. */
export function withH5py(name: string): { name: string; ignore: boolean } {
  const reason = " (ignored: there is no /usr/bin/python3 with h5py)";
  return { name: HAS_H5PY ? name : name + reason, ignore: !HAS_H5PY };
}

/** The name of a test that needs h5dump, and whether it is ignored. */
export function withH5dump(name: string): { name: string; ignore: boolean } {
  return { name: HAS_H5DUMP ? name : `${name} (ignored: there is no h5dump)`, ignore: !HAS_H5DUMP };
}
