import {
  ANY,
  isEnum,
  isFunctionNode,
  isNode,
  memberPath,
  nameAt,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";

/** What the code tells of a value; nothing where it may be anything. */
export type Shape = {
  /** What it may be, each. */
  readonly nodes: readonly SyntaxNode[];
  /** Whether there may be more in it than that, as others put something in. */
  readonly open: boolean;
} | undefined;

/** Tells whether a name is that of what is there everywhere. */
export type IsGlobal = (name: string) => boolean;

/** What has no parts that could be changed. */
export const CONSTANT: Shape = { nodes: [], open: false };

const CONTAINERS = /^(?:Weak)?(?:Map|Set)$|Array$/;

/** Whether a value has no parts that could be changed. */
export function isConstant(node: SyntaxNode): boolean {
  switch (node.type) {
    case "Literal":
      return typeof node.regex !== "object" || node.regex === null;
    case "TemplateLiteral":
    case "UnaryExpression":
    case "BinaryExpression":
    case "UpdateExpression":
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return true;
    case "Identifier":
      return node.name === "undefined" || node.name === "NaN" || node.name === "Infinity";
    default:
      return false;
  }
}

/** Whether a value has no parts that could be changed, and nobody can run it. */
export function isData(node: SyntaxNode): boolean {
  return isConstant(node) && !isFunctionNode(node);
}

/** Whether nothing of that could be changed which a value may be. */
export function isAllConstant(shape: Shape): boolean {
  return shape !== undefined && shape.nodes.every(isConstant);
}

/** Whether a value is a list, a map, a set or an array of numbers. */
export function isContainer(node: SyntaxNode, isGlobal: IsGlobal): boolean {
  return node.type === "ArrayExpression" || containerName(node, isGlobal) !== "";
}

function containerName(node: SyntaxNode, isGlobal: IsGlobal): string {
  const name = node.type === "NewExpression" ? nameAt(node, "callee") : "";
  return CONTAINERS.test(name) && isGlobal(name) ? name : "";
}

const CONVERSIONS = new Set(["toJSON", "toString", "valueOf"]);

/** Whether a member is called by no name: to make a number or a text of the object. */
export function isConversion(member: SyntaxNode): boolean {
  const key = nodeAt(member, "key");
  return member.computed === true
    ? key !== undefined && memberPath(key)?.path[0] === "toPrimitive"
    : CONVERSIONS.has(nameAt(member, "key"));
}

/** Whether a member is called when it is looked at, or written. */
export function isAccessor({ kind }: SyntaxNode): boolean {
  return kind === "get" || kind === "set";
}

/** The part of a value that a path leads to. */
export function partOf(shape: Shape, path: readonly string[], isGlobal: IsGlobal): Shape {
  let part: Shape = shape && { ...shape, nodes: shape.nodes.map((node) => unwrap(node, isGlobal)) };
  for (const name of path) {
    if (part === undefined) return undefined;
    const { nodes, open } = part;
    const parts: SyntaxNode[] = [];
    for (const node of nodes) {
      if (isConstant(node) || isEnum(node) || isLength(node, name, isGlobal)) continue;
      const members = open ? undefined : memberOf(node, name, isGlobal);
      if (members === undefined) return undefined;
      parts.push(...members.map((member) => unwrap(member, isGlobal)));
    }
    part = { nodes: parts, open: false };
  }
  return part;
}

/** What is in a value: in a map, what the keys and the values are. */
export function elementsOf(shape: Shape, isGlobal: IsGlobal): Shape {
  return isAllConstant(shape) ? CONSTANT : partOf(shape, [ANY], isGlobal);
}

/** What is frozen is looked at as if it were not. */
function unwrap(node: SyntaxNode, isGlobal: IsGlobal): SyntaxNode {
  if (node.type !== "CallExpression") return node;
  const callee = memberPath(nodeAt(node, "callee"));
  const [first] = nodesAt(node, "arguments");
  return callee?.name === "Object" && callee.path[0] === "freeze" && first !== undefined &&
      isGlobal("Object")
    ? unwrap(first, isGlobal)
    : node;
}

function isLength(node: SyntaxNode, name: string, isGlobal: IsGlobal): boolean {
  return (name === "length" || name === "size") && isContainer(node, isGlobal);
}

/** What a member of a value may be; nothing where it may be anything. */
function memberOf(
  node: SyntaxNode,
  name: string,
  isGlobal: IsGlobal,
): readonly SyntaxNode[] | undefined {
  switch (node.type) {
    case "ArrayExpression":
      return name === ANY || /^\d+$/.test(name) ? listed(node) : undefined;
    case "ObjectExpression":
      return propertyOf(node, name);
    case "NewExpression":
      return name === ANY || /^\d+$/.test(name) ? contained(node, isGlobal) : undefined;
    case "ClassDeclaration":
    case "ClassExpression":
      return staticOf(node, name);
    default:
      return undefined;
  }
}

/** The elements of a list that is written out. */
function listed(node: SyntaxNode | undefined): readonly SyntaxNode[] | undefined {
  if (node?.type !== "ArrayExpression") return undefined;
  const elements = nodesAt(node, "elements");
  return elements.every(({ type }) => type !== "SpreadElement") ? elements : undefined;
}

function contained(node: SyntaxNode, isGlobal: IsGlobal): readonly SyntaxNode[] | undefined {
  const name = containerName(node, isGlobal);
  if (name === "") return undefined;
  if (/\dArray$/.test(name)) return [];
  const [first] = nodesAt(node, "arguments");
  if (first === undefined) return [];
  if (name === "Array") return undefined;
  const elements = listed(first);
  if (!name.endsWith("Map")) return elements;
  const entries = elements?.map(listed);
  return entries?.every((entry) => entry !== undefined) ? entries.flat() : undefined;
}

function propertyOf(node: SyntaxNode, name: string): readonly SyntaxNode[] | undefined {
  const properties = nodesAt(node, "properties");
  // An accessor may do anything.
  const isPlain = ({ computed, kind, type }: SyntaxNode) =>
    type === "Property" && kind === "init" && computed !== true;
  if (!properties.every(isPlain)) return undefined;
  const found = name === ANY
    ? properties
    : [properties.findLast((property) => nameAt(property, "key") === name)];
  const values = found.map((property) => property && nodeAt(property, "value"));
  return values.every(isNode) ? values : undefined;
}

function staticOf(node: SyntaxNode, name: string): readonly SyntaxNode[] | undefined {
  const body = nodeAt(node, "body");
  const found = (body ? nodesAt(body, "body") : []).filter((member) =>
    member.static === true && member.computed !== true && nameAt(member, "key") === name
  );
  const [member] = found;
  if (found.length !== 1 || member === undefined) return undefined;
  const value = nodeAt(member, "value");
  if (member.type === "PropertyDefinition") return value === undefined ? [] : [value];
  return member.kind === "method" ? [] : undefined;
}
