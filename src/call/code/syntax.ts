import { createSha256 } from "../../base/sha256.ts";

/** A node of a syntax tree, as ESTree has it. */
export interface SyntaxNode {
  /** What it is. */
  readonly type: string;
  /** Where it begins in the text that was parsed. */
  readonly start: number;
  /** Where it ends there. */
  readonly end: number;
  /** What it is made of. */
  readonly [field: string]: unknown;
}

/** Whether something is a node. */
export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && "start" in value;
}

/** The node in a field, if there is one. */
export function nodeAt(node: SyntaxNode, field: string): SyntaxNode | undefined {
  const value = node[field];
  return isNode(value) ? value : undefined;
}

/** The nodes of a list in a field. */
export function nodesAt(node: SyntaxNode, field: string): readonly SyntaxNode[] {
  const value = node[field];
  if (!Array.isArray(value)) return NONE;
  // Nearly no list has holes.
  return value.every(isNode) ? value : value.filter(isNode);
}

const NONE: readonly SyntaxNode[] = [];

/** The text in a field, or that of the name or literal that is there. */
export function nameAt(node: SyntaxNode, field: string): string {
  const value = node[field];
  if (typeof value === "string") return value;
  return isNode(value) ? String(value.type === "Literal" ? value.value : value.name) : "";
}

/** All nodes right beneath a node, in the order of their fields. */
export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (const field in node) {
    const value = node[field];
    if (typeof value !== "object" || value === null) continue;
    if (Array.isArray(value)) { for (const each of value) if (isNode(each)) children.push(each); }
    else if (isNode(value)) children.push(value);
  }
  return children;
}

/**
 * How deep code may be nested that is read node by node, which takes a few frames of the stack for each
 * level. Stacks differ among threads; what counts must not.
 */
const DEEPEST = 500;

/** Whether code is nested too deep to be read node by node, such as a sum of a thousand terms. */
export function isTooDeep(nodes: readonly SyntaxNode[], levels = DEEPEST): boolean {
  for (const node of nodes) {
    if (levels < 0 || isTooDeep(childrenOf(node), levels - 1)) return true;
  }
  return false;
}

/** Whether a node is a function or a method's function. */
export function isFunctionNode({ type }: SyntaxNode): boolean {
  return type === "FunctionDeclaration" || type === "FunctionExpression" ||
    type === "ArrowFunctionExpression";
}

/** Whether a value is what becomes of an enum: a function fills an object with constants. */
export function isEnum(node: SyntaxNode | undefined): boolean {
  if (node?.type !== "CallExpression") return false;
  const [object] = nodesAt(node, "arguments");
  return nodeAt(node, "callee")?.type === "FunctionExpression" &&
    object?.type === "LogicalExpression";
}

/** The text of an expression that is always the same, such as a literal. */
export function literalText(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === "Literal" && typeof node.value === "string") return node.value;
  if (node?.type !== "TemplateLiteral" || nodesAt(node, "expressions").length > 0) return undefined;
  const [quasi] = nodesAt(node, "quasis");
  const value: unknown = quasi?.value;
  return typeof value === "object" && value !== null && "cooked" in value
    ? String(value.cooked)
    : undefined;
}

/** Any member. */
export const ANY = "*";

/** The members behind a name. */
export interface MemberPath {
  /** The name. */
  readonly name: string;
  /** The names of the members; `*` for one that is computed. */
  readonly path: readonly string[];
}

/** The name and the members of `a.b.c`. */
export function memberPath(node: SyntaxNode | undefined): MemberPath | undefined {
  if (node === undefined) return undefined;
  if (node.type === "Identifier") return { name: String(node.name), path: [] };
  if (node.type === "ChainExpression") return memberPath(nodeAt(node, "expression"));
  if (node.type !== "MemberExpression") return undefined;
  const outer = memberPath(nodeAt(node, "object"));
  return outer && { name: outer.name, path: [...outer.path, memberName(node)] };
}

/** The name of the member that is meant; `*` for one that is computed. */
export function memberName(node: SyntaxNode): string {
  const property = nodeAt(node, "property");
  if (node.computed !== true) return String(property?.name);
  if (property?.type === "Literal" && typeof property.value === "number") {
    return String(property.value);
  }
  return literalText(property) ?? ANY;
}

/** What says where and how something is written, or follows from the rest. */
const LAYOUT = new Set(["type", "start", "end", "raw", "directive", "sourceType"]);

/** The lists in which a semicolon of its own means nothing. */
const STATEMENTS = new Set(["body", "consequent"]);

/**
 * Digests a piece of code: comments, layout, the way that texts are quoted, and commas and semicolons
 * that mean nothing do not count.
 *
 * @param nodes The piece.
 * @param without What does not count in it.
 */
export function digestSyntax(
  nodes: readonly (SyntaxNode | undefined)[],
  without: ReadonlySet<SyntaxNode> = new Set(),
): string {
  const pieces: string[] = [];
  for (const node of nodes) if (node !== undefined) writeNode(node, pieces, without);
  return createSha256().update(pieces.join("")).digest("hex");
}

function writeNode(node: SyntaxNode, pieces: string[], without: ReadonlySet<SyntaxNode>): void {
  if (without.has(node)) {
    pieces.push("()");
    return;
  }
  pieces.push("(", node.type);
  for (const field of fieldsOf(node)) {
    const value = node[field];
    if (isEmpty(node, field, value)) continue;
    pieces.push(" ", field, ":");
    writeValue(value, field, pieces, without);
  }
  pieces.push(")");
}

/** The fields of the last node of each type, and those of them that count, in their order. */
const FIELDS = new Map<string, readonly [all: readonly string[], counted: readonly string[]]>();

function fieldsOf(node: SyntaxNode): readonly string[] {
  // A regular expression's value is an object, or nothing where the engine does not know it.
  if (typeof node.regex === "object" && node.regex !== null) return ["regex"];
  if (typeof node.bigint === "string") return ["bigint"];
  const [known, fields] = FIELDS.get(node.type) ?? [[], []];
  if (hasFields(node, known)) return fields;
  const all = Object.keys(node);
  const counted = all.filter((field) => !LAYOUT.has(field)).sort();
  FIELDS.set(node.type, [all, counted]);
  return counted;
}

function hasFields(node: SyntaxNode, fields: readonly string[]): boolean {
  let count = 0;
  for (const field in node) if (field !== fields[count++]) return false;
  return count === fields.length;
}

/** Fields that parsers add are empty where code does not use what is new. */
function isEmpty(node: SyntaxNode, field: string, value: unknown): boolean {
  if (field === "value" && node.type === "Literal") return false;
  return value === undefined || value === null || value === false ||
    (Array.isArray(value) && value.length === 0);
}

function writeValue(
  value: unknown,
  field: string,
  pieces: string[],
  without: ReadonlySet<SyntaxNode>,
): void {
  if (Array.isArray(value)) {
    pieces.push("[");
    for (const each of value) {
      if (isNode(each) && each.type === "EmptyStatement" && STATEMENTS.has(field)) continue;
      writeValue(each, "", pieces, without);
      pieces.push(",");
    }
    pieces.push("]");
  } else if (isNode(value)) {
    writeNode(value, pieces, without);
  } else if (typeof value === "object" && value !== null) {
    // The text of a template, or a regular expression.
    for (const [name, text] of Object.entries(value)) {
      pieces.push(name, "=", JSON.stringify(normalize(text)), " ");
    }
  } else {
    pieces.push(JSON.stringify(normalize(value)) ?? "", typeof value === "string" ? "" : "#");
    if (value === Infinity) pieces.push("Infinity");
  }
}

/** All line breaks are one to the language. */
function normalize(value: unknown): unknown {
  return typeof value === "string" && value.includes("\r")
    ? value.replaceAll(/\r\n?/g, "\n")
    : value;
}
