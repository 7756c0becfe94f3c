/**
 * What tests use beside Deno and not every machine has: other programs, disks to mount, another user.
 * No other file of the tests starts a program that is not Deno. Where a tool is missing, each test
 * that needs it is ignored, and its name says what is missing.
 *
 * @module
 */

/** Hides all tools while it is set, so that any machine can run the tests as a bare one. */
export const HIDING_VARIABLE = "QUIVER_TEST_WITHOUT_TOOLS";

/** The user of the tool `other-user`, whom permissions hold back as they do not the administrator. */
export const NOBODY = 65_534;

const IMAGE_BYTES = 16 * 1024 * 1024;

/** A program, and the arguments that come first. */
type Command = readonly [program: string, ...args: string[]];

/** How a tool is found. */
interface Search {
  /** What is missing where it is not found. */
  readonly about: string;
  /** What it may be; the first that works is taken. */
  readonly commands: readonly Command[];
  /** Tells whether one works, by arguments that make it succeed or by trying it out. */
  readonly works: readonly string[] | ((command: Command) => boolean);
}

/** A Python of one's own is often the first, and lacks what the system's packages bring. */
const PYTHONS: readonly Command[] = [["python3"], ["/usr/bin/python3"]];

const SEARCHES = {
  "bash": { about: "bash", commands: [["bash"]], works: ["--version"] },
  "browser": {
    about: "chromium-headless-shell",
    commands: [["chromium-headless-shell"], ["chromium", "--headless"]],
    works: ["--version"],
  },
  "flock": { about: "flock", commands: [["flock"]], works: ["--version"] },
  "h5dump": { about: "h5dump", commands: [["h5dump"]], works: ["--version"] },
  "loop-disk": {
    about: "right to mount a file as a disk of ext4",
    commands: [["unshare", "--mount"]],
    works: mountsImage,
  },
  "mkfifo": { about: "mkfifo", commands: [["mkfifo"]], works: ["--help"] },
  "mkfs.ext4": { about: "mkfs.ext4", commands: [["mkfs.ext4"]], works: ["-V"] },
  "mount": { about: "mount", commands: [["mount"]], works: ["--help"] },
  "node": {
    about: "Node.js",
    commands: [["node"]],
    // Where there is no Node, Deno starts itself by that name.
    works: ["-e", "process.exit(process.versions.deno === undefined ? 0 : 1)"],
  },
  "other-user": {
    about: "right to start programs as another user",
    commands: [[Deno.execPath()]],
    works: runsAsNobody,
  },
  "prlimit": { about: "prlimit", commands: [["prlimit"]], works: ["--version"] },
  "python3": { about: "python3", commands: PYTHONS, works: ["--version"] },
  "python3-h5py": {
    about: "python3 with h5py",
    commands: PYTHONS,
    works: ["-c", "import h5py"],
  },
  "python3-netcdf4": {
    about: "python3 with netCDF4",
    commands: PYTHONS,
    works: ["-c", "import netCDF4"],
  },
  "python3-tables": {
    about: "python3 with PyTables",
    commands: PYTHONS,
    works: ["-c", "import tables"],
  },
  "python3-xarray": {
    about: "python3 with xarray and netCDF4",
    commands: PYTHONS,
    works: ["-c", "import xarray, netCDF4"],
  },
  "rsync": { about: "rsync", commands: [["rsync"]], works: ["--version"] },
  "sh": { about: "sh", commands: [["sh", "-c"]], works: ["ulimit -n 64"] },
  "tmux": { about: "tmux", commands: [["tmux"]], works: ["-V"] },
  "tmpfs": {
    about: "right to mount a disk in memory",
    commands: [["unshare", "--mount", "--map-root-user", "sh", "-c"]],
    works: mountsInMemory,
  },
  "umount": { about: "umount", commands: [["umount"]], works: ["--help"] },
} as const satisfies { readonly [name: string]: Search };

/** The tools that tests may use. */
export type ToolName = keyof typeof SEARCHES;

/** The names of all tools. */
export const TOOL_NAMES: readonly ToolName[] = Object.keys(SEARCHES).filter(isToolName);

/** What a program has answered. */
export interface Answer {
  /** Its exit code. */
  readonly code: number;
  /** What it printed, on standard output and then on standard error. */
  readonly output: string;
}

/** Something beside Deno that tests use where it is. */
export class Tool {
  readonly #about: string;
  readonly #command: Command | undefined;

  private constructor(about: string, command: Command | undefined) {
    this.#about = about;
    this.#command = command;
  }

  /**
   * Looks for a tool.
   *
   * @param name Which one.
   * @returns It, whether it is there or not.
   */
  static find(name: ToolName): Tool {
    const { about, commands, works }: Search = SEARCHES[name];
    const command = isHidden()
      ? undefined
      : commands.find((command) =>
        typeof works === "function" ? works(command) : succeeds(command, works)
      );
    return new Tool(about, command);
  }

  /** Whether it is there. */
  get found(): boolean {
    return this.#command !== undefined;
  }

  /**
   * Makes the part of a test's definition that has it ignored by name where the tool is missing.
   *
   * @param name The name of the test.
   */
  forTest(name: string): { readonly name: string; readonly ignore: boolean } {
    if (this.found) return { name, ignore: false };
    return { name: `${name} (ignored: there is no ${this.#about})`, ignore: true };
  }

  /** Where the program is, for a library that starts it by itself. */
  get program(): string {
    const [program] = this.#command ?? [];
    const folders = program === undefined ? [] : (Deno.env.get("PATH") ?? "").split(":");
    for (const path of folders.map((folder) => `${folder}/${program}`)) {
      if (isFile(path)) return path;
    }
    throw new Error(`Cannot start a tool: there is no ${this.#about}`);
  }

  /** Makes the command that runs the tool with arguments. */
  command(args: readonly string[], options: Deno.CommandOptions = {}): Deno.Command {
    if (this.#command === undefined) {
      throw new Error(
        `Cannot run a tool: there is no ${this.#about}; define the test by ...tool.forTest(name)`,
      );
    }
    const [program, ...first] = this.#command;
    return new Deno.Command(program, { ...options, args: [...first, ...args] });
  }

  /** Runs the tool to its end. */
  run(...args: string[]): Answer {
    const { code, stdout, stderr } = this.command(args).outputSync();
    const decoder = new TextDecoder();
    return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
  }
}

/**
 * Makes a file that can be mounted as a disk of ext4.
 *
 * @param path The file.
 * @returns Whether that worked.
 */
export function createImage(path: string): boolean {
  using file = Deno.openSync(path, { write: true, create: true });
  file.truncateSync(IMAGE_BYTES);
  return Tool.find("mkfs.ext4").run("-q", path).code === 0;
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

function isToolName(name: string): name is ToolName {
  return name in SEARCHES;
}

function isHidden(): boolean {
  // A program that may not see the environment is none that is to play a bare machine.
  const permission = { name: "env", variable: HIDING_VARIABLE } as const;
  if (Deno.permissions.querySync(permission).state !== "granted") return false;
  return (Deno.env.get(HIDING_VARIABLE) ?? "") !== "";
}

/** Tells whether a command can be run and succeeds. */
function succeeds(
  [program, ...first]: Command,
  args: readonly string[],
  options: Deno.CommandOptions = {},
): boolean {
  try {
    return new Deno.Command(program, { ...options, args: [...first, ...args] }).outputSync()
      .success;
  } catch (error) {
    const { NotFound, NotCapable, PermissionDenied } = Deno.errors;
    // It is not there, or may not be run: for the test that asks, that is the same.
    if ([NotFound, NotCapable, PermissionDenied].some((kind) => error instanceof kind)) {
      return false;
    }
    throw error;
  }
}

function runsAsNobody(command: Command): boolean {
  const directory = Deno.makeTempDirSync();
  try {
    const [readable, locked] = [new URL(import.meta.url).pathname, `${directory}/locked`];
    // Whoever runs the tests as that user has no other one.
    const code = `Deno.readTextFileSync(${JSON.stringify(readable)});
      try { Deno.writeTextFileSync(${JSON.stringify(locked)}, ""); } catch { Deno.exit(0); }
      Deno.exit(1);`;
    return succeeds(command, ["eval", code], { uid: NOBODY, gid: NOBODY });
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}

function mountsInMemory(command: Command): boolean {
  const disk = Deno.makeTempDirSync();
  try {
    const script = 'mount -t tmpfs -o size=1m quiver "$0" && mount -o remount,ro "$0"';
    return succeeds(command, [script, disk]);
  } finally {
    Deno.removeSync(disk);
  }
}

function mountsImage(command: Command): boolean {
  const directory = Deno.makeTempDirSync();
  try {
    const image = `${directory}/image`;
    Deno.mkdirSync(`${directory}/disk`);
    return Tool.find("umount").found && Tool.find("mkfs.ext4").found && createImage(image) &&
      succeeds(command, ["mount", "-o", "loop", image, `${directory}/disk`]);
  } finally {
    Deno.removeSync(directory, { recursive: true });
  }
}
