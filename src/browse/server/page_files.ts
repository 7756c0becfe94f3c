import script from "../dist/page.js" with { type: "text" };
import style from "../dist/page.css" with { type: "text" };

const HTML = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Quiver</title>
<link rel="icon" href="/icon.svg">
<link rel="stylesheet" href="/page.css">
<script type="module" src="/page.js"></script>
<body><div id="root"></div></body>
</html>
`;

const ICON =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path d="M3 13 13 3M8 3h5v5" fill="none" stroke="#2f7d6b" stroke-width="2"/></svg>`;

/** What the page consists of: all of it is read with this module, so that it needs no permission. */
export const PAGE_FILES: ReadonlyMap<string, () => Response> = new Map(
  [
    ["/", HTML, "text/html"],
    ["/page.js", script, "text/javascript"],
    ["/page.css", style, "text/css"],
    ["/icon.svg", ICON, "image/svg+xml"],
  ].map(([path = "", text = "", type = ""]) => [
    path,
    () =>
      new Response(text, {
        headers: { "content-type": `${type}; charset=utf-8`, "cache-control": "no-cache" },
      }),
  ]),
);
