// End-to-end: the page is what its source builds, and a real browser shows it.
import { assert, assertEquals } from "@std/assert";
import { buildPage } from "./main.ts";
import { Tool } from "../tools.ts";

const BROWSER = Tool.find("browser");
const DIST = new URL("../../src/browse/dist/", import.meta.url);
const IN_BROWSER = new URL("_page_in_browser.ts", import.meta.url);

/** So many bytes the page may have, as it is sent when packed. */
const MOST_BYTES = 100_000;

Deno.test("the page of browse() is what its source builds, and small", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await buildPage(folder);
    for (const name of ["page.js", "page.css"]) {
      const built = await Deno.readTextFile(`${folder}/${name}`);
      const isSame = built === await Deno.readTextFile(new URL(name, DIST));
      assert(isSame, `run "deno task page": ${name} is not what its source builds`);
      const packed = new Blob([built]).stream().pipeThrough(new CompressionStream("gzip"));
      assert((await new Response(packed).bytes()).length < MOST_BYTES, name);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  ...BROWSER.forTest(
    "the page of browse() shows calls and values in a browser, live and hostile ones",
  ),
  async fn() {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["test", "--no-check", "--allow-all", IN_BROWSER.href, "--", BROWSER.program],
    }).output();
    const decoder = new TextDecoder();
    assertEquals(code, 0, decoder.decode(stdout) + decoder.decode(stderr));
  },
});
