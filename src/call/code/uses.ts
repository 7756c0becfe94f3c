import { functionNames, scopeNames } from "./names.ts";
import {
  childrenOf,
  isFunctionNode,
  literalText,
  memberPath,
  nameAt,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";
import { classify, type Place } from "./use_kind.ts";

/** One place where code names something that it does not bind itself. */
export interface Use extends Place {
  /** The name. */
  readonly name: string;
  /** Where it stands. */
  readonly start: number;
  /** What a method is given first, if that is a function, or a name that the code does not bind. */
  readonly callback?: SyntaxNode;
  /** Whether this may run while the module is loaded. */
  readonly atLoad: boolean;
}

/** A module that code imports when it runs. */
export interface LateImport {
  /** What is imported, as it is written. */
  readonly specifier: string;
  /** As what it is read: `json`, `text` and the like, or code. */
  readonly type: string | undefined;
  /** Whether this may run while the module is loaded. */
  readonly atLoad: boolean;
  /** Whether Deno loads it together with the module, as it is told by a plain literal. */
  readonly ahead: boolean;
}

/** What a piece of code uses. */
export interface CodeUses {
  /** What it names, in order. */
  readonly uses: readonly Use[];
  /** What it does with the parameters of the function that it is, by position. */
  readonly parameters: ReadonlyMap<number, readonly Use[]>;
  /** Whether it calls something while the module is loaded. */
  readonly calls: boolean;
  /** What it imports when it runs, by literals. */
  readonly imports: readonly LateImport[];
  /** The modules that it has URLs of. */
  readonly started: readonly string[];
  /** What of it nobody can follow, such as `eval`. */
  readonly unknowable: readonly string[];
  /** Whether it has the engine make code of texts. */
  readonly evaluates: boolean;
  /** Whether it uses the `this`, `super` or `new.target` of who is around it. */
  readonly usesThis: boolean;
  /** What it does with its own `this`, if it is a function that has one. */
  readonly ofThis: readonly Use[];
  /** Whether it takes its arguments by another way than its parameters. */
  readonly usesArguments: boolean;
}

/** Whether a call only defines a task, so that nothing that it is given runs. */
export type IsDefinition = (name: string, path: readonly string[]) => boolean;

/**
 * Finds what a piece of code uses.
 *
 * @param nodes The piece.
 * @param isDefinition Tells the calls of `task()`.
 * @param bodies Functions whose results are only looked at.
 */
export function readUses(
  nodes: readonly (SyntaxNode | undefined)[],
  isDefinition: IsDefinition,
  bodies: readonly SyntaxNode[] = [],
): CodeUses {
  const reader = new UseReader(isDefinition, bodies);
  for (const node of nodes) if (node !== undefined) reader.readPiece(node);
  return reader.finish();
}

/** What makes code of texts. */
const EVAL = "eval()";
const NEW_FUNCTION = "new Function()";

interface NameScope {
  readonly names: ReadonlySet<string>;
  readonly outer: NameScope | undefined;
}

class UseReader {
  readonly #isDefinition: IsDefinition;
  readonly #uses: Use[] = [];
  readonly #parameters = new Map<number, Use[]>();
  readonly #ofThis: Use[] = [];
  readonly #imports: LateImport[] = [];
  readonly #started: string[] = [];
  readonly #unknowable = new Set<string>();
  readonly #ancestors: SyntaxNode[] = [];
  /** The functions that are the bodies of tasks: what they return is data. */
  readonly #bodies: Set<SyntaxNode>;
  /** Where the parameters of the function that the piece is are bound, and their names. */
  #own: { readonly scope: NameScope | undefined; readonly names: readonly string[] } | undefined;
  #scope: NameScope | undefined;
  #deferred = false;
  #callDepth = 0;
  #calls = false;
  /** How many functions with a `this` of their own are around. */
  #thisDepth = 0;
  #usesThis = false;

  constructor(isDefinition: IsDefinition, bodies: readonly SyntaxNode[]) {
    this.#isDefinition = isDefinition;
    this.#bodies = new Set(bodies);
  }

  readPiece(node: SyntaxNode): void {
    if (isFunctionNode(node) && this.#own === undefined) this.#visitFunction(node, true);
    else this.#visit(node);
  }

  finish(): CodeUses {
    return {
      uses: this.#uses.sort((a, b) => a.start - b.start),
      parameters: this.#parameters,
      calls: this.#calls,
      imports: this.#imports,
      started: this.#started,
      unknowable: [...this.#unknowable],
      evaluates: this.#unknowable.has(EVAL) || this.#unknowable.has(NEW_FUNCTION),
      usesThis: this.#usesThis,
      ofThis: this.#ofThis,
      usesArguments: this.#parameters.has(-1),
    };
  }

  #visit(node: SyntaxNode): void {
    if (isFunctionNode(node)) return this.#visitFunction(node, false);
    const names = scopeNames(node);
    if (names === undefined) this.#visitPlain(node);
    else this.#within(names, () => this.#visitPlain(node));
  }

  #within(names: readonly string[], visit: () => void): void {
    if (names.length === 0) return visit();
    const outer = this.#scope;
    this.#scope = { names: new Set(names), outer };
    visit();
    this.#scope = outer;
  }

  #visitAll(nodes: readonly (SyntaxNode | undefined)[], parent: SyntaxNode): void {
    this.#ancestors.push(parent);
    for (const node of nodes) if (node !== undefined) this.#visit(node);
    this.#ancestors.pop();
  }

  #visitPlain(node: SyntaxNode): void {
    switch (node.type) {
      case "Identifier":
        return this.#use(node);
      case "ThisExpression":
      case "Super":
        return this.#useThis(node);
      case "MetaProperty":
        this.#usesThis ||= this.#thisDepth === 0 && nodeAt(node, "meta")?.name === "new";
        return;
      case "LabeledStatement":
        return this.#visitAll([nodeAt(node, "body")], node);
      case "BreakStatement":
      case "ContinueStatement":
        return;
      case "MemberExpression":
        return this.#visitAll(
          [nodeAt(node, "object"), node.computed === true ? nodeAt(node, "property") : undefined],
          node,
        );
      case "Property":
        return this.#visitAll(
          [node.computed === true ? nodeAt(node, "key") : undefined, nodeAt(node, "value")],
          node,
        );
      case "MethodDefinition":
      case "PropertyDefinition":
      case "StaticBlock":
        return this.#visitMember(node);
      case "VariableDeclarator":
        this.#visitPattern(nodeAt(node, "id"), node);
        return this.#visitAll([nodeAt(node, "init")], node);
      case "ClassDeclaration":
      case "ClassExpression":
        return this.#visitAll([nodeAt(node, "superClass"), nodeAt(node, "body")], node);
      case "CatchClause":
        this.#visitPattern(nodeAt(node, "param"), node);
        return this.#visitAll([nodeAt(node, "body")], node);
      case "CallExpression":
      case "NewExpression":
      case "TaggedTemplateExpression":
        return this.#visitCall(node);
      case "ImportExpression":
        return this.#visitImport(node);
      default:
        return this.#visitAll(childrenOf(node), node);
    }
  }

  /** Only what is computed in a pattern that binds names: keys and defaults. */
  #visitPattern(pattern: SyntaxNode | undefined, parent: SyntaxNode): void {
    if (pattern === undefined) return;
    switch (pattern.type) {
      case "ObjectPattern":
        for (const property of nodesAt(pattern, "properties")) {
          if (property.computed === true) this.#visitAll([nodeAt(property, "key")], property);
          this.#visitPattern(
            property.type === "Property" ? nodeAt(property, "value") : property,
            pattern,
          );
        }
        return;
      case "ArrayPattern":
        for (const element of nodesAt(pattern, "elements")) this.#visitPattern(element, pattern);
        return;
      case "AssignmentPattern":
        this.#visitPattern(nodeAt(pattern, "left"), pattern);
        return this.#visitAll([nodeAt(pattern, "right")], pattern);
      case "RestElement":
        return this.#visitPattern(nodeAt(pattern, "argument"), pattern);
      case "Identifier":
        return;
      default:
        return this.#visitAll([pattern], parent);
    }
  }

  /** Parameters have a scope of their own: their defaults do not see what the body declares. */
  #visitFunction(node: SyntaxNode, own: boolean): void {
    const { parameters, body } = functionNames(node);
    const id = scopeNames(node) ?? [];
    const wasDeferred = this.#deferred;
    this.#deferred ||= this.#callDepth === 0;
    const hasThis = node.type !== "ArrowFunctionExpression";
    if (hasThis) this.#thisDepth++;
    this.#within(id, () =>
      this.#within(parameters, () => {
        const params = nodesAt(node, "params");
        if (own) {
          const names = params.map((one) => one.type === "Identifier" ? String(one.name) : "");
          const scope = parameters.length === 0 ? undefined : this.#scope;
          this.#own = { scope, names };
        }
        this.#ancestors.push(node);
        for (const param of params) this.#visitPattern(param, node);
        const inner = nodeAt(node, "body");
        this.#within(body, () => inner && this.#visit(inner));
        this.#ancestors.pop();
      }));
    if (hasThis) this.#thisDepth--;
    this.#deferred = wasDeferred;
  }

  /** Instances' fields are made when an instance is; a static one, and a key, with the class. */
  #visitMember(node: SyntaxNode): void {
    if (node.computed === true) this.#visitAll([nodeAt(node, "key")], node);
    const wasDeferred = this.#deferred;
    if (node.type === "PropertyDefinition" && node.static !== true) {
      this.#deferred ||= this.#callDepth === 0;
    }
    this.#thisDepth++;
    if (node.type === "StaticBlock") {
      this.#calls ||= !this.#deferred;
      this.#visitAll(nodesAt(node, "body"), node);
    } else {
      this.#visitAll([nodeAt(node, "value")], node);
    }
    this.#thisDepth--;
    this.#deferred = wasDeferred;
  }

  #visitCall(node: SyntaxNode): void {
    const callee = nodeAt(node, node.type === "TaggedTemplateExpression" ? "tag" : "callee");
    const args = node.type === "TaggedTemplateExpression"
      ? [nodeAt(node, "quasi")]
      : nodesAt(node, "arguments");
    const path = memberPath(callee);
    const free = path !== undefined && !this.#isBound(path.name);
    const defines = free && this.#isDefinition(path.name, path.path);
    for (const one of args) {
      if (defines && one !== undefined && isFunctionNode(one)) this.#bodies.add(one);
    }
    if (free) this.#noteCallee(path.path.at(-1) ?? path.name, args);
    if (node.type === "NewExpression") this.#noteUrl(node);
    if (!defines) {
      this.#calls ||= !this.#deferred;
      this.#callDepth++;
    }
    this.#visitAll([callee, ...args], node);
    if (!defines) this.#callDepth--;
  }

  #noteCallee(name: string, args: readonly (SyntaxNode | undefined)[]): void {
    if (name === "Function") this.#unknowable.add(NEW_FUNCTION);
    // What requires is known by its name.
    const around = this.#ancestors.at(-1);
    if (name === "createRequire" && (around === undefined || nameAt(around, "id") !== "require")) {
      this.#unknowable.add("a createRequire() by another name than `require`");
    }
    if (name !== "require") return;
    const specifier = literalText(args[0]);
    if (specifier === undefined) this.#unknowable.add("a require() of no literal");
    else {
      const atLoad = !this.#deferred;
      this.#imports.push({ specifier, type: undefined, atLoad, ahead: false });
    }
  }

  /** A module that is made a URL of is to be started, by a worker say. */
  #noteUrl(node: SyntaxNode): void {
    const specifier = literalUrl(node);
    if (specifier !== undefined && /\.[cm]?[jt]sx?$/.test(specifier)) this.#started.push(specifier);
  }

  #visitImport(node: SyntaxNode): void {
    const source = nodeAt(node, "source");
    const specifier = importedSpecifier(node);
    if (specifier === undefined) this.#unknowable.add("a dynamic import of no literal");
    else {
      const ahead = source?.type === "Literal";
      this.#imports.push({ specifier, type: importedType(node), atLoad: !this.#deferred, ahead });
    }
    this.#calls ||= !this.#deferred;
    this.#visitAll([source, nodeAt(node, "options")], node);
  }

  #isBound(name: string): boolean {
    return this.#scopeOf(name) !== undefined;
  }

  #scopeOf(name: string): NameScope | undefined {
    let scope = this.#scope;
    while (scope !== undefined && !scope.names.has(name)) scope = scope.outer;
    return scope;
  }

  #useThis(node: SyntaxNode): void {
    this.#usesThis ||= this.#thisDepth === 0;
    if (this.#thisDepth !== 1 || this.#own === undefined) return;
    const { argument: _, ...place } = classify(node, this.#ancestors, this.#bodies);
    const { start, type: name } = node;
    this.#ofThis.push({ name, start, ...place, ...this.#callbackOf(place), atLoad: false });
  }

  /** One that is bound here may be any function. */
  #callbackOf({ given }: Place): Pick<Use, "callback"> {
    const [first] = given ?? [];
    if (first === undefined) return {};
    const path = memberPath(first);
    const isKnown = isFunctionNode(first) || (path !== undefined && !this.#isBound(path.name));
    return isKnown ? { callback: first } : {};
  }

  #use(node: SyntaxNode): void {
    const name = String(node.name);
    const scope = this.#scopeOf(name);
    const isOwn = scope !== undefined && scope === this.#own?.scope;
    if (scope !== undefined && !isOwn) return;
    if (name === "eval") this.#unknowable.add(EVAL);
    const { argument, ...place } = classify(node, this.#ancestors, this.#bodies);
    const use: Use = {
      ...{ name, start: node.start, ...place, atLoad: !this.#deferred },
      ...(argument !== undefined && !this.#isBound(argument.callee.name) && { argument }),
      ...this.#callbackOf(place),
    };
    if (!isOwn) {
      this.#uses.push(use);
      return;
    }
    const position = this.#own?.names.indexOf(name) ?? -1;
    this.#parameters.set(position, [...this.#parameters.get(position) ?? [], use]);
  }
}

/** What `import()` imports, if that is a literal. */
export function importedSpecifier(node: SyntaxNode): string | undefined {
  const source = nodeAt(node, "source");
  return literalText(source) ?? literalUrl(source);
}

/** As what `import()` is told to read a module. */
export function importedType(node: SyntaxNode): string | undefined {
  const options = nodeAt(node, "options");
  const attributes = options && propertyOf(options, "with");
  const type = attributes && propertyOf(attributes, "type");
  return literalText(type);
}

function propertyOf(object: SyntaxNode, name: string): SyntaxNode | undefined {
  const found = nodesAt(object, "properties").find((property) => nameAt(property, "key") === name);
  return found && nodeAt(found, "value");
}

/** The literal in `new URL(…, import.meta.url)`, its `.href`, and `import.meta.resolve(…)`. */
function literalUrl(node: SyntaxNode | undefined): string | undefined {
  if (node?.type === "MemberExpression") return literalUrl(nodeAt(node, "object"));
  if (node === undefined) return undefined;
  const callee = nodeAt(node, "callee");
  const [first, second] = nodesAt(node, "arguments");
  if (node.type === "NewExpression" && callee?.type === "Identifier" && callee.name === "URL") {
    const text = literalText(first);
    if (text === undefined || !isMeta(second, "url")) return undefined;
    return /^\.{0,2}\/|^\w+:/.test(text) ? text : `./${text}`;
  }
  return node.type === "CallExpression" && isMeta(callee, "resolve")
    ? literalText(first)
    : undefined;
}

/** Whether code is `import.meta` with a member. */
export function isMeta(node: SyntaxNode | undefined, member: string): boolean {
  return node?.type === "MemberExpression" && nodeAt(node, "object")?.type === "MetaProperty" &&
    nodeAt(node, "property")?.name === member;
}
