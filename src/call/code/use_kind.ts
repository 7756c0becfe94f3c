import { isData } from "./shape.ts";
import {
  ANY,
  isFunctionNode,
  memberName,
  type MemberPath,
  memberPath,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";

/**
 * What is done with something that is named: it is only looked at, called, a method of it is called, it
 * or a part of it is written, or it goes where it cannot be followed.
 */
export type UseKind = "read" | "call" | "method" | "write" | "escape";

/** Which argument of which call something is. */
export interface ArgumentPlace {
  /** What is called. */
  readonly callee: MemberPath;
  /** Which argument. */
  readonly index: number;
  /** How many there are. */
  readonly count: number;
  /** Whether what the call returns goes where it cannot be followed. */
  readonly escapes: boolean;
}

/** What is done with something, and with which part of it. */
export interface Place {
  /** What is done. */
  readonly kind: UseKind;
  /** Which member of a member is meant; `*` for any of them. */
  readonly path: readonly string[];
  /** The method that is called, where that is what is done. */
  readonly method?: string;
  /** What the method is given. */
  readonly given?: readonly SyntaxNode[];
  /** Whether what the method returns goes where it cannot be followed. */
  readonly escapes?: boolean;
  /** Whether all that is written, or that a method is given, is constant data: functions can be run. */
  readonly constant?: boolean;
  /** The call that it is an argument of, if that is where it goes. */
  readonly argument?: ArgumentPlace;
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
    const given = nodesAt(parent, "arguments");
    const constant = given.every(isData);
    return { kind: "method", path, method, given, escapes: kind !== "read", constant };
  }
  const { part, ...followed } = follow(node, ancestors.slice(0, depth + 1), bodies);
  return { ...followed, path: part ? [...path, ANY] : path };
}

interface Followed {
  readonly kind: UseKind;
  /** Whether it is about the members only. */
  readonly part?: boolean;
  readonly constant?: boolean;
  readonly argument?: ArgumentPlace;
}

const READ: Followed = { kind: "read" };
const WRITE: Followed = { kind: "write" };
const WRITE_CONSTANT: Followed = { kind: "write", constant: true };
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
      return parent.operator === "delete" ? WRITE_CONSTANT : READ;
    case "UpdateExpression":
      return WRITE_CONSTANT;
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
      return parent.object !== value || outwards().kind === "read" ? READ : ESCAPE;
    case "SpreadElement":
      return PARTS;
    case "ForOfStatement":
    case "ForInStatement":
      if (parent.left === value) return WRITE;
      return parent.type === "ForOfStatement" ? PARTS : READ;
    case "AssignmentExpression":
      if (parent.left !== value) return ESCAPE;
      return isConstantAssignment(parent) ? WRITE_CONSTANT : WRITE;
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
      return toArgument(value, parent, () => outwards().kind !== "read");
    case "ClassDeclaration":
    case "ClassExpression":
      return READ;
    default:
      return ESCAPE;
  }
}

/** What is computed of numbers or texts is one of them. */
function isConstantAssignment(assignment: SyntaxNode): boolean {
  const right = nodeAt(assignment, "right");
  return !/^(?:=|&&=|\|\|=|\?\?=)$/.test(String(assignment.operator)) ||
    (right !== undefined && isData(right));
}

function toArgument(value: SyntaxNode, call: SyntaxNode, escapes: () => boolean): Followed {
  if (call.callee === value) return { kind: "call" };
  const callee = memberPath(nodeAt(call, "callee"));
  const given = nodesAt(call, "arguments");
  const index = given.indexOf(value);
  // Behind a list of others it may be any argument.
  const isSpread = given.slice(0, index).some(({ type }) => type === "SpreadElement");
  if (callee === undefined || isSpread) return ESCAPE;
  return {
    kind: "escape",
    argument: { callee, index, count: given.length, escapes: escapes() },
  };
}
