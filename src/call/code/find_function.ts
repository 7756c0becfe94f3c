import {
  childrenOf,
  digestSyntax,
  isFunctionNode,
  memberPath,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";
import { functionNames, scopeNames } from "./names.ts";
import type { Item } from "./module_items.ts";
import type { LoadedModule } from "./read_source.ts";
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

/** All functions of a module, by what they look like. */
export class FunctionIndex {
  readonly #places = new Map<string, Place[]>();
  /** The same by what they say, once somebody looks for one of that look. */
  readonly #alike = new Map<string, Map<string, Place[]>>();
  /** What tasks are made of. */
  readonly #given = new Set<SyntaxNode>();
  /** Those of them that are names. */
  readonly #names = new Set<string>();
  readonly #isDefinition: IsDefinition;

  /**
   * Goes over a module.
   *
   * @param isDefinition Tells the calls that define tasks.
   */
  constructor(module: LoadedModule, isDefinition: IsDefinition) {
    this.#isDefinition = isDefinition;
    for (const item of module.kind === "code" ? module.items : []) {
      for (const node of item.nodes) if (node !== undefined) this.#visit(item, node, []);
    }
  }

  /**
   * Finds a task's function: what its names stand for depends on where it stands.
   *
   * @param fn The function as the engine has it.
   * @returns The function, if it is there and names nothing but what the module binds at its top level.
   */
  find(fn: SyntaxNode): FoundFunction | undefined {
    const places = this.#alikeOf(shapeOf(fn)).get(digestBody(fn)) ?? [];
    // Two that are written alike may be told apart by what is around them.
    return places.some(hasOwnNames) ? undefined : places.find((place) => this.#isGiven(place));
  }

  #isGiven({ item, node }: Place): boolean {
    return this.#given.has(node) ||
      (isWhole(item, node) && item.names.some((name) => this.#names.has(name)));
  }

  #alikeOf(shape: string): Map<string, Place[]> {
    const places = this.#places.get(shape) ?? [];
    const alike = this.#alike.get(shape) ?? Map.groupBy(places, ({ node }) => digestBody(node));
    this.#alike.set(shape, alike);
    return alike;
  }

  #visitCall(node: SyntaxNode): void {
    const callee = memberPath(nodeAt(node, "callee"));
    const [, fn] = nodesAt(node, "arguments");
    if (fn === undefined || callee === undefined) return;
    if (!this.#isDefinition(callee.name, callee.path)) return;
    this.#given.add(fn);
    if (fn.type === "Identifier") this.#names.add(String(fn.name));
  }

  #visit(item: Item, node: SyntaxNode, around: SyntaxNode[]): void {
    if (node.type === "CallExpression") this.#visitCall(node);
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
