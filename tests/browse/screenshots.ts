/**
 * Photographs the views of the page on the demo's bag, for the README and the guides: `deno task
 * screenshots`.
 *
 * @module
 */
import { openBag } from "@quiver/quiver";
import { browse } from "@quiver/quiver/browse";
import { query } from "@quiver/quiver/caches";
import { chromium } from "playwright-core";
import { Tool } from "../tools.ts";
import { toPalettePng } from "./_palette_png.ts";

const ROOT = new URL("../../", import.meta.url);
const IMAGES = new URL("examples/guides/images/", ROOT);

/** How wide the pictures are, in pixels. */
const WIDTH = 880;

/** What is photographed. */
interface Shot {
  /** The name of the file. */
  readonly name: string;
  /** Behind `#/` in the address. */
  readonly hash: string;
  /** How much of the page is in the picture, in pixels. */
  readonly height: number;
  /** What is there once the view is. */
  readonly shows: string;
}

async function findShots(): Promise<Shot[]> {
  await using bag = await openBag(new URL(".quiver/flights.bag", ROOT), { mode: "read" });
  const best: { key: string; error: number }[] = [];
  for await (const { key, result } of query(bag, { task: "validateRegression" })) {
    best.push({ key, error: Number(await bag.read(result, "error")) });
  }
  best.sort((a, b) => a.error - b.error);
  const keys = best.map(({ key }) => key);
  const [first = ""] = keys;
  const shown = [keys[0], keys[8], keys.at(-1)].join(",");
  const smooth = await query(bag, {
    task: "validateRegression",
    args: { minutes: 80, miles: 200 },
  }).only();
  const delays = (await Array.fromAsync(
    query(bag, { task: "estimateDelay", args: { statistic: "mean" } }),
    ({ key }) => key,
  )).slice(0, 4);
  const filters = encodeURIComponent(
    JSON.stringify([{ column: "task", is: ["validateRegression"] }]),
  );
  return [
    {
      name: "calls",
      hash: `calls?filters=${filters}&sort=result.error&differing=1`,
      height: 470,
      shows: ".row .value",
    },
    {
      name: "map",
      hash: `call?key=${smooth.key}`,
      height: 700,
      shows: "canvas.map",
    },
    {
      name: "line",
      hash: `call?key=${delays[0]}&with=${delays.join(",")}&path=result/replicates`,
      height: 700,
      shows: `.u-series:nth-child(${delays.length})`,
    },
    { name: "compare", hash: `compare?keys=${shown}`, height: 340, shows: "tr.differs" },
    { name: "lineage", hash: `lineage?key=${first}`, height: 260, shows: ".lineage li a" },
    { name: "timeline", hash: "timeline?lane=task", height: 330, shows: "rect.done" },
    { name: "store", hash: "store", height: 480, shows: "meter" },
  ];
}

async function main(): Promise<void> {
  const shots = await findShots();
  await Deno.mkdir(IMAGES, { recursive: true });
  await using bag = await openBag(new URL(".quiver/flights.bag", ROOT), { mode: "read" });
  await using server = browse(bag);
  const browser = await chromium.launch({
    executablePath: Tool.find("browser").program,
    args: ["--no-sandbox", "--disable-lcd-text"],
  });
  try {
    const page = await browser.newPage({ viewport: { width: WIDTH, height: 600 } });
    await page.goto(server.url);
    await page.getByRole("status").getByText("live").waitFor();
    for (const { name, hash, height, shows } of shots) {
      await page.setViewportSize({ width: WIDTH, height });
      await page.evaluate(`location.hash = ${JSON.stringify(`#/${hash}`)}`);
      await page.locator(shows).first().waitFor();
      // Where the bag lies here is nobody's business.
      await page.evaluate(`for (const heading of document.querySelectorAll(".store h1"))
        heading.textContent = ".quiver/flights.bag"`);
      await page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 300)))",
      );
      const picture = toPalettePng(await page.screenshot());
      await Deno.writeFile(new URL(`browse_${name}.png`, IMAGES), picture);
    }
  } finally {
    await browser.close();
  }
}

if (import.meta.main) await main();
