import { createSha256 } from "../../base/sha256.ts";
import type { CodeIndex } from "./code_index.ts";
import { Effects, type TaskBody } from "./effects.ts";
import type { LoadedCode } from "./loaded_code.ts";
import { Item } from "./module_items.ts";
import type { Meaning, ModuleGraph, ResolvedUse } from "./module_graph.ts";
import type { LoadedModule, OpaqueModule } from "./read_source.ts";
import { UnknownVersionError } from "./resolver.ts";
import { digestSyntax, type SyntaxNode } from "./syntax.ts";
import { hasNoCode, nameOfTask } from "./task_options.ts";
import { type CodeUses, readUses } from "./uses.ts";

/** What is counted of a task's code. */
export type Extent = "reach" | "module";

/** One thing that counts. */
export interface ReachedPart {
  /** What it is called. */
  readonly label: string;
  /** The URL of its module, if it is in one. */
  readonly module?: string;
  /** The digest of its code, or its version. */
  readonly digest: string;
}

/** The code that a task reaches. */
export interface ReachedCode {
  /** What all of it comes to. */
  readonly digest: string;
  /** What counts, the task's function first. */
  readonly parts: readonly ReachedPart[];
  /** The URLs of the modules that something counts of. */
  readonly modules: readonly string[];
  /** The tasks whose code counts, beside the one that it is asked of. */
  readonly tasks: readonly ReachedTask[];
  /** What cannot be seen. */
  readonly warnings: readonly string[];
}

/** A task that is reached. */
export interface ReachedTask {
  /** The URL of its module. */
  readonly module: string;
  /** Its name, where that is a literal. */
  readonly name: string | undefined;
}

/** A function that is a task's. */
interface Root {
  readonly function: SyntaxNode;
}

/** Something whose code counts: each gets a number when it is first met. */
type CodeNode = Item | LoadedModule | Root;

/** From a name to what it stands for; a text for what has no code here. */
type Edge = readonly [label: string, to: CodeNode | string];

/**
 * Finds the code that a function reaches.
 *
 * @param index The modules.
 * @param module The module of the task.
 * @param fn The function as the engine has it.
 * @param options What counts, and what the task is called, and its function, if that is a method.
 * @throws {MissingModuleError} When a module is needed that was not loaded.
 */
export function reachCode(
  index: CodeIndex,
  module: LoadedModule,
  fn: SyntaxNode,
  options: ReachOptions,
): ReachedCode {
  return new Reach(index, module, fn, options).read();
}

/** How code is counted. */
interface ReachOptions {
  /** What counts. */
  readonly extent: Extent;
  /** What the task is called. */
  readonly name: string;
  /** What the function is called, if it is the method of a class. */
  readonly method: string | undefined;
}

class Reach {
  readonly #index: CodeIndex;
  readonly #graph: ModuleGraph;
  readonly #module: LoadedModule;
  readonly #fn: SyntaxNode;
  /** The modules that are loaded one after another, with what they import. */
  readonly #entered: LoadedModule[];
  #code: LoadedCode;
  readonly #effects: Effects;
  readonly #edges = new Map<CodeNode, readonly Edge[]>();
  readonly #digests = new Map<CodeNode, string>();
  readonly #warnings = new Set<string>();
  readonly #root: Root;
  readonly #wholes = new Set<LoadedModule>();
  /** The packages that are imported for what they do. */
  readonly #effectful: Edge[] = [];
  readonly #found;
  readonly #extent: Extent;

  constructor(
    index: CodeIndex,
    module: LoadedModule,
    fn: SyntaxNode,
    { extent, name, method }: ReachOptions,
  ) {
    this.#index = index;
    this.#graph = index.graph;
    this.#module = module;
    this.#fn = fn;
    this.#extent = extent;
    this.#found = index.functionsOf(module).find(fn, name, method);
    const node = this.#found?.node;
    const body: TaskBody = {
      item: this.#found?.item,
      has: (start) => node !== undefined && start >= node.start && start < node.end,
    };
    this.#root = { function: node ?? fn };
    this.#entered = [module];
    this.#code = index.loadedWith(this.#entered);
    this.#effects = new Effects(this.#graph, this.#code, body);
  }

  read(): ReachedCode {
    const starts = this.#starts();
    const reached = this.#close(starts);
    const numbers = new Map<CodeNode, number>();
    const lines: string[] = [];
    for (const node of starts) this.#number(node, numbers, lines);
    const running = Array.from(this.#code.modules, (one) => this.#effects.order(one)).flat();
    // What runs is in its order; the rest has none but that of what it is.
    const ordered = new Set<CodeNode>(running);
    const rest = Array.from(reached).filter((node) => !ordered.has(node));
    const byCode = rest.sort((a, b) => compare(this.#digestOf(a), this.#digestOf(b)));
    for (const node of [...running, ...byCode]) this.#number(node, numbers, lines);
    const order = running.map((item) => numbers.get(item));
    const digest = createSha256().update(
      JSON.stringify([this.#extent, lines, order, this.#effectful]),
    );
    return {
      digest: digest.digest("hex"),
      parts: this.#toParts(numbers.keys()),
      modules: Array.from(new Set(Array.from(numbers.keys(), moduleOf))).filter((url) =>
        url !== undefined
      ),
      tasks: Array.from(numbers.keys(), (node) => this.#taskOf(node)).filter((task) =>
        task !== undefined
      ),
      warnings: [...this.#warnings],
    };
  }

  #taskOf(node: CodeNode): ReachedTask | undefined {
    if (!(node instanceof Item) || node === this.#found?.item) return undefined;
    const [, fn, options] = this.#graph.definitionOf(node) ?? [];
    return fn && { module: node.module, name: nameOfTask(fn, options) };
  }

  /** Where it begins: the function, and what is imported for what it does. */
  #starts(): CodeNode[] {
    const { modules } = this.#code;
    const rest = this.#extent === "module" ? [...modules] : this.#effectsOf(modules);
    return [this.#root, ...rest];
  }

  /** Everything that is loaded with a module. */
  #enter(module: LoadedModule): CodeNode[] {
    const before = this.#code.modules;
    if (before.has(module)) return [];
    this.#entered.push(module);
    this.#code = this.#index.loadedWith(this.#entered);
    this.#effects.extend(this.#code);
    return this.#effectsOf(this.#code.modules.difference(before));
  }

  /** What modules import for what it does: it counts as a whole. */
  #effectsOf(modules: ReadonlySet<LoadedModule>): CodeNode[] {
    const starts: CodeNode[] = [];
    for (const module of modules) {
      if (module.kind !== "code") continue;
      for (const { specifier, type, effect } of module.imports) {
        if (!effect) continue;
        const to = this.#toNode(this.#graph.whole(specifier, module.url, type));
        if (typeof to === "string") this.#effectful.push(["import", to]);
        else starts.push(to);
      }
    }
    return starts;
  }

  /** Everything that is reached, and what has an effect on it, until nothing is added. */
  #close(starts: readonly CodeNode[]): Set<CodeNode> {
    const reached = new Set<CodeNode>();
    let next: CodeNode[] = [...starts];
    while (next.length > 0) {
      for (let node = next.pop(); node !== undefined; node = next.pop()) {
        if (reached.has(node)) continue;
        reached.add(node);
        if (node instanceof Item) {
          this.#effects.reach(node);
          next.push(...this.#enter(this.#graph.module(node.module)));
        } else if (!("function" in node)) {
          this.#effects.reach({ whole: node });
          const loaded = this.#enter(node);
          next.push(...loaded);
        }
        for (const [, to] of this.#edgesOf(node)) if (typeof to !== "string") next.push(to);
      }
      next = this.#effects.take();
    }
    return reached;
  }

  /** Numbers what a node leads to, depth first; long chains of functions are no reason to fail. */
  #number(first: CodeNode, numbers: Map<CodeNode, number>, lines: string[]): void {
    if (numbers.has(first)) return;
    const open: { readonly node: CodeNode; readonly edges: readonly Edge[]; next: number }[] = [];
    const enter = (node: CodeNode): void => {
      numbers.set(node, numbers.size);
      open.push({ node, edges: this.#edgesOf(node), next: 0 });
    };
    enter(first);
    for (let frame = open.at(-1); frame !== undefined; frame = open.at(-1)) {
      const edge = frame.edges[frame.next++];
      if (edge !== undefined) {
        const [, to] = edge;
        if (typeof to !== "string" && !numbers.has(to)) enter(to);
        continue;
      }
      open.pop();
      const { node, edges } = frame;
      const named = edges.map(([label, to]) =>
        [label, typeof to === "string" ? to : numbers.get(to)] as const
      );
      lines[numbers.get(node) ?? 0] = JSON.stringify([this.#digestOf(node), named]);
    }
  }

  #digestOf(node: CodeNode): string {
    const known = this.#digests.get(node) ?? this.#digest(node);
    this.#digests.set(node, known);
    return known;
  }

  #digest(node: CodeNode): string {
    if (node instanceof Item) {
      const codeless = this.#codelessOf(node);
      return codeless === undefined ? node.digest : digestSyntax(node.nodes, new Set([codeless]));
    }
    if ("function" in node) return digestSyntax([this.#fn]);
    return node.kind === "opaque" ? node.digest : "module";
  }

  #edgesOf(node: CodeNode): readonly Edge[] {
    const known = this.#edges.get(node);
    if (known !== undefined) return known;
    const edges = node instanceof Item
      ? this.#itemEdges(node)
      : "function" in node
      ? this.#rootEdges()
      : this.#moduleEdges(node);
    this.#edges.set(node, edges);
    return edges;
  }

  /** A function that stands elsewhere, or has names of its own, may use all of its module. */
  #rootEdges(): readonly Edge[] {
    const module = this.#module;
    if (this.#found === undefined) {
      this.#wholes.add(module);
      return [["", module]];
    }
    const { node } = this.#found;
    const code = readUses([node], this.#graph.isDefinitionIn(module));
    const uses = code.uses.map((use) => this.#graph.resolveUse(module, use));
    return [...this.#useEdges(uses), ...this.#otherEdges(module, code)];
  }

  #itemEdges(item: Item): readonly Edge[] {
    const module = this.#graph.module(item.module);
    const uses = this.#graph.uses(item);
    const codeless = this.#codelessOf(item);
    const counted = codeless === undefined
      ? uses
      : uses.filter(({ use: { start } }) => start < codeless.start || start >= codeless.end);
    const code = this.#graph.codeOf(item);
    const others = codeless === undefined ? this.#otherEdges(module, code) : [];
    return [...this.#useEdges(counted), ...others];
  }

  #useEdges(uses: readonly ResolvedUse[]): readonly Edge[] {
    const edges = new Map<string, Edge>();
    for (const { meaning, label } of uses) {
      if (meaning === undefined) continue;
      const to = this.#toNode(meaning);
      if (!edges.has(label)) edges.set(label, [label, to]);
    }
    return [...edges.values()];
  }

  #toNode(meaning: Meaning): CodeNode | string {
    if ("whole" in meaning) return meaning.whole;
    if (!("member" in meaning)) return meaning;
    this.#effects.reach(meaning);
    const { name, version, member } = meaning;
    return `${name}=${version}#${member}`;
  }

  /** What is imported while code runs, and what cannot be known. */
  #otherEdges(
    module: LoadedModule,
    { imports, started, unknowable }: Pick<CodeUses, "imports" | "started" | "unknowable">,
  ): readonly Edge[] {
    const edges: Edge[] = imports.map(({ specifier, type, ahead }) => {
      const meaning = this.#graph.whole(specifier, module.url, type, ahead);
      return ["import", this.#toNode(meaning)] as const;
    });
    for (const specifier of started) {
      // It need not be there, and may be the one that is to be written.
      const to = this.#tryWhole(specifier, module.url);
      if (to !== undefined) edges.push(["start", to]);
    }
    if (unknowable.length === 0) return edges;
    this.#warnings.add(
      `Cannot see what ${unknowable.join(" and ")} in "${module.url}" uses: all of that module ` +
        "counts for the keys of calls, and what it uses elsewhere does not",
    );
    return [...edges, ["", module]];
  }

  #moduleEdges(module: LoadedModule): readonly Edge[] {
    if (module.kind === "opaque") return this.#opaqueEdges(module);
    const withMain = this.#wholes.has(module);
    const items = module.items.filter(({ main }) => !main || withMain).map((item) =>
      ["", item] as const
    );
    const exports = Array.from(module.exports.keys()).sort().map((name) => {
      const { meaning } = this.#graph.exportOf(module, name);
      return [name, meaning === undefined ? "" : this.#toNode(meaning)] as const;
    });
    const stars = module.stars.map(({ specifier, type }) =>
      ["*", this.#toNode(this.#graph.whole(specifier, module.url, type))] as const
    );
    return [...items, ...exports, ...stars];
  }

  #opaqueEdges(module: OpaqueModule): readonly Edge[] {
    const imports = this.#graph.specifiersOf(module).flatMap(({ specifier }): Edge[] => {
      const to = this.#tryWhole(specifier, module.url);
      return to === undefined ? [] : [[specifier, to]];
    });
    const options = JSON.stringify(this.#graph.compilerOptionsOf(module) ?? {});
    return options === "{}" ? imports : [...imports, ["options", options]];
  }

  /** What stands in a text need be no import. */
  #tryWhole(specifier: string, parent: string): CodeNode | string | undefined {
    try {
      return this.#toNode(this.#graph.whole(specifier, parent));
    } catch (error) {
      if (!(error instanceof TypeError) || error instanceof UnknownVersionError) throw error;
      return undefined;
    }
  }

  /** The function of a task whose code does not count: its name, version and options stand for it. */
  #codelessOf(item: Item): SyntaxNode | undefined {
    const [, codeless, options] = this.#graph.definitionOf(item) ?? [];
    return hasNoCode(options) ? codeless : undefined;
  }

  #toParts(nodes: Iterable<CodeNode>): ReachedPart[] {
    const parts: ReachedPart[] = [];
    const packages = new Map<string, string>();
    for (const node of nodes) {
      for (const [, to] of this.#edgesOf(node)) {
        const [, name, version] = typeof to === "string" ? /^(.*)=(.*)#/.exec(to) ?? [] : [];
        if (name !== undefined && version) packages.set(name, version);
      }
      const digest = this.#digestOf(node);
      const module = moduleOf(node);
      if (node instanceof Item) parts.push({ label: node.label, module: node.module, digest });
      else if ("function" in node) parts.push({ label: "", digest });
      else if (node.kind === "opaque" && module !== undefined) {
        parts.push({ label: "", module, digest });
      }
    }
    for (const [label, digest] of packages) parts.push({ label, digest });
    return parts;
  }
}

function moduleOf(node: CodeNode): string | undefined {
  if (node instanceof Item) return node.module;
  return "function" in node ? undefined : node.url;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
