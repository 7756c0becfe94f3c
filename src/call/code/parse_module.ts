import { createSha256 } from "../../base/sha256.ts";
import { parseModule as parse } from "../acorn.ts";
import { findSpecifiers, type FoundSpecifier, stripTypes } from "../specifiers.ts";
import { isNode, isTooDeep, nodesAt, type SyntaxNode } from "./syntax.ts";

/** The language of a module. */
export type Language = "javascript" | "typescript" | "unknown";

/** A module as it was read. */
export type ParsedModule =
  | {
    readonly kind: "code";
    /** The statements. */
    readonly body: readonly SyntaxNode[];
    /** The text that was parsed. */
    readonly text: string;
    /** The text before types were dropped; places in it are the same where `stripped`. */
    readonly original: string;
    /** Whether types were dropped and nothing else, so that all has kept its place. */
    readonly stripped: boolean;
    /** Whether variables have types, and `original` has those that are written. */
    readonly typed: boolean;
    /** Whether it is a script of Node's, which says by itself what others get of it. */
    readonly script: boolean;
  }
  | {
    readonly kind: "opaque";
    /** The digest of its text. */
    readonly digest: string;
    /** What it seems to import. */
    readonly specifiers: readonly FoundSpecifier[];
  };

/**
 * Parses a module. What is not understood, as it has JSX or decorators, is nested too deep or is no code
 * at all, counts as a whole by its text.
 *
 * @param text The source.
 * @param language What it is written in.
 * @param name The end of its path, which says more.
 */
export function parseModule(text: string, language: Language, name: string): ParsedModule {
  if (language !== "unknown") {
    const script = /\.c[jt]s$/.test(name);
    for (const mode of language === "javascript" ? (["none"] as const) : MODES) {
      const parsed = tryParse(text, mode, script);
      if (parsed !== undefined) return parsed;
    }
  }
  const digest = createSha256().update(text).digest("hex");
  const [, runtime] = /@jsxImportSource\s+(\S+)/.exec(text) ?? [];
  const specifiers = findSpecifiers(text, name);
  if (runtime !== undefined) {
    specifiers.push({ specifier: `${runtime}/jsx-runtime`, callee: undefined });
  }
  return { kind: "opaque", digest, specifiers };
}

/** Enums, namespaces and parameter properties are code, which only the second one understands. */
const MODES = ["strip", "transform"] as const;

function tryParse(
  original: string,
  mode: "none" | (typeof MODES)[number],
  script: boolean,
): ParsedModule | undefined {
  try {
    const text = mode === "none" ? original : stripTypes(original, mode);
    const program: unknown = parse(text, script);
    if (!isNode(program)) return undefined;
    const body = nodesAt(program, "body");
    if (isTooDeep(body)) return undefined;
    const [stripped, typed] = [mode !== "transform", mode === "strip"];
    return { kind: "code", body, text, original, stripped, typed, script };
  } catch {
    return undefined;
  }
}
