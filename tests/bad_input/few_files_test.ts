// End-to-end: a machine that lets a program open few files.
import { assertEquals } from "@std/assert";
import { runProgram } from "./_run_program.ts";
import { TemporaryDirectory } from "./_temporary_directory.ts";
import { Tool } from "../tools.ts";

const SHELL = Tool.find("sh");

Deno.test({
  ...SHELL.forTest(
    "a bag closes files that it keeps for later before a call fails for want of one",
  ),
  async fn() {
    for (const [limit, handles] of [[40, 1], [60, 6]] as const) {
      await using directory = new TemporaryDirectory();
      const within = { tool: SHELL, args: [`ulimit -n ${limit} && exec "$0" "$@"`] };
      const { stdout, stderr } = await runProgram("few_files.ts", {
        args: [`${directory.path}/bag`, `${handles}`],
        within,
      });
      assertEquals([stdout, stderr], ['{"wrong":0,"known":60,"warnings":[]}\n', ""], `${limit}`);
    }
  },
});
