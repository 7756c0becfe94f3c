import { isFunctionNode, literalText, nodeAt, type SyntaxNode } from "./syntax.ts";

/**
 * What is done with something that is named: it is only looked at, called, a method of it is called, it
 * or a part of it is written, or it goes where it cannot be followed.
 */
export type UseKind = "read" | "call" | "method" | "write" | "escape";

/** The members behind a name. */
export interface MemberPath {
  /** The name. */
  readonly name: string;
  /** The names of the members; `*` for one that is computed. */
  readonly path: readonly string[];
}

/** Which argument of which call something is. */
export interface ArgumentPlace {
  /** What is called. */
  readonly callee: MemberPath;
  /** Which argument. */
  readonly index: number;
}

/** What is done with something, and with which part of it. */
interface Place {
  readonly kind: UseKind;
  readonly path: readonly string[];
  readonly method?: string;
  readonly escapes?: boolean;
  readonly argument?: ArgumentPlace;
}

/** Any member. */
export const ANY = "*";

/** The name and the members of `a.b.c`. */
export function memberPath(node: SyntaxNode | undefined): MemberPath | undefined {
  if (node === undefined) return undefined;
  if (node.type === "Identifier") return { name: String(node.name), path: [] };
  if (node.type === "ChainExpression") return memberPath(nodeAt(node, "expression"));
  if (node.type !== "MemberExpression") return undefined;
  const outer = memberPath(nodeAt(node, "object"));
  return outer && { name: outer.name, path: [...outer.path, memberName(node)] };
}

function memberName(node: SyntaxNode): string {
  const property = nodeAt(node, "property");
  if (node.computed !== true) return String(property?.name);
  if (property?.type === "Literal" && typeof property.value === "number") {
    return String(property.value);
  }
  return literalText(property) ?? ANY;
}

/**
 * Tells what is done with something that is named.
 *
 * @param name Where it is named.
 * @param ancestors What is around that, innermost last.
 * @param bodies The functions whose results are data.
 */
export function classify(
  name: SyntaxNode,
  ancestors: readonly SyntaxNode[],
  bodies: ReadonlySet<SyntaxNode>,
): Place {
  const path: string[] = [];
  let node = name;
  let depth = ancestors.length - 1;
  for (;; depth--) {
    const parent = ancestors[depth];
    if (parent === undefined) return { kind: "escape", path };
    if (parent.type === "MemberExpression" && parent.object === node) path.push(memberName(parent));
    else if (parent.type !== "ChainExpression") break;
    node = parent;
  }
  const parent = ancestors[depth];
  if (parent?.type === "CallExpression" && parent.callee === node) {
    const method = path.pop();
    if (method === undefined) return { kind: "call", path };
    const { kind } = follow(parent, ancestors.slice(0, depth), bodies);
    return { kind: "method", path, method, escapes: kind !== "read" };
  }
  const { kind, part, argument } = follow(node, ancestors.slice(0, depth + 1), bodies);
  const whole = part ? [...path, ANY] : path;
  return argument === undefined ? { kind, path: whole } : { kind, path: whole, argument };
}

interface Followed {
  readonly kind: UseKind;
  /** Whether it is about the members only. */
  readonly part?: boolean;
  readonly argument?: ArgumentPlace;
}

const READ: Followed = { kind: "read" };
const WRITE: Followed = { kind: "write" };
const ESCAPE: Followed = { kind: "escape" };
const PARTS: Followed = { kind: "escape", part: true };

/** Where a value goes. */
function follow(
  value: SyntaxNode,
  ancestors: readonly SyntaxNode[],
  bodies: ReadonlySet<SyntaxNode>,
): Followed {
  const parent = ancestors.at(-1);
  const outwards = () =>
    parent === undefined ? ESCAPE : follow(parent, ancestors.slice(0, -1), bodies);
  switch (parent?.type) {
    case "ExpressionStatement":
    case "BinaryExpression":
    case "TemplateLiteral":
      return ancestors.at(-2)?.type === "TaggedTemplateExpression" ? ESCAPE : READ;
    case "UnaryExpression":
      return parent.operator === "delete" ? WRITE : READ;
    case "UpdateExpression":
      return WRITE;
    case "IfStatement":
    case "WhileStatement":
    case "DoWhileStatement":
    case "ForStatement":
    case "SwitchStatement":
    case "SwitchCase":
      return READ;
    case "ConditionalExpression":
      return parent.test === value ? READ : outwards();
    case "LogicalExpression":
    case "AwaitExpression":
      return outwards();
    case "MemberExpression":
      return parent.object === value ? ESCAPE : READ;
    case "SpreadElement":
      return PARTS;
    case "ForOfStatement":
    case "ForInStatement":
      if (parent.left === value) return WRITE;
      return parent.type === "ForOfStatement" ? PARTS : READ;
    case "AssignmentExpression":
      return parent.left === value ? WRITE : ESCAPE;
    case "ArrayPattern":
    case "RestElement":
      return WRITE;
    case "AssignmentPattern":
      return parent.left === value ? WRITE : ESCAPE;
    case "Property":
      return ancestors.at(-2)?.type === "ObjectPattern" && parent.value === value ? WRITE : ESCAPE;
    case "VariableDeclarator":
      return nodeAt(parent, "id")?.type === "Identifier" ? ESCAPE : PARTS;
    case "ReturnStatement":
    case "ArrowFunctionExpression": {
      const around = ancestors.findLast(isFunctionNode);
      return around !== undefined && bodies.has(around) ? READ : ESCAPE;
    }
    case "TaggedTemplateExpression":
      return { kind: "call" };
    case "CallExpression":
    case "NewExpression":
      return toArgument(value, parent);
    case "ClassDeclaration":
    case "ClassExpression":
      return READ;
    default:
      return ESCAPE;
  }
}

function toArgument(value: SyntaxNode, call: SyntaxNode): Followed {
  if (call.callee === value) return { kind: "call" };
  const callee = memberPath(nodeAt(call, "callee"));
  const index = Array.isArray(call.arguments) ? call.arguments.indexOf(value) : -1;
  return callee === undefined ? ESCAPE : { kind: "escape", argument: { callee, index } };
}
