// End-to-end: the page in a real browser, over a bag with many calls, and one with hostile content.
// `page_test.ts` runs it in a process of its own: what drives the browser asks for more permissions than
// tests have. Its one argument is the browser.
import { assert, assertEquals, assertMatch } from "@std/assert";
import { cacheScope } from "@quiver/quiver";
import { type Browser, chromium, type Page } from "playwright-core";
import {
  breaks,
  field,
  fillWithRows,
  HOSTILE,
  hostile,
  names,
  ShownBag,
  wave,
  whole,
} from "./_shown_bag.ts";

/** A page that has told of each error, and of each request that it made. */
interface Opened {
  readonly page: Page;
  readonly problems: string[];
  readonly requests: string[];
}

async function open(browser: Browser, shown: ShownBag, options = {}): Promise<Opened> {
  const page = await browser.newPage({ viewport: { width: 2400, height: 800 }, ...options });
  page.setDefaultTimeout(15_000);
  const problems: string[] = [];
  const requests: string[] = [];
  page.on("pageerror", ({ message }) => problems.push(message));
  page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
  page.on("request", (request) => requests.push(request.url()));
  await page.goto(shown.server.url);
  return { page, problems, requests };
}

async function go(page: Page, hash: string): Promise<void> {
  await page.evaluate(`location.hash = ${JSON.stringify(hash)}`);
}

Deno.test({
  name: "the page",
  sanitizeResources: false,
  sanitizeOps: false,
  async fn(t) {
    await using many = await ShownBag.create(
      async () => {
        for (let rate = 1; rate <= 6; rate++) await whole(rate);
        await field(64);
        await breaks(7).catch(() => {});
      },
      {},
      (bag) => fillWithRows(bag, 10_000),
    );
    await using evil = await ShownBag.create(
      async () => {
        await hostile(HOSTILE);
        await breaks(1).catch(() => {});
      },
      { tags: { [HOSTILE]: HOSTILE, __proto__: null, constructor: "x" } },
      (bag) => fillWithRows(bag, 20, 12_000),
    );
    await many.settled();
    await evil.settled();
    const browser = await chromium.launch({
      executablePath: Deno.args[0] ?? "",
      args: ["--no-sandbox"],
    });
    try {
      const { page, problems, requests } = await open(browser, many);
      const matching = page.getByTestId("matching");

      await t.step(
        "Calls: all are counted, and of a long table only what is seen is there",
        async () => {
          await matching.getByText("10,020", { exact: true }).waitFor();
          assert(await page.locator(".table .row").count() < 60);
          assertEquals(await page.locator("[role=grid]").getAttribute("aria-rowcount"), "10021");
          assertEquals(new URL(page.url()).search, "");
        },
      );

      await t.step("Calls: a facet filters, a header sorts, and the address says so", async () => {
        await page.getByRole("group", { name: "task" }).getByText("wave").click();
        await matching.getByText("6", { exact: true }).waitFor();
        await page.getByRole("button", { name: "result.loss", exact: true }).click();
        await page.locator(".row").first().getByText("wave").waitFor();
        assertMatch(
          decodeURIComponent(page.url()),
          /"column":"task","is":\["wave"\].*sort=result\.loss/,
        );
        const first = await page.locator(".row").first().locator(".key a").textContent();
        assertEquals(first, (await wave.digest(3, 0)).slice(0, 8));
        await page.reload();
        await matching.getByText("6", { exact: true }).waitFor();
        await page.getByLabel("only what differs").check();
        await page.getByRole("columnheader", { name: "args.phase" }).waitFor({ state: "detached" });
        assertEquals(await page.getByRole("columnheader", { name: "args.rate" }).count(), 1);
      });

      await t.step(
        "Calls: a cell filters, a hidden column stays hidden, the keyboard moves",
        async () => {
          await go(page, "#/calls");
          await matching.getByText("10,020").waitFor();
          await page.getByLabel("Column to filter").selectOption("args.n");
          await page.getByLabel("What it is to be").fill("95..99");
          await page.keyboard.press("Enter");
          await matching.getByText("500", { exact: true }).waitFor();
          await page.locator(".row").first().locator(".cell").nth(1).getByRole("button").click();
          await page.getByRole("list", { name: "Filters that hold" }).getByText("task = row")
            .waitFor();
          await page.getByLabel("Hide the column state").click({ force: true });
          await page.getByRole("columnheader", { name: "state" }).waitFor({ state: "detached" });
          await page.reload();
          await matching.getByText("500", { exact: true }).waitFor();
          assertEquals(await page.getByRole("columnheader", { name: "state" }).count(), 0);
          await page.getByRole("grid").focus();
          await page.keyboard.press("End");
          await page.keyboard.press("Home");
          await page.keyboard.press("ArrowDown");
          await page.keyboard.press("Space");
          await page.keyboard.press("ArrowDown");
          await page.keyboard.press("Space");
          await page.getByRole("link", { name: "Compare 2" }).click();
          await page.getByRole("row", { name: /^args\.n/ }).waitFor();
          await go(page, "#/calls");
          await page.keyboard.press("/");
          await page.keyboard.type("RangeError");
          await matching.getByText("1", { exact: true }).waitFor();
        },
      );

      await t.step("Value: a tree, a line, a zoom that stays, numbers", async () => {
        await go(page, `#/call?key=${await wave.digest(2, 0)}&path=result/ys`);
        await page.locator(".u-over").waitFor();
        assertEquals(await page.getByRole("treeitem", { name: /loss/ }).textContent(), "loss 1");
        const box = await page.locator(".u-over").boundingBox();
        assert(box !== null);
        await page.mouse.move(box.x + 100, box.y + 100);
        await page.mouse.down();
        await page.mouse.move(box.x + 300, box.y + 100, { steps: 3 });
        await page.mouse.up();
        await page.waitForURL(/zoom=/);
        const zoom = new URLSearchParams(page.url().split("?")[1]).get("zoom");
        await page.getByRole("tab", { name: "table" }).click();
        await page.getByRole("row", { name: /^1 0\.00/ }).waitFor();
        assertEquals(new URLSearchParams(page.url().split("?")[1]).get("zoom"), zoom);
      });

      await t.step("Value: a map whose middle is dark and whose corners are bright", async () => {
        await go(page, `#/call?key=${await field.digest(64)}&path=result`);
        await page.getByRole("img", { name: /^result: from 0 to 45/ }).waitFor();
        const colour = async (x: number, y: number) =>
          await page.evaluate(`(async () => {
            for (;;) {
              const { data } = document.querySelector("canvas.map").getContext("2d").getImageData(${x}, ${y}, 1, 1);
              if (data[3] === 255) return [...data];
              await new Promise(requestAnimationFrame);
            }
          })()`);
        assertEquals([await colour(32, 32), await colour(0, 0)], [[68, 1, 84, 255], [
          253,
          231,
          37,
          255,
        ]]);
      });

      await t.step("Compare, Lineage, Timeline, Store: what they are about is there", async () => {
        const keys = [await wave.digest(1, 0), await wave.digest(2, 0)];
        await go(page, `#/compare?keys=${keys.join(",")}`);
        await page.getByRole("row", { name: /args\.rate 1 2\+1/ }).waitFor();
        assertEquals(await page.getByRole("row", { name: /args\.phase/ }).count(), 0);
        await page.getByRole("link", { name: "Overlay the results" }).click();
        await page.waitForURL(/with=/);
        await go(page, `#/call?key=${keys[0]}&path=result/ys&with=${keys.join(",")}`);
        await page.locator(".u-series").nth(2).waitFor();
        await go(page, `#/lineage?key=${keys[0]}`);
        await page.getByText(/^It was made by/).getByRole("link", { name: /whole/ }).waitFor();
        await page.getByRole("link", { name: /^mean/ }).waitFor();
        await go(page, "#/timeline?lane=task");
        await page.locator("rect.failed").waitFor();
        await page.getByLabel("Zoom in").click();
        await page.waitForURL(/from=/);
        await go(page, "#/store");
        await page.getByRole("table", { name: "Tasks" }).getByRole("row", { name: /row 10,000/ })
          .waitFor();
      });

      await t.step("what another handle of the bag writes appears by itself", async () => {
        await go(page, "#/calls");
        await matching.getByText("10,020").waitFor();
        await cacheScope({ cache: many.writer }, () => field(8));
        await matching.getByText("10,021").waitFor();
      });

      await t.step("nothing is asked of anybody else, and nothing has failed", () => {
        assertEquals(problems, []);
        assertEquals([...new Set(requests.map((url) => new URL(url).origin))], [
          new URL(many.server.url).origin,
        ]);
      });

      await t.step(
        "hostile names, values and errors are texts; columns beyond the first are left out",
        async () => {
          const { page, problems } = await open(browser, evil, {
            viewport: { width: 480, height: 800 },
            colorScheme: "dark",
          });
          await page.getByTestId("matching").getByText("22", { exact: true }).waitFor();
          assertEquals(
            await page.evaluate("getComputedStyle(document.body).backgroundColor"),
            "rgb(20, 24, 27)",
          );
          assertEquals((await evil.json("/api/state")).columns.length <= 600, true);
          assert((await evil.json("/api/state")).dropped > 0);
          const [row] = (await evil.json(
            `/api/calls?columns=${names("task")}&search=${encodeURIComponent("RangeError")}`,
          )).rows;
          await page.locator(".row").first().getByText("breaks").waitFor();
          await go(page, `#/call?key=${row.key}`);
          await page.getByText(`${HOSTILE} 1`, { exact: true }).waitFor();
          await go(page, `#/call?key=${await hostile.digest(HOSTILE)}&path=result`);
          await page.getByRole("heading", { name: HOSTILE }).waitFor();
          await page.getByText("__proto__", { exact: true }).waitFor();
          for (
            const view of ["timeline?lane=task", "store", "calls", "nothing", `call?key=${HOSTILE}`]
          ) {
            await go(page, `#/${view}`);
            await page.locator("main > *").first().waitFor();
          }
          assertEquals(
            await page.evaluate(
              "[globalThis.ran, ({}).polluted, document.querySelectorAll('main img, main script').length]",
            ),
            [undefined, undefined, 0],
          );
          assertEquals(problems.filter((text) => !text.includes("status of 404")), []);
        },
      );

      await t.step("a page whose server has ended says so", async () => {
        await many.server.close();
        await page.getByText("The server has ended").waitFor();
      });
    } finally {
      await browser.close();
    }
  },
});
