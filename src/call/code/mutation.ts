import type { Item } from "./module_items.ts";
import { isEnum, nameAt, nodeAt, nodesAt, type SyntaxNode } from "./syntax.ts";
import { ANY, memberPath } from "./use_kind.ts";
import { readUses, type Use } from "./uses.ts";

/** What methods of arrays, maps, sets and texts only look at. */
const LOOKING = new Set(
  ("at concat entries every filter find findIndex findLast findLastIndex flat flatMap forEach get has " +
    "includes indexOf isSubsetOf isSupersetOf join keys lastIndexOf map reduce reduceRight slice some " +
    "subarray toLocaleString toReversed toSorted toSpliced toString union values with charAt charCodeAt " +
    "codePointAt endsWith match matchAll normalize padEnd padStart repeat replace replaceAll search " +
    "split startsWith substring toLowerCase toUpperCase trim trimEnd trimStart test exec").split(
      " ",
    ),
);

/** Functions that are there everywhere and only look at what they are given. */
const PURE = new Set(
  ("Array.from Array.isArray Array.of BigInt Boolean Float32Array.from Float64Array.from JSON.stringify " +
    "Number Number.isFinite Number.isInteger Object.entries Object.hasOwn Object.is " +
    "Object.keys Object.values String parseFloat parseInt isNaN structuredClone Map Set Float64Array " +
    "Float32Array Int32Array Uint8Array Uint32Array console.log console.error console.warn console.info")
    .split(" "),
);

const CONTAINERS = /^(?:Weak)?(?:Map|Set)$|Array$/;

/** Functions that change what they are given first. */
const CHANGING = new Set([
  "Object.assign",
  "Object.defineProperty",
  "Object.defineProperties",
  "Object.setPrototypeOf",
  "Reflect.set",
  "Reflect.defineProperty",
]);

/** Whether what is done with something changes it there and then, if it changes it. */
export function isDirect({ kind, method = "", argument }: Use): boolean {
  if (kind === "write") return true;
  if (kind === "method") return !LOOKING.has(method);
  if (argument === undefined || argument.index !== 0) return false;
  const { name, path } = argument.callee;
  return CHANGING.has([name, ...path].join("."));
}

/** Finds the function that is called by a name, if it is known, or tells that it is there everywhere. */
type FindItem = (
  use: Use,
  name: string,
  path: readonly string[],
) => Item | "global" | undefined;

/** How far functions are followed that something is given to. */
const DEEPEST = 4;

/**
 * Tells whether what is done with something may change it, for those who use it next.
 *
 * @param use What is done.
 * @param item What it is done with.
 * @param find Finds the functions that it is given to; what is not found may do anything.
 */
export function mayChange(use: Use, item: Item, find: FindItem): boolean {
  const { kind, value } = item;
  switch (kind) {
    case "function":
      return use.kind === "write";
    case "class":
      return use.kind === "write" || (use.kind !== "call" && use.kind !== "read" && hasState(item));
    case "statement":
      return use.kind !== "read" && use.kind !== "call";
    case "variable":
      // Whoever has made a function may have made it to change something.
      if (use.kind === "call") return !item.isFunction;
      return mayChangeValue(use, value, find, 0);
  }
}

/** Whether a class keeps something, as its own methods could change that. */
function hasState({ nodes: [node] }: Item): boolean {
  const body = node && nodeAt(node, "body");
  return body === undefined ||
    nodesAt(body, "body").some(({ type, static: own }) =>
      type === "StaticBlock" || (type === "PropertyDefinition" && own === true)
    );
}

function mayChangeValue(
  use: Use,
  init: SyntaxNode | undefined,
  find: FindItem,
  depth: number,
): boolean {
  const value = init === undefined ? undefined : partOf(init, use.path);
  switch (use.kind) {
    case "read":
    case "call":
      return false;
    case "write":
      return true;
    case "method":
      return !isLooking(use, value) && !isQuiet(use, value, find);
    case "escape":
      break;
  }
  if (value !== undefined && isConstant(value)) return false;
  const { argument } = use;
  if (argument === undefined || depth >= DEEPEST) return true;
  const { callee: { name, path }, index } = argument;
  const item = find(use, name, path);
  if (item === "global") return !isPure(name, path);
  if (item === undefined) return true;
  const parameter = item.kind === "function" || item.kind === "variable"
    ? item.parameters.get(index)
    : undefined;
  // One that is not named in the function is not touched there, if the function is known.
  if (parameter === undefined) return !item.isFunction || item.hasPatterns;
  return parameter.some((inner) => mayChangeValue(inner, value, find, depth + 1));
}

function isLooking({ method = "", escapes }: Use, value: SyntaxNode | undefined): boolean {
  if (value === undefined) return false;
  if (isConstant(value)) return true;
  const container = value.type === "ArrayExpression" ||
    (value.type === "NewExpression" && CONTAINERS.test(nameAt(value, "callee")));
  return container && LOOKING.has(method) &&
    (escapes !== true || isConstantAt(value, ANY));
}

/** Whether a method is known, and changes nothing of the object that it belongs to. */
function isQuiet(use: Use, value: SyntaxNode | undefined, find: FindItem): boolean {
  const members = value === undefined ? undefined : membersOf(use, value, find);
  return members !== undefined && isQuietMethod(use.method ?? "", members, new Set());
}

function isQuietMethod(
  name: string,
  members: readonly SyntaxNode[],
  seen: Set<string>,
): boolean {
  if (seen.has(name)) return true;
  seen.add(name);
  const found = members.filter((member) => nameAt(member, "key") === name);
  const method = found.length === 1 ? found[0] : undefined;
  const fn = method && nodeAt(method, "value");
  if (fn?.type !== "FunctionExpression" || method?.computed === true) return false;
  const { ofThis, unknowable, usesArguments } = readUses([fn], () => false);
  // An accessor may do anything.
  const isPlain = (name: string) =>
    members.every((member) => nameAt(member, "key") !== name || !/^[gs]et$/.test(`${member.kind}`));
  return unknowable.length === 0 && !usesArguments && ofThis.every((use) => {
    const { kind, path, method = "", escapes } = use;
    if (use.name !== "ThisExpression" || !path.every(isPlain)) return false;
    if (kind === "method" && path.length === 0) return isQuietMethod(method, members, seen);
    return kind === "read" || (kind === "method" && LOOKING.has(method) && escapes !== true);
  });
}

/** The members of an object or of the class that it is made by, where all of them are known. */
function membersOf(
  use: Use,
  value: SyntaxNode,
  find: FindItem,
): readonly SyntaxNode[] | undefined {
  if (value.type === "ObjectExpression") {
    const properties = nodesAt(value, "properties");
    return properties.every(({ type }) => type === "Property") ? properties : undefined;
  }
  const callee = value.type === "NewExpression" ? nodeAt(value, "callee") : undefined;
  if (callee?.type !== "Identifier") return undefined;
  const item = find(use, String(callee.name), []);
  if (item === undefined || item === "global" || item.kind !== "class") return undefined;
  const [node] = item.nodes;
  const body = node && nodeAt(node, "body");
  if (node === undefined || body === undefined || nodeAt(node, "superClass") !== undefined) {
    return undefined;
  }
  return nodesAt(body, "body");
}

function isPure(name: string, path: readonly string[]): boolean {
  return name === "Math" || PURE.has([name, ...path].join("."));
}

/** The part of a literal that a path leads to; nothing where that cannot be told. */
function partOf(value: SyntaxNode, path: readonly string[]): SyntaxNode | undefined {
  let part: SyntaxNode | undefined = unwrap(value);
  for (const name of path) {
    if (part === undefined || isConstant(part)) return part;
    if (isEnum(part) || isConstantAt(part, name)) return CONSTANT;
    part = memberOf(part, name);
  }
  return part && unwrap(part);
}

const CONSTANT: SyntaxNode = { type: "Literal", start: 0, end: 0, value: 0 };

/** What is frozen is looked at as if it were not. */
function unwrap(value: SyntaxNode): SyntaxNode {
  if (value.type !== "CallExpression") return value;
  const callee = memberPath(nodeAt(value, "callee"));
  const [first] = nodesAt(value, "arguments");
  return callee?.name === "Object" && callee.path[0] === "freeze" && first !== undefined
    ? unwrap(first)
    : value;
}

function memberOf(value: SyntaxNode, name: string): SyntaxNode | undefined {
  if (value.type !== "ObjectExpression") return undefined;
  const properties = nodesAt(value, "properties");
  if (properties.some(({ type, computed }) => type !== "Property" || computed === true)) {
    return undefined;
  }
  const found = properties.findLast((property) => nameAt(property, "key") === name);
  return found?.kind === "init" ? nodeAt(found, "value") : undefined;
}

/** Whether a member of a value, or any of them, cannot be changed. */
function isConstantAt(value: SyntaxNode, name: string): boolean {
  switch (value.type) {
    case "ArrayExpression":
      return nodesAt(value, "elements").every(isConstant);
    case "ObjectExpression": {
      const member = name === ANY ? undefined : memberOf(value, name);
      if (member !== undefined) return isConstant(member);
      return name === ANY && nodesAt(value, "properties").every((property) => {
        const inner = nodeAt(property, "value");
        return property.kind === "init" && inner !== undefined && isConstant(inner);
      });
    }
    case "NewExpression": {
      const callee = nameAt(value, "callee");
      if (!CONTAINERS.test(callee)) return false;
      if (name === "size" || name === "length" || /\dArray$/.test(callee)) return true;
      const [entries] = nodesAt(value, "arguments");
      return entries === undefined || isConstantList(entries);
    }
    default:
      return false;
  }
}

/** A list of values or of entries, as a map has them. */
function isConstantList(value: SyntaxNode): boolean {
  return value.type === "ArrayExpression" &&
    nodesAt(value, "elements").every((element) => isConstant(element) || isConstantList(element));
}

/** Whether a value has no parts that could be changed. */
function isConstant(value: SyntaxNode): boolean {
  switch (value.type) {
    case "Literal":
      return typeof value.regex !== "object" || value.regex === null;
    case "TemplateLiteral":
    case "UnaryExpression":
    case "BinaryExpression":
    case "UpdateExpression":
    case "ArrowFunctionExpression":
    case "FunctionExpression":
      return true;
    case "Identifier":
      return value.name === "undefined" || value.name === "NaN" || value.name === "Infinity";
    default:
      return false;
  }
}
