/** Where Deno keeps the packages of programs that have no `node_modules`. */
const KEPT = /\/npm\/[^/]+\/((?:@[^/]+\/)?[^/@]+)\/(\d+\.\d+\.\d+[^/]*)(\/.*)$/;

/** A package of npm, and what is meant of it. */
export interface KeptPackage {
  /** The name. */
  readonly name: string;
  /** The version. */
  readonly version: string;
  /** The path in it. */
  readonly path: string;
}

/** Tells which package a file is of that Deno keeps for programs without `node_modules`. */
export function findKeptPackage(url: string): KeptPackage | undefined {
  const [, name, version, path] = KEPT.exec(url) ?? [];
  if (name === undefined || version === undefined || path === undefined) return undefined;
  return { name, version, path };
}

/** What a module seems to import. */
export interface FoundSpecifier {
  /** The literal. */
  readonly specifier: string;
  /** What it is given to, where that is a call. */
  readonly callee: "import" | "require" | undefined;
}

const TYPED = /\.[cm]?ts$/;

const IMPORT =
  /\b(from|import|require)((?:\s|\(|new\s+URL\b|import\.meta\.resolve\b|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/|\/\/[^\n]*\n)*)(?:"([^"\n]*)"|'([^'\n]*)'|`([^`$\n]*)`)/g;

/** The types of a longer text are not worth the time that it takes to drop them. */
const LONGEST_TYPED = 2 ** 18;

/**
 * A specifier is the literal behind `from`, `import`, `import(` or `require(`, and what may stand
 * between. Nothing is parsed: the
 * code of a program is read here before its first call runs, and what stands in a string, or in a
 * comment at the end of a line, is taken for an import, too. One file more is checked then.
 */
export function findSpecifiers(text: string, name: string): FoundSpecifier[] {
  const code = TYPED.test(name) && text.length <= LONGEST_TYPED ? dropTypes(text) : text;
  const found: FoundSpecifier[] = [];
  for (const { index, 1: word, 2: between = "", 3: a, 4: b, 5: c } of code.matchAll(IMPORT)) {
    const called = between.includes("(");
    if ((word === "from" && called) || isComment(code, index)) continue;
    const callee = word === "require" ? word : called ? "import" : undefined;
    const specifier = a ?? b ?? c ?? "";
    const isUrl = between.includes("URL") && !/^\.{0,2}\/|^\w+:/.test(specifier);
    found.push({ specifier: isUrl ? `./${specifier}` : specifier, callee });
  }
  return found;
}

/**
 * Makes JavaScript of TypeScript. What does it is loaded with the first module that may have types.
 *
 * @param mode Whether types are left out, or code is made of enums and the like, too.
 * @throws {SyntaxError} When it is not understood.
 */
export function stripTypes(text: string, mode: "strip" | "transform" = "strip"): string {
  // deno-lint-ignore no-process-global -- an import would load it with the first key of any program
  const { stripTypeScriptTypes } = process.getBuiltinModule(
    "node:module",
  ) as typeof import("node:module");
  return stripTypeScriptTypes(text, { mode });
}

/** What types are imported from is not loaded; without `type`, it counts. */
function dropTypes(text: string): string {
  try {
    return stripTypes(text);
  } catch {
    // It has enums or decorators, which cannot be stripped, or is no code at all.
    return text;
  }
}

/** Whether a line of a comment has this place: one that begins with slashes, or in a block a star. */
function isComment(code: string, index: number): boolean {
  const line = code.slice(code.lastIndexOf("\n", index) + 1, index).trimStart();
  if (line.startsWith("//")) return true;
  const isStarred = line.startsWith("/*") || /^\*(?:\s|$)/.test(line);
  return isStarred && code.lastIndexOf("/*", index) > code.lastIndexOf("*/", index);
}
