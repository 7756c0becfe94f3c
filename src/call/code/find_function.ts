import {
  childrenOf,
  digestSyntax,
  isFunctionNode,
  literalText,
  memberPath,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";
import { functionNames, scopeNames } from "./names.ts";
import type { Item } from "./module_items.ts";
import type { LoadedModule } from "./read_source.ts";
import { nameOfTask } from "./task_options.ts";
import { type IsDefinition, readUses } from "./uses.ts";

/** Where a function stands in its module. */
export interface FoundFunction {
  /** The declaration or statement. */
  readonly item: Item;
  /** The function. */
  readonly node: SyntaxNode;
}

/** A function, and what is around it, innermost last. */
interface Place extends FoundFunction {
  readonly around: readonly SyntaxNode[];
}

/** Tells calls of Quiver's. */
interface QuiverCalls {
  /** Those that define tasks. */
  readonly isDefinition: IsDefinition;
  /** Those that make functions of methods. */
  readonly isMethod: IsDefinition;
}

/** All functions of a module, by what they look like. */
export class FunctionIndex {
  readonly #places = new Map<string, Place[]>();
  /** The same by what they say, once somebody looks for one of that look. */
  readonly #alike = new Map<string, Map<string, Place[]>>();
  /** What tasks are made of, and what these are called, where that is written. */
  readonly #given = new Map<SyntaxNode, Set<string | undefined>>();
  /** Those of them that are names. */
  readonly #names = new Map<string, Set<string | undefined>>();
  /** What makes functions of methods, which tasks are made of. */
  readonly #methods: FoundFunction[] = [];
  readonly #calls: QuiverCalls;

  /** Goes over a module. */
  constructor(module: LoadedModule, calls: QuiverCalls) {
    this.#calls = calls;
    for (const item of module.kind === "code" ? module.items : []) {
      for (const node of item.nodes) if (node !== undefined) this.#visit(item, node, []);
    }
  }

  /**
   * Finds a task's function: what its names stand for depends on where it stands.
   *
   * @param fn The function as the engine has it.
   * @param name What the task is called.
   * @param method What the function is called, if it is the method of a class.
   * @returns The function, if it is there and names nothing but what the module binds at its top level;
   * of a method what makes the function of it, which names the class.
   */
  find(fn: SyntaxNode, name: string, method?: string): FoundFunction | undefined {
    if (method !== undefined) return this.#findMethod(fn, method);
    const places = this.#alikeOf(shapeOf(fn)).get(digestBody(fn)) ?? [];
    // Two that are written alike may be told apart by what is around them.
    return places.some(hasOwnNames)
      ? undefined
      : places.find((place) => this.#isGiven(place, name));
  }

  /** The one with such a name, or with such a function; of two nobody could tell which it is. */
  #findMethod(fn: SyntaxNode, method: string): FoundFunction | undefined {
    const found = this.#methods.filter(({ node }) => {
      const [of, name] = nodesAt(node, "arguments");
      if (name !== undefined) return literalText(name) === method;
      return of !== undefined && isFunctionNode(of) && digestBody(of) === digestBody(fn);
    });
    return found.length === 1 ? found[0] : undefined;
  }

  /** One that is written alike may be that of another task, and this one be made elsewhere. */
  #isGiven({ item, node }: Place, task: string): boolean {
    const isOf = (names: ReadonlySet<string | undefined> | undefined) =>
      names !== undefined && (names.has(task) || names.has(undefined));
    return isOf(this.#given.get(node)) ||
      (isWhole(item, node) && item.names.some((name) => isOf(this.#names.get(name))));
  }

  #alikeOf(shape: string): Map<string, Place[]> {
    const places = this.#places.get(shape) ?? [];
    const alike = this.#alike.get(shape) ?? Map.groupBy(places, ({ node }) => digestBody(node));
    this.#alike.set(shape, alike);
    return alike;
  }

  #visitCall(item: Item, node: SyntaxNode): void {
    const callee = memberPath(nodeAt(node, "callee"));
    const [, fn, options] = nodesAt(node, "arguments");
    if (fn === undefined || callee === undefined) return;
    if (!this.#calls.isDefinition(callee.name, callee.path)) return;
    addTo(this.#given, fn, nameOfTask(fn, options));
    const maker = fn.type === "CallExpression" ? memberPath(nodeAt(fn, "callee")) : undefined;
    if (maker !== undefined && this.#calls.isMethod(maker.name, maker.path)) {
      this.#methods.push({ item, node: fn });
    }
    // The function need not be called what the variable is.
    if (fn.type === "Identifier") {
      addTo(this.#names, String(fn.name), nameOfTask(undefined, options));
    }
  }

  #visit(item: Item, node: SyntaxNode, around: SyntaxNode[]): void {
    if (node.type === "CallExpression") this.#visitCall(item, node);
    if (isFunctionNode(node)) this.#add({ item, node, around: [...around] });
    around.push(node);
    for (const child of childrenOf(node)) this.#visit(item, child, around);
    around.pop();
  }

  #add(place: Place): void {
    const shape = shapeOf(place.node);
    const alike = this.#places.get(shape);
    if (alike === undefined) this.#places.set(shape, [place]);
    else alike.push(place);
  }
}

function addTo<K>(names: Map<K, Set<string | undefined>>, key: K, name: string | undefined): void {
  names.set(key, (names.get(key) ?? new Set()).add(name));
}

/** Whether a function is all of an item, so that its names are the function's. */
function isWhole({ nodes: [first], init }: Item, node: SyntaxNode): boolean {
  return first === node || init === node;
}

/** A name that is only there for a declaration is none of an expression. */
function digestBody(fn: SyntaxNode): string {
  const { async, generator } = fn;
  const parts = [...nodesAt(fn, "params"), nodeAt(fn, "body")];
  return `${async} ${generator} ${digestSyntax(parts)}`;
}

/** What is cheap to compare. */
function shapeOf(fn: SyntaxNode): string {
  const body = nodeAt(fn, "body");
  const length = body === undefined ? 0 : nodesAt(body, "body").length;
  const isArrow = fn.type === "ArrowFunctionExpression";
  return [isArrow, fn.async, fn.generator, nodesAt(fn, "params").length, body?.type, length].join();
}

/** Whether something around a function binds what it names, or is what it means by `this`. */
function hasOwnNames({ node, around }: Place): boolean {
  const { uses, usesThis } = readUses([node], () => false);
  if (usesThis) return true;
  const bound = new Set(around.flatMap((outer) => {
    if (!isFunctionNode(outer)) return scopeNames(outer) ?? [];
    const { parameters, body } = functionNames(outer);
    return [...parameters, ...body, ...scopeNames(outer) ?? []];
  }));
  return uses.some(({ name }) => bound.has(name));
}
