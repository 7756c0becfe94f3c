import {
  type Meaning,
  MissingModuleError,
  type ModuleGraph,
  type ResolvedUse,
  type Thing,
} from "./module_graph.ts";
import { Item } from "./module_items.ts";
import {
  isDirect,
  isPure,
  keepsShape,
  type KnownCode,
  looksAtMembers,
  mayChange,
  toShape,
} from "./mutation.ts";
import type { LoadedModule } from "./read_source.ts";
import type { Shape } from "./shape.ts";
import type { LateImport, Use } from "./uses.ts";

/** What has code: an item, or a module that is not understood. */
export type Owner = Item | LoadedModule;

/** Code that names a thing. */
export interface User {
  /** The code. */
  readonly owner: Owner;
  /** What it does with the thing. */
  readonly resolved: ResolvedUse;
}

/** Code that has to do with what becomes of a thing. */
export interface Effect extends User {
  /** Whether it may change it. */
  readonly changes: boolean;
}

/** What may be done by a module that is not understood. */
const ANYTHING: Use = { name: "", start: 0, path: [], kind: "escape", atLoad: true };

/** What all that is there everywhere is a part of. */
const GLOBAL_NAMES = new Set(["globalThis", "global", "self", "window"]);

/** Who names what in the modules that are loaded together, and what of them runs meanwhile. */
export class LoadedCode implements KnownCode {
  /** The modules, in the order in which they run. */
  readonly modules = new Set<LoadedModule>();
  /** Those that change what is there everywhere. */
  readonly globals: User[] = [];
  readonly #graph: ModuleGraph;
  readonly #users = new Map<Thing, User[]>();
  readonly #effects = new Map<Thing, readonly Effect[]>();
  readonly #uses = new Map<Owner, ResolvedUse[]>();
  /** Items that run while their modules are loaded. */
  readonly #starting = new Set<Item>();
  /** Items that import something when they run. */
  readonly #importing = new Set<Item>();
  /** What was imported for certain by those that run. */
  readonly #imported = new Set<LateImport>();
  /** What runs items while modules are loaded, directly or not. */
  #called: ReadonlySet<Item> = new Set();
  readonly #keepsShape = new Map<Item, boolean>();
  readonly #hasMembers = new Map<Item, boolean>();

  /**
   * Reads modules.
   *
   * @param modules The modules that are loaded; what they import while they are is added.
   * @throws {MissingModuleError} When a module is needed that was not read.
   */
  constructor(graph: ModuleGraph, modules: Iterable<LoadedModule>) {
    this.#graph = graph;
    for (const module of modules) this.#add(module);
    do this.#called = this.#findCalled(); while (this.#addImported());
  }

  /** Who names a thing. */
  usersOf(thing: Thing): readonly User[] {
    return this.#users.get(thing) ?? [];
  }

  /** The statements that name a thing, and whoever may change it. */
  effectsOn(thing: Thing): readonly Effect[] {
    const known = this.#effects.get(thing) ?? this.#findEffects(thing);
    this.#effects.set(thing, known);
    return known;
  }

  #findEffects(thing: Thing): Effect[] {
    return this.usersOf(thing).flatMap((user) => {
      const { owner, resolved: { use } } = user;
      // What it does to itself while it is made is a part of what it is.
      if (owner === thing && use.atLoad) return [];
      // What may be changed by way of something else is only if the code runs, as far as that is seen.
      const isDone = typeof thing === "string" ? use.kind === "write" : isDirect(use);
      const changes = (isDone || this.runsAtLoad(user)) && this.#mayChange(thing, user);
      return changes || isStatement(owner) ? [{ ...user, changes }] : [];
    });
  }

  #mayChange(thing: Thing, { owner, resolved: { use, meaning } }: User): boolean {
    if (thing instanceof Item && (meaning === thing || !(owner instanceof Item))) {
      // A task is called, bound and asked; nothing of that changes it.
      if (this.#graph.definitionOf(thing) !== undefined) return use.kind === "write";
      return mayChange(use, moduleOf(owner), thing, this);
    }
    // Of a package or a namespace that goes somewhere anything may be changed.
    return use.kind !== "read" && use.kind !== "call";
  }

  /** Whether a use may be while modules are loaded. */
  runsAtLoad({ owner, resolved: { use } }: User): boolean {
    if (!(owner instanceof Item)) return true;
    return this.#called.has(owner) || (use.atLoad && this.#starting.has(owner));
  }

  /** Whether something happens when an item is loaded. */
  runs(item: Item): boolean {
    if (item.kind === "statement") return true;
    const { calls, imports, uses } = this.#graph.codeOf(item);
    return calls || [...imports, ...uses].some(({ atLoad }) => atLoad);
  }

  /** What the names in an item stand for; those that nothing knows stand for nothing. */
  resolvedUsesOf(item: Item): readonly ResolvedUse[] {
    return this.#uses.get(item) ?? this.#resolve(item);
  }

  /** What the code of an item uses. */
  usesOf(item: Item): ReturnType<KnownCode["usesOf"]> {
    return this.#graph.codeOf(item);
  }

  /** What a variable may be. */
  shapeOf(item: Item): Shape {
    if (item.keeps === "kind") return toShape(item, false);
    const known = this.#keepsShape.get(item) ??
      keepsShape(item, this.#usesOfItem(item), this);
    this.#keepsShape.set(item, known);
    return known || item.keeps === "value" ? toShape(item, !known) : undefined;
  }

  /** What is done with a variable while modules are loaded. */
  *#usesOfItem(item: Item): Iterable<readonly [Use, string]> {
    for (const user of this.usersOf(item)) {
      const { owner, resolved: { meaning, use } } = user;
      const url = moduleOf(owner);
      if ((owner === item && use.atLoad) || !this.runsAtLoad(user)) continue;
      // By a namespace that goes somewhere anything may be done with it.
      yield [meaning === item ? use : { ...ANYTHING, name: use.name }, url];
    }
  }

  /** Whether anybody looks at members of a function. */
  hasMembers(item: Item): boolean {
    const known = this.#hasMembers.get(item) ??
      this.usersOf(item).some(({ owner, resolved: { use } }) =>
        looksAtMembers(use, moduleOf(owner), this)
      );
    this.#hasMembers.set(item, known);
    return known;
  }

  /** What a name stands for in a module, if it is a function or class, or that it is there everywhere. */
  find(url: string, name: string, path: readonly string[]): Item | "global" | undefined {
    const module = this.#graph.module(url);
    if (module.kind !== "code" || !module.bindings.has(name)) return "global";
    const callee: Use = { name, path, start: 0, kind: "call", atLoad: false };
    try {
      const { meaning, use: { path: rest } } = this.#graph.resolveUse(module, callee);
      if (!(meaning instanceof Item) || rest.length > 0) return undefined;
      return meaning.isFunction || meaning.kind === "class" ? meaning : undefined;
    } catch {
      return undefined;
    }
  }

  #add(module: LoadedModule): void {
    if (this.modules.has(module)) return;
    this.modules.add(module);
    if (module.kind === "code") {
      for (const item of module.items) if (!item.main) this.#note(item);
      return;
    }
    for (const { specifier } of this.#graph.specifiersOf(module)) {
      const meaning = this.#tryWhole(specifier, module.url);
      if (meaning === undefined) continue;
      const resolved: ResolvedUse = { meaning, use: ANYTHING, label: specifier };
      this.#noteUse(module, resolved);
    }
  }

  #note(item: Item): void {
    if (this.runs(item)) this.#starting.add(item);
    const { evaluates, imports } = this.#graph.codeOf(item);
    if (imports.length > 0) this.#importing.add(item);
    if (evaluates) this.#noteAnything(item);
    for (const resolved of this.#resolve(item)) this.#noteUse(item, resolved);
    // What is declared anew is changed.
    for (const { item: first, start } of item.redeclared) {
      const use: Use = { name: "", start, path: [], kind: "write", atLoad: true };
      this.#noteUser(first, { owner: item, resolved: { meaning: first, use, label: "" } });
    }
  }

  /** What is made of a text may do anything with its module, and with what is there everywhere. */
  #noteAnything(item: Item): void {
    const meaning = { whole: this.#graph.module(item.module) };
    this.#noteUse(item, { meaning, use: ANYTHING, label: "" });
    this.globals.push({ owner: item, resolved: { meaning: undefined, use: ANYTHING, label: "" } });
  }

  #noteUse(owner: Owner, resolved: ResolvedUse): void {
    const { meaning, use } = resolved;
    if (meaning !== undefined) {
      for (const thing of this.#graph.thingsOf(meaning)) this.#noteUser(thing, { owner, resolved });
    } else if (changesGlobal(use)) {
      this.globals.push({ owner, resolved });
    }
  }

  #noteUser(thing: Thing, user: User): void {
    const known = this.#users.get(thing);
    if (known === undefined) this.#users.set(thing, [user]);
    else known.push(user);
  }

  #resolve(item: Item): ResolvedUse[] {
    const module = this.#graph.module(item.module);
    const uses = this.#graph.codeOf(item).uses.map((use) => {
      try {
        return this.#graph.resolveUse(module, use);
      } catch {
        // What cannot be resolved is an error only where it is reached.
        return { meaning: undefined, use, label: use.name };
      }
    });
    this.#uses.set(item, uses);
    return uses;
  }

  /** What stands in a text need be no import. */
  #tryWhole(
    specifier: string,
    parent: string,
    { type, ahead }: Partial<LateImport> = {},
  ): Meaning | undefined {
    try {
      return this.#graph.whole(specifier, parent, type, ahead);
    } catch (error) {
      if (error instanceof MissingModuleError) throw error;
      return undefined;
    }
  }

  #findCalled(): ReadonlySet<Item> {
    const called = new Set<Item>();
    const visit = (owner: Owner, all: boolean): void => {
      for (const { use, meaning } of this.#uses.get(owner) ?? []) {
        if (meaning === undefined || !(all || use.atLoad)) continue;
        for (const thing of this.#graph.thingsOf(meaning)) {
          if (thing instanceof Item) called.add(thing);
        }
      }
    };
    for (const item of this.#starting) visit(item, item.kind === "statement");
    for (const module of this.modules) if (module.kind !== "code") visit(module, true);
    for (const item of called) visit(item, true);
    return called;
  }

  /** Adds what those import that run while modules are loaded. */
  #addImported(): boolean {
    const before = this.modules.size;
    for (const item of this.#importing) {
      for (const late of this.#graph.codeOf(item).imports) {
        const use: Use = { ...ANYTHING, name: "import", atLoad: late.atLoad };
        const label = late.specifier;
        if (this.#imported.has(late)) continue;
        if (!this.runsAtLoad({ owner: item, resolved: { meaning: undefined, use, label } })) {
          continue;
        }
        this.#imported.add(late);
        const meaning = this.#tryWhole(late.specifier, item.module, late);
        if (meaning === undefined) continue;
        const resolved = { meaning, use, label };
        this.#uses.get(item)?.push(resolved);
        this.#noteUse(item, resolved);
        if (!("whole" in meaning)) continue;
        for (const module of this.#graph.order(meaning.whole)) this.#add(module);
      }
    }
    return this.modules.size > before;
  }
}

function moduleOf(owner: Owner): string {
  return owner instanceof Item ? owner.module : owner.url;
}

/** Whether code is a statement. */
export function isStatement(owner: Owner): boolean {
  return owner instanceof Item && owner.kind === "statement";
}

/** By another name anything may be done with all that is there everywhere, and with what objects inherit. */
function changesGlobal(use: Use): boolean {
  const { escapes, kind, method, name, path } = use;
  if (kind === "write") return path.length > 0;
  if (kind === "method") return method === "getPrototypeOf" && escapes === true;
  if (kind !== "escape") return false;
  const isAll = path.length === 0 ? GLOBAL_NAMES.has(name) : path.at(-1) === "prototype";
  return isDirect(use) || (isAll && !isPure(use));
}
