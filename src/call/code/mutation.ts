import type { Item } from "./module_items.ts";
import {
  CONSTANT,
  elementsOf,
  isAccessor,
  isAllConstant,
  isConstant,
  isContainer,
  isConversion,
  type IsGlobal,
  partOf,
  type Shape,
} from "./shape.ts";
import {
  ANY,
  childrenOf,
  isFunctionNode,
  memberName,
  memberPath,
  nameAt,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";
import { type CodeUses, readUses, type Use } from "./uses.ts";

/** What methods of lists, maps, sets and texts only look at, and give nothing of. */
const LOOKING = names(
  "has includes indexOf isSubsetOf isSupersetOf join lastIndexOf toLocaleString toString charAt " +
    "charCodeAt codePointAt endsWith match matchAll normalize padEnd padStart repeat replace " +
    "replaceAll search split startsWith substring toLowerCase toUpperCase trim trimEnd trimStart test",
);

/** Methods that give something of what they look at. */
const GIVING = names(
  "at concat entries flat get keys slice toReversed toSpliced union values with exec",
);

/** Methods that call a function with all that is there. */
const CALLING = names("every findIndex findLastIndex flatMap forEach map some");

/** Those that give something of it, too. */
const CALLING_AND_GIVING = names("filter find findLast reduce reduceRight toSorted");

/** Functions that are there everywhere and only look at what they are given. */
const PURE = names(
  "Array.isArray BigInt Boolean JSON.stringify Number Number.isFinite Number.isInteger " +
    "Object.hasOwn Object.is Object.keys String parseFloat parseInt isNaN structuredClone " +
    "console.log console.error console.warn console.info",
);

/** Functions that are there everywhere and give something of what they are given. */
const PURE_AND_GIVING = names("Array.from Object.entries Object.values Map Set");

/** Functions that copy lists of numbers; of a buffer they give a view. */
const COPYING = names("Float32Array Float64Array Int32Array Uint8Array Uint32Array")
  .union(names("Float32Array.from Float64Array.from"));

/** Functions that change what they are given first. */
const CHANGING = names(
  "Object.assign Object.defineProperty Object.defineProperties Object.setPrototypeOf Reflect.set " +
    "Reflect.defineProperty",
);

/** What each function can do. */
const OF_FUNCTIONS = names("apply bind call toString");

function names(text: string): ReadonlySet<string> {
  return new Set(text.split(" "));
}

/** Whether what is done with something changes it there and then, if it changes it. */
export function isDirect({ kind, method = "", argument }: Use): boolean {
  if (kind === "write") return true;
  if (kind === "method") return !isLookingName(method);
  return argument?.index === 0 && CHANGING.has(fullName(argument.callee));
}

/** Whether something is given to what only looks at it, if it is what is there everywhere by its name. */
export function isPure({ argument }: Use): boolean {
  return argument !== undefined && PURE.has(fullName(argument.callee));
}

function isLookingName(method: string): boolean {
  return [LOOKING, GIVING, CALLING, CALLING_AND_GIVING].some((methods) => methods.has(method));
}

function fullName({ name, path }: { name: string; path: readonly string[] }): string {
  return [name, ...path].join(".");
}

/** What is known of the code around. */
export interface KnownCode {
  /** What a name stands for in a module, if it is known; or that it is there everywhere. */
  find(module: string, name: string, path: readonly string[]): Item | "global" | undefined;
  /** What a variable may be. */
  shapeOf(item: Item): Shape;
  /** Whether anybody looks at members of a function. */
  hasMembers(item: Item): boolean;
  /** What the code of an item uses. */
  usesOf(item: Item): CodeUses;
}

/** How far functions are followed that something is given to. */
const DEEPEST = 4;

/**
 * Tells whether what is done with something may change it, for those who use it next.
 *
 * @param use What is done.
 * @param module The URL of the module in which it is done.
 * @param item What it is done with.
 * @param code What is known beside that.
 */
export function mayChange(use: Use, module: string, item: Item, code: KnownCode): boolean {
  if (item.isFunction) return mayChangeFunction(use, module, item, code);
  if (item.kind === "statement") return use.kind !== "read" && use.kind !== "call";
  const change = new Change(item.module, code);
  if (item.isClass) return change.mayChangeClass(use, module, code.shapeOf(item), 0);
  // Whoever has made a function may have made it to change something.
  return use.kind === "call" || change.mayChange(use, module, code.shapeOf(item), 0);
}

/** What each function has. */
const OWN_MEMBERS = names("length name");

/** Tells whether what is done with a function may look at what is kept in its members. */
export function looksAtMembers(use: Use, module: string, code: KnownCode, depth = 0): boolean {
  const { argument, kind, method, path: [name] } = use;
  if (name !== undefined) return !OWN_MEMBERS.has(name);
  if (kind === "method") return method !== undefined && !OF_FUNCTIONS.has(method);
  if (argument === undefined) return false;
  const { callee, index } = argument;
  const item = code.find(module, callee.name, callee.path);
  if (item === "global") return callee.name === "Object" || callee.name === "Reflect";
  if (item === undefined || !item.isFunction || depth >= DEEPEST) return false;
  const { parameters, usesArguments } = code.usesOf(item);
  return usesArguments || item.hasPatterns ||
    (parameters.get(index) ?? []).some((inner) =>
      looksAtMembers(inner, item.module, code, depth + 1)
    );
}

/** Nobody sees what is kept in members of a function that nobody looks at. */
function mayChangeFunction(use: Use, module: string, item: Item, code: KnownCode): boolean {
  const { kind, path, method = "" } = use;
  if (kind === "write") return true;
  if (!code.hasMembers(item)) return false;
  if (kind === "method" && path.length === 0 && OF_FUNCTIONS.has(method)) return false;
  return new Change(item.module, code).mayChange(use, module, undefined, 0);
}

/**
 * Tells whether all that is done with a variable leaves its shape what its code says: what is written
 * is constant, and nothing of it goes where something could be put in.
 *
 * @param uses All that is done with it, and the URLs of the modules in which it is done.
 */
export function keepsShape(
  item: Item,
  uses: Iterable<readonly [use: Use, module: string]>,
  code: KnownCode,
): boolean {
  const change = new Change(item.module, code);
  const shape = toShape(item, false);
  for (const [use, module] of uses) {
    const { constant = false, escapes, kind, path } = use;
    if (kind === "write" && constant) continue;
    if (kind === "method" && constant && !escapes && change.isContainer(shape, path)) continue;
    const changes = item.isClass
      ? change.mayChangeClass(use, module, shape, 0)
      : change.mayChange(use, module, shape, 0);
    if (changes) return false;
  }
  return true;
}

/** What a variable or class is by its code. */
export function toShape({ isClass, nodes: [first], value }: Item, open: boolean): Shape {
  const node = isClass ? value ?? first : value;
  return node === undefined ? undefined : { nodes: [node], open };
}

/** Whether something changes what has its code in one module. */
class Change {
  /** The module in which the names in shapes are bound. */
  readonly #home: string;
  readonly #code: KnownCode;

  constructor(home: string, code: KnownCode) {
    this.#home = home;
    this.#code = code;
  }

  readonly #isGlobal: IsGlobal = (name) => this.#code.find(this.#home, name, []) === "global";

  /** Whether a part of something is a list, a map or the like. */
  isContainer(shape: Shape, path: readonly string[]): boolean {
    const part = partOf(shape, path, this.#isGlobal);
    return part !== undefined && part.nodes.every((node) => isContainer(node, this.#isGlobal));
  }

  /** Whether something may change what a variable holds. */
  mayChange(use: Use, module: string, shape: Shape, depth: number): boolean {
    const part = partOf(shape, use.path, this.#isGlobal);
    switch (use.kind) {
      case "read":
        return this.#runsOwnCode(shape, use.path);
      case "call":
        // What somebody has put into it may have been made to change anything.
        return depth > 0 && !isAllConstant(part);
      case "write":
        return true;
      case "method":
        return !this.#isLooking(use, module, part, depth) && !this.#isQuiet(use, part);
      case "escape":
        if (isAllConstant(part)) return false;
        return this.#mayChangeGiven(
          use,
          module,
          depth,
          (name) => this.#isPure(name, use, part),
          (inner, module) => this.mayChange(inner, module, part, depth + 1),
        );
    }
  }

  /** Whether code of an object runs when somebody looks at a part of it, and may change the object. */
  #runsOwnCode(shape: Shape, path: readonly string[]): boolean {
    let part = shape;
    for (const name of path) {
      const isMeant = (member: SyntaxNode) =>
        isAccessor(member) && (name === ANY || nameAt(member, "key") === name);
      if (this.#mayRun(part, isMeant)) return true;
      part = partOf(part, [name], this.#isGlobal);
    }
    return this.#mayRun(part, isConversion);
  }

  /** Whether something has members, such as accessors, that may change it. */
  #mayRun(part: Shape, isMeant: (member: SyntaxNode) => boolean): boolean {
    return part !== undefined && part.nodes.some((node) => {
      const { members, module } = this.#membersOf(node) ?? { members: [], module: this.#home };
      const change = new Change(module, this.#code);
      return members.some((member) =>
        isMeant(member) && !change.#isQuietMethod(nameAt(member, "key"), members, new Set(), true)
      );
    });
  }

  /** Whether something may change a class: its instances are others. */
  mayChangeClass(use: Use, module: string, shape: Shape, depth: number): boolean {
    const { kind, path, method = "", argument, atLoad } = use;
    const [node] = shape?.nodes ?? [];
    if (node === undefined || kind === "read") return false;
    if (kind === "write") return true;
    if (kind === "call") return writesConstructor(node);
    if (kind === "method" && path.length === 0) return !this.#isQuietStatic(method, node);
    // What is taken from a prototype is called with another object.
    if (kind === "method" && path[0] === "prototype" && path.length > 1) return false;
    if (path.length > 0) return this.mayChange(use, module, shape, depth);
    // Nobody changes a class because it is in a list.
    if (argument === undefined) return !atLoad;
    return this.#mayChangeGiven(
      use,
      module,
      depth,
      (name) => argument.index > 0 || !CHANGING.has(name),
      (inner, module) => this.mayChangeClass(inner, module, shape, depth + 1),
    );
  }

  /** Whether that may be changed which is given to something. */
  #mayChangeGiven(
    { argument }: Use,
    module: string,
    depth: number,
    isPure: (name: string) => boolean,
    mayChangeInside: (inner: Use, module: string) => boolean,
  ): boolean {
    if (argument === undefined || depth >= DEEPEST) return true;
    const { callee, index } = argument;
    const item = this.#code.find(module, callee.name, callee.path);
    if (item === "global") return !isPure(fullName(callee));
    if (item === undefined || !item.isFunction) return true;
    const { parameters, usesArguments } = this.#code.usesOf(item);
    // By another way than its name anything may be done with it.
    if (usesArguments || item.hasPatterns) return true;
    return (parameters.get(index) ?? []).some((inner) => mayChangeInside(inner, item.module));
  }

  #isPure(name: string, { argument }: Use, part: Shape): boolean {
    if (name.startsWith("Math.") || PURE.has(name)) {
      return !this.#mayRun(part, (member) => isAccessor(member) || isConversion(member));
    }
    if (COPYING.has(name)) return this.isContainer(part, []);
    if (!PURE_AND_GIVING.has(name) || argument === undefined) return false;
    return (argument.count === 1 && !argument.escapes) ||
      isAllConstant(elementsOf(part, this.#isGlobal));
  }

  #isLooking(use: Use, module: string, part: Shape, depth: number): boolean {
    if (isAllConstant(part)) return true;
    return part !== undefined && this.isContainer(part, []) &&
      this.#isLookingAt(use, module, part, depth);
  }

  #isLookingAt(use: Use, module: string, container: Shape, depth: number): boolean {
    const { method = "", given = [], escapes = true } = use;
    if (LOOKING.has(method)) return true;
    const elements = elementsOf(container, this.#isGlobal);
    // What is summed up belongs to the function.
    const isSum = method.startsWith("reduce") && given.length > 1;
    const givesNothing = !escapes || isSum || isAllConstant(elements);
    if (GIVING.has(method)) return givesNothing;
    if (!CALLING.has(method) && !(CALLING_AND_GIVING.has(method) && givesNothing)) return false;
    return given.length === 0 || this.#looksOnly(use, module, container, elements, depth);
  }

  /** Whether the function that a method is given only looks at what it is called with. */
  #looksOnly(
    use: Use,
    module: string,
    container: Shape,
    elements: Shape,
    depth: number,
  ): boolean {
    const fn = this.#functionOf(use, module);
    if (fn === "global") return true;
    if (fn === undefined || depth >= DEEPEST) return false;
    const { method = "", given = [] } = use;
    const isReduce = method.startsWith("reduce");
    const first = isReduce || method === "toSorted" ? 2 : 1;
    const { parameters, usesArguments } = fn.uses;
    // By another way than its name it may change the list as well.
    if (usesArguments && (!isAllConstant(elements) || fn.length > first)) return false;
    return parameters.entries().every(([index, uses]) => {
      if (isReduce && index === 0 && given.length > 1) return true;
      const isElement = index < first || (index === first && !this.#isList(container));
      if (isElement && isAllConstant(elements)) return true;
      const shape = isElement ? elements : index === first ? CONSTANT : container;
      return uses.every((use) => !this.mayChange(use, fn.module, shape, depth + 1));
    });
  }

  /** Whether it gives functions the numbers of its elements. */
  #isList(container: Shape): boolean {
    return container === undefined ||
      container.nodes.every((node) =>
        node.type === "ArrayExpression" || nameAt(node, "callee").endsWith("Array")
      );
  }

  #functionOf({ callback }: Use, module: string): KnownFunction | "global" | undefined {
    if (callback === undefined) return undefined;
    if (isFunctionNode(callback)) {
      const uses = readUses([callback], () => false);
      return { uses, module, length: lengthOf(nodesAt(callback, "params"), uses) };
    }
    const callee = memberPath(callback);
    const item = callee && this.#code.find(module, callee.name, callee.path);
    if (item === "global") return callee && PURE.has(fullName(callee)) ? item : undefined;
    if (item === undefined || !item.isFunction) return undefined;
    const uses = this.#code.usesOf(item);
    return { uses, module: item.module, length: lengthOf(item.params, uses) };
  }

  /** Whether a method is known, and changes nothing of the object that it belongs to. */
  #isQuiet({ method = "" }: Use, part: Shape): boolean {
    if (part === undefined) return false;
    return part.nodes.every((node) => {
      const isOpen = part.open && node.type === "ObjectExpression";
      const owner = isOpen ? undefined : this.#membersOf(node);
      return owner !== undefined &&
        new Change(owner.module, this.#code).#isQuietMethod(method, owner.members, new Set());
    });
  }

  #isQuietStatic(name: string, node: SyntaxNode): boolean {
    const members = bodyOf(node).filter((member) => member.static === true);
    if (members.every((member) => nameAt(member, "key") !== name)) {
      return nodeAt(node, "superClass") === undefined;
    }
    return this.#isQuietMethod(name, members, new Set());
  }

  /** Whether a method changes nothing, nor lets others do so who get what it returns. */
  #isQuietMethod(
    name: string,
    members: readonly SyntaxNode[],
    seen: Set<string>,
    isOnlyLookedAt = false,
  ): boolean {
    if (seen.has(name)) return true;
    seen.add(name);
    const found = members.filter((member) => nameAt(member, "key") === name);
    const method = found.length === 1 ? found[0] : undefined;
    const fn = method && nodeAt(method, "value");
    if (fn?.type !== "FunctionExpression" || method?.computed === true) return false;
    const bodies = isOnlyLookedAt ? [fn] : [];
    const { ofThis, unknowable, usesArguments } = readUses([fn], () => false, bodies);
    return unknowable.length === 0 && !usesArguments && ofThis.every((use) => {
      const { kind, path, method = "" } = use;
      // An accessor may do anything.
      const isPlain = path.every((name) => isField(name, members));
      if (use.name !== "ThisExpression" || !isPlain) return false;
      if (kind === "method" && path.length === 0) return this.#isQuietMethod(method, members, seen);
      if (kind === "method") return this.#isLookingAtField(use, members);
      return kind === "read" || (kind === "call" && path.length === 0);
    });
  }

  /** What the constructor gives a field is taken for what the name of the method says. */
  #isLookingAtField(use: Use, members: readonly SyntaxNode[]): boolean {
    const { path: [name, ...rest] } = use;
    const field = members.find((member) => nameAt(member, "key") === name);
    const value = field && nodeAt(field, "value");
    const isOther = value !== undefined && rest.length === 0 && !isConstant(value) &&
      !isContainer(value, this.#isGlobal);
    return !isOther && this.#isLookingAt(use, this.#home, undefined, 0);
  }

  /** The members of an object or of the class that it is made by, where all of them are known. */
  #membersOf(
    value: SyntaxNode,
  ): { readonly members: readonly SyntaxNode[]; readonly module: string } | undefined {
    if (value.type === "ObjectExpression") {
      const members = nodesAt(value, "properties");
      const isWhole = members.every(({ type }) => type === "Property");
      return isWhole ? { members, module: this.#home } : undefined;
    }
    const callee = value.type === "NewExpression" ? nodeAt(value, "callee") : undefined;
    if (callee?.type !== "Identifier") return undefined;
    const item = this.#code.find(this.#home, String(callee.name), []);
    if (item === undefined || item === "global" || item.kind !== "class") return undefined;
    const [node] = item.nodes;
    if (node === undefined || nodeAt(node, "superClass") !== undefined) return undefined;
    return { members: bodyOf(node), module: item.module };
  }
}

/** A function that is given to a method. */
interface KnownFunction {
  readonly uses: CodeUses;
  /** The module in which its names are bound. */
  readonly module: string;
  /** How many arguments it may look at. */
  readonly length: number;
}

function lengthOf(params: readonly SyntaxNode[], { parameters }: CodeUses): number {
  const isAll = params.some(({ type }) => type === "RestElement") ||
    parameters.get(-1)?.some(({ name }) => name === "arguments") === true;
  return isAll ? Infinity : params.length;
}

/** Whether a class writes to itself by `new.target` or `this.constructor`. */
function writesConstructor(node: SyntaxNode): boolean {
  const isWritten = /^(?:AssignmentExpression|UpdateExpression)$/.test(node.type) &&
    isConstructorOf(nodeAt(node, "left") ?? nodeAt(node, "argument"));
  return isWritten || childrenOf(node).some(writesConstructor);
}

/** Whether something is a member of `new.target` or `this.constructor`. */
function isConstructorOf(node: SyntaxNode | undefined): boolean {
  const object = node?.type === "MemberExpression" ? nodeAt(node, "object") : undefined;
  return object !== undefined && (object.type === "MetaProperty" ||
    (object.type === "MemberExpression" && memberName(object) === "constructor") ||
    isConstructorOf(object));
}

function bodyOf(node: SyntaxNode): readonly SyntaxNode[] {
  const body = nodeAt(node, "body");
  return body === undefined ? [] : nodesAt(body, "body");
}

function isField(name: string, members: readonly SyntaxNode[]): boolean {
  return members.every((member) =>
    nameAt(member, "key") !== name || !/^[gs]et$/.test(`${member.kind}`)
  );
}
