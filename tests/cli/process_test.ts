// end-to-end: `quiver` as a program of its own, in a pipe and in a terminal
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { openBag } from "@quiver/quiver";
import { Tool } from "../tools.ts";
import { Folder, makeBag, quiver } from "./_cli.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** What starts the program, from whatever folder. */
const PROGRAM = [
  Deno.execPath(),
  "run",
  "--no-check",
  "--allow-all",
  `--config=${ROOT}deno.json`,
  `${ROOT}src/cli.ts`,
];

const SH = Tool.find("sh");
const TMUX = Tool.find("tmux");
const BASH = Tool.find("bash");

Deno.test("quiver runs as a program, writes no colours into a pipe, and ends with its exit code", async () => {
  await using _ = new Folder();
  await makeBag();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: [...PROGRAM.slice(1), ...args],
    }).output();
    const decoder = new TextDecoder();
    return { code, out: decoder.decode(stdout), err: decoder.decode(stderr) };
  };
  const [listed, none, wrong] = await Promise.all([
    run("ls", "wave", "-c", "rate,n"),
    run("ls", "none"),
    run("rm", "--task", "wave"),
  ]);
  assertEquals(listed, { code: 0, out: "rate  n\n0.25  1000\n0.5   1000\n0.75  1000\n", err: "" });
  assertEquals([none.code, none.out], [1, ""]);
  assertEquals([wrong.code, wrong.err.includes("say --yes")], [2, true]);
});

Deno.test("quiver browse serves who has the address it prints, until Ctrl-C, and ends quietly", async () => {
  await using _ = new Folder();
  await makeBag();
  await using program = new Deno.Command(Deno.execPath(), {
    args: [...PROGRAM.slice(1), "browse"],
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const printed = program.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value: address = "" } = await printed.read();
  assertMatch(address, /^http:\/\/127\.0\.0\.1:\d+\/\?token=[\w-]{32}\n$/);
  const denied = await fetch(new URL("/", address));
  assertMatch(await denied.text(), /lacks the right token/);
  const welcome = await fetch(address, { redirect: "manual" });
  await welcome.body?.cancel();
  const cookie = welcome.headers.get("set-cookie")?.split(";")[0] ?? "";
  const page = await fetch(new URL("/", address), { headers: { cookie } });
  assertStringIncludes(await page.text(), "page.js");
  assertEquals([denied.status, welcome.status, page.status], [401, 303, 200]);
  // A page that is open does not keep it.
  const events = await fetch(new URL("/api/events", address), { headers: { cookie } });
  const port = new URL(address).port;
  const second = await quiver(["browse", "--port", port]);
  assertEquals([second.code, second.out], [1, ""]);
  assertStringIncludes(second.err, `Cannot serve on port ${port}: another program has it`);
  program.kill("SIGINT");
  const { code } = await program.status;
  assertEquals(code, 0);
  assertEquals((await printed.read()).done, true);
  assertEquals(
    await program.stderr.text(),
    'Open this address to see "results.bag"; Ctrl-C ends it\n',
  );
  await events.body?.cancel().catch(() => {});
});

Deno.test({
  ...SH.forTest("quiver ends quietly where nobody reads on"),
  async fn() {
    await using _ = new Folder();
    await makeBag();
    let digest = "";
    {
      await using bag = await openBag("results.bag", { fold: "manual" });
      digest = await bag.putValue(new Float64Array(300_000));
    }
    // More than a pipe holds.
    const line = `${PROGRAM.join(" ")} cat ${digest} --json 2>err | head -c 5; ` +
      `${PROGRAM.join(" ")} ls 2>>err | head -n 1`;
    const { output } = SH.run(line);
    assertMatch(output, /^\{"\$Flkey /);
    assertEquals(Deno.readTextFileSync("err"), "");
  },
});

/** A terminal of 80 columns. */
class Screen implements Disposable {
  readonly #socket = `quiver_${crypto.randomUUID()}`;

  constructor() {
    this.#tmux("new-session", "-d", "-x", "80", "-y", "24", "sh");
    this.type("PS1='> '; unset NO_COLOR");
  }

  #tmux(...args: string[]): string {
    const { code, output } = TMUX.run("-L", this.#socket, "-f", "/dev/null", ...args);
    assertEquals(code, 0, output);
    return output;
  }

  /** Types a line. */
  type(line: string): void {
    this.#tmux("send-keys", "-l", line);
    this.press("Enter");
  }

  /** Presses a key. */
  press(key: string): void {
    this.#tmux("send-keys", key);
  }

  /** Waits until the screen shows something; tmux tells of no change of it. */
  async until(shows: RegExp): Promise<string> {
    for (let attempt = 0; attempt < 600; attempt++) {
      const text = this.#tmux("capture-pane", "-p", "-e");
      if (shows.test(text)) return text;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the screen never showed ${shows}: ${this.#tmux("capture-pane", "-p")}`);
  }

  [Symbol.dispose](): void {
    this.#tmux("kill-server");
  }
}

Deno.test({
  ...TMUX.forTest("quiver asks in a terminal, fits it, and follows a bag until Ctrl-C"),
  async fn() {
    await using _ = new Folder();
    await makeBag();
    using screen = new Screen();
    const program = PROGRAM.join(" ");
    screen.type(`alias quiver='${program}'; clear`);
    screen.type("quiver ls --columns key,task,module,started; echo code=$?");
    const listed = await screen.until(/code=0/);
    assertStringIncludes(listed, "\x1b[1mkey ");
    assertStringIncludes(listed, "…");
    screen.type("clear; quiver rm --task wave; echo code=$?");
    await screen.until(/Forget 3 calls of "results\.bag"\? \[y\/N\]/);
    screen.type("n");
    await screen.until(/Nothing was done\ncode=1/);
    screen.type("clear; quiver rm --task wave; echo code=$?");
    await screen.until(/\? \[y\/N\]/);
    screen.type("y");
    await screen.until(/3 calls forgotten.*\ncode=0/s);
    screen.type("clear; quiver tail; echo code=$?");
    await screen.until(/label\(/);
    await makeBag();
    await screen.until(/wave\(\{ rate: 0\.75/);
    screen.press("C-c");
    assert((await screen.until(/code=0/)).includes("wave("));
  },
});

Deno.test({
  ...BASH.forTest("the completions of quiver work in bash"),
  async fn() {
    await using _ = new Folder();
    const line = `eval "$(${PROGRAM.join(" ")} completions bash)"; ` +
      `complete_() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quiver; echo "\${COMPREPLY[@]}"; }; ` +
      `complete_ quiver ex; complete_ quiver verify --re; complete_ quiver help ver`;
    assertEquals(BASH.run("-c", line), { code: 0, output: "explain export\n--repair\nverify\n" });
  },
});
