// Contract: what the documents say of one another holds: links, anchors, and rows of benches.
import { assert, assertEquals, assertGreater } from "@std/assert";
import configuration from "../deno.json" with { type: "json" };

const ROOT = new URL("../", import.meta.url);
const FOLDERS = ["bench/", "examples/", "src/", "tests/"];

/** What of a document is for those who have the repository, not only the package. */
const DEVELOPMENT = "## Development\n";

function* listDocuments(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, ROOT))) {
    if (isDirectory) yield* listDocuments(`${folder}${name}/`);
    else if (name.endsWith(".md")) yield `${folder}${name}`;
  }
}

const DOCUMENTS = ["README.md", ...FOLDERS.flatMap((folder) => [...listDocuments(folder)])].sort();

function read(document: string): string {
  return Deno.readTextFileSync(new URL(document, ROOT));
}

/** Without blocks of code, in which brackets are no links and `#` is no heading. */
function withoutBlocks(text: string): string {
  return text.replaceAll(/^```.*?^```$/gms, "");
}

/** The anchors of the headings, as GitHub and JSR make them. */
function listAnchors(text: string): string[] {
  const seen = new Map<string, number>();
  return Array.from(withoutBlocks(text).matchAll(/^#+ (.+)$/gm), ([, heading = ""]) => {
    const plain = heading.replaceAll("&lt;", "<").replaceAll("&gt;", ">");
    const anchor = plain.toLowerCase().replaceAll(/[^\p{L}\p{N}\p{M}_ -]/gu, "").replaceAll(
      " ",
      "-",
    );
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  });
}

/** The targets of the links, and of references such as `[name]: target`. */
function listLinks(text: string): string[] {
  // Span by span: what stands between two of them is no code.
  const prose = withoutBlocks(text).replaceAll(
    /`[^`]*`(\]?)/g,
    (span, end: string) => end === "" ? "" : span,
  );
  const inline = prose.matchAll(/\]\(([^()\s]+)\)/g);
  const references = prose.matchAll(/^\[[^\]]+\]: (\S+)$/gm);
  return Array.from([...inline, ...references], ([, target = ""]) => target);
}

function isRelative(target: string): boolean {
  return !URL.canParse(target);
}

/** Why a link leads nowhere, if it does. */
function findFault(document: string, target: string): string | undefined {
  const url = new URL(target, new URL(document, ROOT));
  const anchor = decodeURIComponent(url.hash.slice(1));
  url.hash = "";
  try {
    const { isDirectory } = Deno.statSync(url);
    if (anchor === "") return undefined;
    if (isDirectory || !url.pathname.endsWith(".md")) return "only documents have anchors";
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "there is no such file";
    throw error;
  }
  if (listAnchors(Deno.readTextFileSync(url)).includes(anchor)) return undefined;
  return "there is no such heading";
}

function isPublished(path: string): boolean {
  return configuration.publish.include.some((entry) =>
    entry.endsWith("/") ? path.startsWith(entry) : path === entry
  );
}

for (const document of DOCUMENTS) {
  Deno.test(`${document} has no relative link that leads nowhere`, () => {
    const links = listLinks(read(document)).filter(isRelative);
    const faults = links.flatMap((target) => {
      const fault = findFault(document, target);
      return fault === undefined ? [] : [`${target}: ${fault}`];
    });
    assertEquals(faults, []);
  });
}

/** What is written for users: how the code is laid out is for those who have the repository. */
const FOR_USERS = DOCUMENTS.filter((document) =>
  isPublished(document) && !document.startsWith("src/")
);

for (const document of FOR_USERS) {
  Deno.test(`${document} links to what is published with it`, () => {
    const [before = ""] = read(document).split(DEVELOPMENT);
    const paths = listLinks(before).filter(isRelative).map((target) => {
      const { pathname } = new URL(target, new URL(document, ROOT));
      return decodeURIComponent(pathname.slice(ROOT.pathname.length));
    });
    assertEquals(paths.filter((path) => !isPublished(path)), []);
  });
}

Deno.test("listLinks() and listAnchors() find what is wrong", () => {
  const text =
    "# A `b`: c!\n\n[x](./none.md) [y](#a-b-c)\n[`z`](#no) `w` [`v`](#v) `u`\n```ts\n# [q](p)\n```\n";
  assertEquals(listAnchors(text), ["a-b-c"]);
  assertEquals(listLinks(text), ["./none.md", "#a-b-c", "#no", "#v"]);
  assertEquals(findFault("README.md", "./none.md"), "there is no such file");
  assertEquals(findFault("README.md", "#no"), "there is no such heading");
});

Deno.test("src/README.md names files that are there, and each sub-folder", () => {
  const text = read("src/README.md");
  const named = new Set(Array.from(text.matchAll(/(?:\w+\/)+\w+\.ts/g), ([path]) => path));
  assertGreater(named.size, 50);
  const folders = ["src/", "src/executor/", "", "tests/"].map((folder) => new URL(folder, ROOT));
  const isThere = (path: string) =>
    folders.some((folder) => {
      try {
        return Deno.statSync(new URL(path, folder)).isFile;
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) return false;
        throw error;
      }
    });
  assertEquals([...named].filter((path) => !isThere(path)), []);
  const rooms = Array.from(Deno.readDirSync(new URL("src/", ROOT)))
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  const within = rooms.flatMap((room) =>
    Array.from(Deno.readDirSync(new URL(`src/${room}/`, ROOT)))
  )
    .filter(({ isDirectory }) => isDirectory).map(({ name }) => name);
  assertEquals([...rooms, ...within].filter((name) => !text.includes(`\`${name}/\``)), []);
});

Deno.test("README.md links to each guide", () => {
  const links = listLinks(read("README.md")).map((link) => link.split("#")[0]);
  const guides = DOCUMENTS.filter((document) => document.startsWith("examples/guides/"));
  assertGreater(guides.length, 5);
  assertEquals(guides.filter((guide) => !links.includes(`./${guide}`)), []);
});

Deno.test("README.md names each entry, and questions.md each package that Quiver needs", () => {
  const [readme, questions] = ["README.md", "examples/guides/questions.md"].map(read);
  const entries = Object.keys(configuration.exports).map((entry) =>
    `| \`${entry.replace(".", configuration.name)}\` `
  );
  assertEquals(entries.filter((entry) => !readme?.includes(entry)), []);
  const packages = Object.entries(configuration.imports)
    .filter(([, target]) => target.startsWith("npm:")).map(([name]) => name);
  assertGreater(packages.length, 3);
  assertEquals(packages.filter((name) => !questions?.includes(name)), []);
});

Deno.test("README.md shows figures that stand in bench/README.md", () => {
  const [, section = ""] = read("README.md").split("\n## Benchmarks\n");
  const rows = section.split(DEVELOPMENT, 1).join("").split("\n").slice(1)
    .filter((line) => line.startsWith("| ")).map((line) => line.split("|").map((s) => s.trim()));
  const known = read("bench/README.md");
  const figures = rows.slice(2).map(([, , figure = ""]) => figure);
  assertEquals(figures.length, 10);
  for (const figure of figures) assert(known.includes(`| ${figure} `), figure);
});
