import { ANY, memberPath, nodeAt, nodesAt, type SyntaxNode } from "./syntax.ts";
import type { Item } from "./module_items.ts";
import { NAMESPACE } from "./module_items.ts";
import { type LateFile, mayRead, type ReadOptions } from "../loaded_source.ts";
import type { FoundSpecifier } from "../specifiers.ts";
import type { JsonObject } from "./lock_file.ts";
import {
  type CodeModule,
  type LoadedModule,
  type OpaqueModule,
  readModule,
} from "./read_source.ts";
import type { Resolver, Target } from "./resolver.ts";
import type { CodeUses, IsDefinition, Use } from "./uses.ts";

/** All of a module. */
export interface WholeModule {
  /** The module. */
  readonly whole: LoadedModule;
}

/** What is known by its name and version. */
export interface Package {
  /** Where it comes from, and its name. */
  readonly name: string;
  /** The version. */
  readonly version: string;
  /** What is used of it. */
  readonly member: string;
}

/** What a name stands for. */
export type Meaning = Item | WholeModule | Package;

/** What can be changed: an item, data that is imported, or a package by its name. */
export type Thing = Item | LoadedModule | string;

/** What a place where something is named stands for, and what is done with that. */
export interface ResolvedUse {
  /** What the name stands for; nothing for what is there everywhere. */
  readonly meaning: Meaning | undefined;
  /** What is done with it. */
  readonly use: Use;
  /** How it is named. */
  readonly label: string;
}

/** That a module is needed which was not loaded yet. */
export class MissingModuleError extends Error {
  /** Names the module. */
  constructor(
    /** Its URL. */
    readonly url: string,
    /** As what it is imported. */
    readonly type: string | undefined,
    /** Whether Deno has loaded it together with the module that imports it. */
    readonly ahead: boolean,
  ) {
    super(`Cannot find "${url}": it was not loaded`);
    this.name = "MissingModuleError";
  }
}

/** What stands for Quiver's own code. */
export const QUIVER = "quiver";

// What was read once is what runs here, whoever asks for it.
const LOADED = new Map<string, Promise<LoadedModule>>();

function load(url: string, options: ReadOptions, allowed: boolean): Promise<LoadedModule> {
  const { type = "", late = Infinity } = options;
  // What was read before it was loaded may be another one.
  const key = `${type} ${late} ${url}`;
  const known = LOADED.get(key);
  if (known !== undefined) return known;
  const loading = readModule(url, options, allowed);
  LOADED.set(key, loading);
  loading.catch(() => LOADED.delete(key));
  return loading;
}

/** The modules that a task's module imports, and what their names stand for. */
export class ModuleGraph {
  readonly #resolver: Resolver;
  readonly #modules = new Map<string, LoadedModule | Error>();
  readonly #targets = new Map<string, Target>();
  readonly #uses = new Map<Item, readonly ResolvedUse[]>();
  readonly #late = new Map<string, LateFile>();
  readonly #definitions = new Map<LoadedModule, IsDefinition>();
  readonly #things = new Map<LoadedModule, Set<Thing>>();
  /** Asked once: to ask for each file takes longer than to read it. */
  readonly #readsAll = mayRead();

  /**
   * Loads nothing yet.
   *
   * @param resolver Resolves specifiers.
   */
  constructor(resolver: Resolver) {
    this.#resolver = resolver;
  }

  /**
   * Loads a module and all that it imports statically. What fails is only an error where it is used.
   */
  async load(url: string, options: ReadOptions = {}): Promise<void> {
    const key = toKey(url, options.type);
    if (this.#modules.has(key)) return;
    // Nobody else is to load it meanwhile.
    this.#modules.set(key, new Error("it is being loaded"));
    try {
      const module = await load(url, options, this.#readsAll);
      this.#modules.set(key, module);
      if (module.late !== undefined) this.#late.set(url, module.late);
      const targets = this.#staticTargets(module);
      await Promise.all(targets.map(([url, type]) => this.load(url, { ...options, type })));
    } catch (error) {
      this.#modules.set(key, error instanceof Error ? error : new Error(String(error)));
    }
  }

  #staticTargets(module: LoadedModule): (readonly [string, string | undefined])[] {
    const imports = module.kind === "code"
      ? module.imports
      : this.specifiersOf(module).flatMap(({ callee, specifier }) =>
        callee === undefined ? [{ specifier, type: undefined }] : []
      );
    return imports.flatMap(({ specifier, type }) => {
      try {
        const target = this.#target(specifier, module.url);
        return target.kind === "local" ? [[target.url, type] as const] : [];
      } catch {
        // It may be of a type, which nobody needs.
        return [];
      }
    });
  }

  /**
   * Gives a module.
   *
   * @param ahead Whether Deno has loaded it together with the module that imports it.
   * @throws {MissingModuleError} When it was not loaded.
   * @throws What went wrong when it was loaded.
   */
  module(url: string, type?: string, ahead = false): LoadedModule {
    const module = this.#modules.get(toKey(url, type));
    if (module === undefined) throw new MissingModuleError(url, type, ahead);
    if (module instanceof Error) throw module;
    return module;
  }

  /** The file of a module that may be loaded later than it was read. */
  lateFileOf(url: string): LateFile | undefined {
    return this.#late.get(url);
  }

  /** Whether a module could not be loaded. */
  #isLoaded(url: string, type: string | undefined): boolean {
    return !(this.#modules.get(toKey(url, type)) instanceof Error);
  }

  /** The modules that are loaded with a module, in the order in which they run. */
  order(root: LoadedModule): LoadedModule[] {
    const seen = new Set<LoadedModule>();
    const ordered: LoadedModule[] = [];
    const visit = (module: LoadedModule): void => {
      if (seen.has(module)) return;
      seen.add(module);
      for (const [url, type] of this.#staticTargets(module)) {
        if (this.#isLoaded(url, type)) visit(this.module(url, type));
      }
      ordered.push(module);
    };
    visit(root);
    return ordered;
  }

  #target(specifier: string, parent: string): Target {
    const key = `${specifier}\n${parent}`;
    const known = this.#targets.get(key) ?? this.#resolver.resolve(specifier, parent);
    this.#targets.set(key, known);
    return known;
  }

  /** What becomes of a module that is not understood before it runs, as far as somebody says so. */
  compilerOptionsOf({ url, compiled }: OpaqueModule): JsonObject | undefined {
    return compiled ? this.#resolver.compilerOptionsOf(url) : undefined;
  }

  /** What a module that is not understood seems to import, and what its JSX needs. */
  specifiersOf(module: OpaqueModule): readonly FoundSpecifier[] {
    const { jsx, jsxImportSource = "react" } = this.compilerOptionsOf(module) ?? {};
    const { specifiers, url } = module;
    const needsRuntime = /\.[jt]sx$/.test(new URL(url).pathname) &&
      /^(?:react-jsx|precompile)/.test(String(jsx));
    if (!needsRuntime) return specifiers;
    const name = jsx === "react-jsxdev" ? "jsx-dev-runtime" : "jsx-runtime";
    return [...specifiers, { specifier: `${jsxImportSource}/${name}`, callee: undefined }];
  }

  /**
   * What a module means that is imported as a whole.
   *
   * @param ahead Whether Deno has loaded it together with its parent.
   * @returns What it means; nothing for Quiver.
   */
  whole(specifier: string, parent: string, type?: string, ahead?: boolean): Meaning {
    const target = this.#target(specifier, parent);
    return target.kind === "local"
      ? { whole: this.module(target.url, type, ahead) }
      : toPackage(target, NAMESPACE);
  }

  /** What the names in an item stand for. */
  uses(item: Item): readonly ResolvedUse[] {
    const known = this.#uses.get(item);
    if (known !== undefined) return known;
    const module = this.module(item.module);
    const { uses } = this.codeOf(item);
    const resolved = uses.map((use) => this.resolveUse(module, use));
    this.#uses.set(item, resolved);
    return resolved;
  }

  /** What the code of an item uses. */
  codeOf(item: Item): CodeUses {
    return item.uses(this.isDefinitionIn(this.module(item.module)));
  }

  /** What a name stands for in a module. */
  resolveUse(module: LoadedModule, use: Use): ResolvedUse {
    const { name, path, method } = use;
    const binding = module.kind === "code" ? module.bindings.get(name) : undefined;
    if (binding === undefined) return { meaning: undefined, use, label: name };
    if (binding.kind === "item") return { meaning: binding.item, use, label: name };
    if (binding.name !== NAMESPACE) {
      const meaning = this.#imported(module, binding.from, binding.name);
      return { meaning, use, label: name };
    }
    const member = path[0] ?? method;
    if (member === undefined || member === ANY || (path.length === 0 && use.kind !== "method")) {
      return { meaning: this.#imported(module, binding.from, NAMESPACE), use, label: name };
    }
    const { method: _, ...called } = use;
    const inner: Use = path.length > 0
      ? { ...use, path: path.slice(1) }
      : { ...called, kind: "call" };
    const meaning = this.#imported(module, binding.from, member);
    return { meaning, use: inner, label: `${name}.${member}` };
  }

  /** What a module gives others by a name. */
  exportOf(module: LoadedModule, name: string): { readonly meaning: Meaning | undefined } {
    return { meaning: this.#exported(module, name, new Set()) };
  }

  /** What a meaning consists of: of a module, all that it has and gives on. */
  thingsOf(meaning: Meaning): Iterable<Thing> {
    if ("member" in meaning) return [meaning.name];
    if (!("whole" in meaning)) return [meaning];
    const { whole } = meaning;
    if (whole.kind !== "code") return [whole];
    return this.#things.get(whole) ?? this.#addThings(whole);
  }

  #addThings(module: CodeModule): Set<Thing> {
    const things = new Set<Thing>(module.items);
    this.#things.set(module, things);
    const add = (find: () => Meaning | undefined): void => {
      try {
        const meaning = find();
        for (const thing of meaning ? this.thingsOf(meaning) : []) things.add(thing);
      } catch {
        // What cannot be loaded has nothing.
      }
    };
    for (const name of module.exports.keys()) add(() => this.exportOf(module, name).meaning);
    for (const { specifier, type } of module.stars) {
      add(() => this.whole(specifier, module.url, type));
    }
    return things;
  }

  /**
   * The arguments of the call by which an item defines a task.
   *
   * @returns The arguments, or `undefined` when it is something else.
   */
  definitionOf({ init, module }: Item): readonly SyntaxNode[] | undefined {
    const callee = init?.type === "CallExpression" ? memberPath(nodeAt(init, "callee")) : undefined;
    if (init === undefined || callee === undefined) return undefined;
    const isDefinition = this.isDefinitionIn(this.module(module));
    return isDefinition(callee.name, callee.path) ? nodesAt(init, "arguments") : undefined;
  }

  /** Tells the calls of Quiver's `task` in a module. */
  isDefinitionIn(module: LoadedModule): IsDefinition {
    const known = this.#definitions.get(module) ?? this.#makeIsCall(module, "task");
    this.#definitions.set(module, known);
    return known;
  }

  /** Tells the calls of Quiver's `method` in a module. */
  isMethodIn(module: LoadedModule): IsDefinition {
    return this.#makeIsCall(module, "method");
  }

  #makeIsCall(module: LoadedModule, member: string): IsDefinition {
    return (name, path) => {
      if (module.kind !== "code" || module.bindings.get(name)?.kind !== "import") return false;
      const use = { name, path, start: 0, kind: "call", atLoad: true } as const;
      try {
        const { meaning } = this.resolveUse(module, use);
        return meaning !== undefined && "member" in meaning && meaning.name === QUIVER &&
          meaning.member === member;
      } catch (error) {
        if (error instanceof MissingModuleError) throw error;
        return false;
      }
    };
  }

  #imported(
    parent: LoadedModule,
    { specifier, type }: { readonly specifier: string; readonly type: string | undefined },
    name: string,
    seen: ReadonlySet<string> = new Set(),
  ): Meaning {
    const target = this.#target(specifier, parent.url);
    if (target.kind !== "local") return toPackage(target, name);
    const module = this.module(target.url, type);
    if (module.kind !== "code" || module.script || name === NAMESPACE) return { whole: module };
    return this.#exported(module, name, seen) ?? { whole: module };
  }

  #exported(
    module: LoadedModule,
    name: string,
    seen: ReadonlySet<string>,
  ): Meaning | undefined {
    const place = `${module.url}\n${name}`;
    if (module.kind !== "code" || seen.has(place)) return undefined;
    const inner = new Set(seen).add(place);
    const found = module.exports.get(name);
    if (found?.kind === "from") return this.#imported(module, found.from, found.name, inner);
    if (found !== undefined) {
      const binding = module.bindings.get(found.name);
      if (binding?.kind === "item") return binding.item;
      return binding && this.#imported(module, binding.from, binding.name, inner);
    }
    if (name === "default") return undefined;
    return this.#starred(module, name, inner);
  }

  /** One of those that give it on; a package does not tell what it has. */
  #starred(
    module: CodeModule,
    name: string,
    seen: ReadonlySet<string>,
  ): Meaning | undefined {
    let other: Meaning | undefined;
    for (const { specifier, type } of module.stars) {
      const target = this.#target(specifier, module.url);
      if (target.kind !== "local") {
        other = toPackage(target, name);
        continue;
      }
      const inner = this.module(target.url, type);
      if (inner.kind !== "code") other = { whole: inner };
      const found = this.#exported(inner, name, seen);
      if (found !== undefined) return found;
    }
    return other;
  }
}

function toKey(url: string, type: string | undefined): string {
  return type === undefined ? url : `${type} ${url}`;
}

function toPackage(target: Exclude<Target, { kind: "local" }>, member: string): Package {
  return target.kind === "quiver"
    ? { name: QUIVER, version: "", member }
    : { name: target.name, version: target.version, member };
}
