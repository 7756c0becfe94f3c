// End-to-end: the commands that sharing.md gives for copying a bag with other tools, beside processes that
// call, fold, compact and forget without end.
import { assert, assertEquals, assertGreater } from "@std/assert";
import { TemporaryDirectory } from "../bag/_temporary_directory.ts";
import { Tool } from "../tools.ts";
import { copyBag } from "./_copy_bag.ts";
import type { Catalogue } from "./_expectations.ts";
import { InlineBags } from "./_inline_bags.ts";
import { expectTold, type Told, Writer } from "./_writer.ts";

const FLOCK = Tool.find("flock");
const SHELL = Tool.find("sh");
const RSYNC = Tool.find("rsync");

const COPIES = 3;

const GUIDE = new URL("../../examples/guides/sharing.md", import.meta.url);

/** The commands, as they stand in the guide. */
function readCommands(): string {
  const [, commands] = /```sh\n(rsync .*?)```/s.exec(Deno.readTextFileSync(GUIDE)) ?? [];
  assert(commands !== undefined, "there are none");
  return commands;
}

/** Puts something of the same name in the place of rsync where there is none. */
function standIn(directory: string): string {
  if (RSYNC.found) return "";
  const script = new URL("./testdata/rsync.ts", import.meta.url).pathname;
  const command = `"${Deno.execPath()}" run --no-check --allow-read --allow-write "${script}" "$@"`;
  Deno.mkdirSync(`${directory}/bin`);
  Deno.writeTextFileSync(`${directory}/bin/rsync`, `#!/bin/sh\nexec ${command}\n`, { mode: 0o755 });
  return `PATH="${directory}/bin:$PATH"\n`;
}

Deno.test({
  ...(FLOCK.found ? SHELL : FLOCK).forTest(
    `a copy of a bag in use by the commands of sharing.md has all that was acknowledged before, ${COPIES} times`,
  ),
  async fn() {
    using directory = new TemporaryDirectory();
    const { path } = directory;
    const commands = standIn(path) + readCommands();
    const bags = new InlineBags();
    const copies: { readonly path: string; readonly told: Told }[] = [];
    {
      await using writers = new AsyncDisposableStack();
      const all = ["switch", "compact"].map((mode) =>
        writers.use(new Writer(mode, `${path}/results.bag`))
      );
      for (let k = 0; k < COPIES; k++) {
        await Promise.all(all.map((writer) => writer.more(2)));
        const told = all.map((writer) => [writer, writer.lines.length] as const);
        const { success, stderr } = await SHELL.command([commands], { cwd: path }).output();
        assert(success, new TextDecoder().decode(stderr));
        copyBag(`${path}/copy.bag`, `${path}/${k}`);
        copies.push({ path: `${path}/${k}`, told });
      }
    }
    const catalogue: Catalogue = new Map();
    let promised = 0;
    for (const { path, told } of copies) {
      const { sound, missed, steps } = await bags.verify(path, { digests: true });
      assertEquals([sound, missed, steps.flatMap(({ findings }) => findings)], [true, 0, []]);
      const expectations = expectTold(told, catalogue);
      promised += expectations.promised;
      await using bag = await bags.open(path, { memoryBytes: 0 });
      await expectations.check(bag);
    }
    assertGreater(promised, 5 * COPIES);
  },
});
