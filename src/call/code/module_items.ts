import { patternNames, varNames } from "./names.ts";
import type { ParsedModule } from "./parse_module.ts";
import { isConstant } from "./shape.ts";
import {
  digestSyntax,
  isFunctionNode,
  literalText,
  nameAt,
  nodeAt,
  nodesAt,
  type SyntaxNode,
} from "./syntax.ts";
import {
  type CodeUses,
  importedSpecifier,
  importedType,
  type IsDefinition,
  isMeta,
  readUses,
} from "./uses.ts";

/** What kind of thing an item is. */
export type ItemKind = "function" | "class" | "variable" | "statement";

/** What stays of what a variable begins with. */
type Keeps = "value" | "kind" | "nothing";

/** The longest piece of code that stands for a statement's name. */
const LONGEST_LABEL = 40;

/** A declaration at the top level of a module, each variable by itself, or a statement there. */
export class Item {
  /** The URL of the module. */
  readonly module: string;
  /** The names that it binds. */
  readonly names: readonly string[];
  /** What it is. */
  readonly kind: ItemKind;
  /** What it is made of. */
  readonly nodes: readonly (SyntaxNode | undefined)[];
  /** What it begins with, if it is a variable. */
  readonly init: SyntaxNode | undefined;
  /** The same where all of it is one variable's. */
  readonly value: SyntaxNode | undefined;
  /** What stays of that: all that is no part of it, that it has no parts, or nothing for sure. */
  readonly keeps: Keeps;
  /** Whether it runs only where its module is the main one. */
  readonly main: boolean;
  /** What it is called where people see it. */
  readonly label: string;
  /** The items that have declared names of this one before. */
  readonly redeclared: { readonly item: Item; readonly start: number }[] = [];
  #digest: string | undefined;
  #uses: CodeUses | undefined;

  /** Takes a piece of a module. */
  constructor(
    module: string,
    kind: ItemKind,
    nodes: readonly (SyntaxNode | undefined)[],
    { names, init, value, keeps = "value", main = false, label }: {
      readonly names: readonly string[];
      readonly init?: SyntaxNode | undefined;
      readonly value?: SyntaxNode | undefined;
      readonly keeps?: Keeps;
      readonly main?: boolean;
      readonly label: string;
    },
  ) {
    this.module = module;
    this.kind = kind;
    this.nodes = nodes;
    this.names = names;
    this.init = init;
    this.value = value;
    this.keeps = keeps;
    this.main = main;
    this.label = label;
  }

  /** Whether it is a function, by declaration or as what a variable begins with. */
  get isFunction(): boolean {
    return this.kind === "function" || (this.init !== undefined && isFunctionNode(this.init));
  }

  /** Whether it is a class, by declaration or as what a variable begins with. */
  get isClass(): boolean {
    return this.kind === "class" || this.value?.type === "ClassExpression";
  }

  /** What it takes, if it is a function. */
  get params(): readonly SyntaxNode[] {
    const fn = this.kind === "function" ? this.nodes[0] : this.init;
    return fn === undefined ? [] : nodesAt(fn, "params");
  }

  /** Whether it takes some of its arguments apart. */
  get hasPatterns(): boolean {
    return this.params.some(({ type }) => type !== "Identifier");
  }

  /** Where it begins in its module. */
  get start(): number {
    return this.nodes[0]?.start ?? 0;
  }

  /** The digest of its code. */
  get digest(): string {
    return this.#digest ??= digestSyntax(this.nodes);
  }

  /** What it uses. */
  uses(isDefinition: IsDefinition): CodeUses {
    const own = this.init !== undefined && isFunctionNode(this.init) ? [this.init] : this.nodes;
    return this.#uses ??= readUses(own, isDefinition);
  }
}

/** What a name at the top level of a module stands for. */
export type Binding =
  | { readonly kind: "item"; readonly item: Item }
  | { readonly kind: "import"; readonly from: Import; readonly name: string };

/** All of a module, as the name that is imported of it. */
export const NAMESPACE = "*";

/** One import or re-export. */
export interface Import {
  /** What is imported, as it is written. */
  readonly specifier: string;
  /** As what it is read: `json`, `text` and the like, or code. */
  readonly type: string | undefined;
  /** Whether nothing but what happens is wanted of it. */
  readonly effect: boolean;
}

/** What other modules get by a name. */
export type Export =
  | { readonly kind: "local"; readonly name: string }
  | { readonly kind: "from"; readonly from: Import; readonly name: string };

/** What a module consists of. */
export interface ModuleItems {
  /** All declarations and statements, in order. */
  readonly items: readonly Item[];
  /** What names at its top level stand for. */
  readonly bindings: ReadonlyMap<string, Binding>;
  /** What others get of it, by name. */
  readonly exports: ReadonlyMap<string, Export>;
  /** What it gives on as a whole. */
  readonly stars: readonly Import[];
  /** All its static imports, in order. */
  readonly imports: readonly Import[];
}

/** The name under which a default export without a name is bound. */
const DEFAULT = "*default*";

/**
 * Divides a module.
 *
 * @param module The URL of the module.
 * @param parsed What it was read as.
 */
export function toModuleItems(
  module: string,
  parsed: Extract<ParsedModule, { kind: "code" }>,
): ModuleItems {
  const divider = new Divider(module, parsed);
  for (const statement of parsed.body) divider.add(statement);
  return divider;
}

/** Whether what follows a condition runs only where the module is the main one. */
function isIfMain(test: SyntaxNode | undefined): boolean {
  if (test?.operator === "&&") return isIfMain(nodeAt(test, "left"));
  return isMeta(test, "main");
}

class Divider implements ModuleItems {
  readonly items: Item[] = [];
  readonly bindings = new Map<string, Binding>();
  readonly exports = new Map<string, Export>();
  readonly stars: Import[] = [];
  readonly imports: Import[] = [];
  readonly #module: string;
  readonly #parsed: Extract<ParsedModule, { kind: "code" }>;

  constructor(module: string, parsed: Extract<ParsedModule, { kind: "code" }>) {
    this.#module = module;
    this.#parsed = parsed;
  }

  add(node: SyntaxNode): void {
    switch (node.type) {
      case "EmptyStatement":
        return;
      case "ImportDeclaration":
        return this.#addImport(node);
      case "ExportNamedDeclaration":
        return this.#addExport(node);
      case "ExportAllDeclaration":
        return this.#addExportAll(node);
      case "ExportDefaultDeclaration":
        return this.#addDefault(nodeAt(node, "declaration"));
      case "FunctionDeclaration":
        return this.#addItem("function", [node], patternNames(nodeAt(node, "id")));
      case "ClassDeclaration":
        return this.#addItem("class", [node], patternNames(nodeAt(node, "id")));
      case "VariableDeclaration":
        return this.#addVariables(node);
      case "IfStatement":
        return this.#addIf(node);
      case "ExpressionStatement":
        return this.#addExpression(node);
      default:
        this.#addStatement(node);
    }
  }

  #addItem(
    kind: ItemKind,
    nodes: readonly (SyntaxNode | undefined)[],
    names: readonly string[],
    more: {
      readonly init?: SyntaxNode | undefined;
      readonly value?: SyntaxNode | undefined;
      readonly keeps?: Keeps;
      readonly main?: boolean;
    } = {},
  ): void {
    const label = names.filter((name) => name !== DEFAULT).join(", ") || this.#toLabel(nodes[0]);
    const item = new Item(this.#module, kind, nodes, { names, label, ...more });
    this.items.push(item);
    for (const name of names) {
      const known = this.bindings.get(name);
      // Only `var` and functions may be declared twice.
      if (known?.kind !== "item") this.bindings.set(name, { kind: "item", item });
      else item.redeclared.push({ item: known.item, start: item.start });
    }
  }

  #toLabel(node: SyntaxNode | undefined): string {
    const text = this.#parsed.text.slice(node?.start, node?.end).replaceAll(/\s+/g, " ").trim();
    return text.length > LONGEST_LABEL ? `${text.slice(0, LONGEST_LABEL - 1)}…` : text;
  }

  /** Those of `var` inside of a statement are the module's. */
  #addStatement(node: SyntaxNode, main = false): void {
    this.#addItem("statement", [node], varNames(node), { main });
  }

  #addIf(node: SyntaxNode): void {
    const test = nodeAt(node, "test");
    const [consequent, alternate] = [nodeAt(node, "consequent"), nodeAt(node, "alternate")];
    const isUnlessMain = test?.operator === "!" && isMeta(nodeAt(test, "argument"), "main");
    if (!isUnlessMain && !isIfMain(test)) return this.#addStatement(node);
    if (consequent !== undefined) this.#addStatement(consequent, !isUnlessMain);
    if (alternate !== undefined) this.#addStatement(alternate, isUnlessMain);
  }

  #addExpression(node: SyntaxNode): void {
    const expression = nodeAt(node, "expression");
    const awaited = expression?.type === "AwaitExpression"
      ? nodeAt(expression, "argument")
      : expression;
    if (awaited?.type === "ImportExpression") this.#addLateImport(awaited);
    // A module is strict whatever it says; a script is only if it says so.
    if (typeof node.directive === "string" && !this.#parsed.script) return;
    this.#addStatement(node, isIfMain(expression));
  }

  /** What is imported by a statement of its own is wanted for what happens. */
  #addLateImport(node: SyntaxNode): void {
    const specifier = importedSpecifier(node);
    if (specifier !== undefined) {
      this.imports.push({ specifier, type: importedType(node), effect: true });
    }
  }

  #addVariables(node: SyntaxNode): void {
    for (const declarator of nodesAt(node, "declarations")) {
      const id = nodeAt(declarator, "id");
      const init = nodeAt(declarator, "init");
      const value = id?.type === "Identifier" ? init : undefined;
      const keeps = node.kind === "const" ? "value" : this.#isTyped(id, init) ? "kind" : "nothing";
      this.#addItem("variable", [declarator], patternNames(id), { init, value, keeps });
    }
  }

  /** A variable without a type has that of what it begins with. */
  #isTyped(id: SyntaxNode | undefined, init: SyntaxNode | undefined): boolean {
    const { original, typed } = this.#parsed;
    const isPrimitive = init?.type === "Literal" && init.value !== null && isConstant(init);
    return typed && isPrimitive && /^\s*=/.test(original.slice(id?.end, init.start));
  }

  #addImport(node: SyntaxNode): void {
    const specifiers = nodesAt(node, "specifiers");
    // What was left out were types: then nothing is loaded, either.
    const { stripped, original, text } = this.#parsed;
    const source = stripped ? original : text;
    const isBare = /^import\s*(?:\{\s*\}\s*from\s*)?["']/.test(source.slice(node.start, node.end));
    if (specifiers.length === 0 && !isBare) return;
    const from = this.#toImport(node, specifiers.length === 0);
    for (const specifier of specifiers) {
      const local = nameAt(specifier, "local");
      const name = specifier.type === "ImportDefaultSpecifier"
        ? "default"
        : specifier.type === "ImportNamespaceSpecifier"
        ? NAMESPACE
        : nameAt(specifier, "imported");
      this.bindings.set(local, { kind: "import", from, name });
    }
  }

  #toImport(node: SyntaxNode, effect: boolean): Import {
    const attributes = nodesAt(node, "attributes");
    const type = attributes.find((one) => nameAt(one, "key") === "type");
    const from = {
      specifier: literalText(nodeAt(node, "source")) ?? "",
      type: type && nameAt(type, "value"),
      effect,
    };
    this.imports.push(from);
    return from;
  }

  #addExport(node: SyntaxNode): void {
    const declaration = nodeAt(node, "declaration");
    if (declaration !== undefined) {
      const before = this.items.length;
      this.add(declaration);
      for (const { names } of this.items.slice(before)) {
        for (const name of names) this.exports.set(name, { kind: "local", name });
      }
      return;
    }
    const specifiers = nodesAt(node, "specifiers");
    if (nodeAt(node, "source") === undefined) {
      for (const one of specifiers) {
        this.exports.set(nameAt(one, "exported"), { kind: "local", name: nameAt(one, "local") });
      }
      return;
    }
    const { stripped, original } = this.#parsed;
    const isEmpty = !stripped || /^export\s*\{\s*\}/.test(original.slice(node.start, node.end));
    if (specifiers.length === 0 && !isEmpty) return;
    const from = this.#toImport(node, specifiers.length === 0);
    for (const one of specifiers) {
      this.exports.set(nameAt(one, "exported"), { kind: "from", from, name: nameAt(one, "local") });
    }
  }

  #addExportAll(node: SyntaxNode): void {
    const from = this.#toImport(node, false);
    const exported = nodeAt(node, "exported");
    if (exported === undefined) this.stars.push(from);
    else this.exports.set(nameAt(node, "exported"), { kind: "from", from, name: NAMESPACE });
  }

  #addDefault(node: SyntaxNode | undefined): void {
    if (node === undefined) return;
    const named = patternNames(nodeAt(node, "id"));
    if (node.type === "Identifier") {
      this.exports.set("default", { kind: "local", name: String(node.name) });
      return;
    }
    if (node.type.endsWith("Declaration") && named.length > 0) {
      this.add(node);
      this.exports.set("default", { kind: "local", name: named[0] ?? "" });
      return;
    }
    const kind = node.type === "FunctionDeclaration"
      ? "function"
      : node.type === "ClassDeclaration"
      ? "class"
      : "variable";
    this.#addItem(kind, [node], [DEFAULT], kind === "variable" ? { init: node, value: node } : {});
    this.exports.set("default", { kind: "local", name: DEFAULT });
  }
}
