import { Item } from "./module_items.ts";
import { type Meaning, type ModuleGraph, QUIVER, type ResolvedUse } from "./module_graph.ts";
import { isDirect, mayChange } from "./mutation.ts";
import type { LoadedModule } from "./read_source.ts";
import type { CodeUses, Use } from "./uses.ts";

/** What can be changed: an item, data that is imported, or a package by its name. */
type Thing = Item | LoadedModule | string;

/** What a meaning consists of. */
function toThings(meaning: Meaning): readonly Thing[] {
  if ("member" in meaning) return [meaning.name];
  if (!("whole" in meaning)) return [meaning];
  return meaning.whole.kind === "code" ? meaning.whole.items : [meaning.whole];
}

/** An item that names another one. */
interface User {
  readonly item: Item;
  readonly resolved: ResolvedUse;
}

/** The function of a task inside of the item that defines it. */
export interface TaskBody {
  /** The item. */
  readonly item: Item | undefined;
  /** Whether a place in the item lies in the function. */
  has(start: number): boolean;
}

/**
 * Finds what has an effect on the things that a task reaches: statements at the top level that name
 * them, functions that change them, and declarations that call such a function while they are loaded.
 * It grows with what is reached, and knows only the modules that are loaded with the task's.
 */
export class Effects {
  readonly #graph: ModuleGraph;
  readonly #body: TaskBody;
  readonly #users = new Map<Thing, User[]>();
  readonly #uses = new Map<Item, readonly ResolvedUse[]>();
  readonly #reached = new Set<Thing>();
  /** Items that change what is reached when they run, and those that run such items. */
  readonly #changing = new Set<Item>();
  /** Items that run while their modules are loaded, and what they call then, directly or not. */
  readonly #starting = new Set<Item>();
  #called: ReadonlySet<Item> | undefined;
  /** Those that change what is there everywhere. */
  readonly #globals: User[] = [];
  #found: Item[] = [];

  /**
   * Knows no modules yet.
   *
   * @param body Where the task's function is.
   */
  constructor(graph: ModuleGraph, body: TaskBody) {
    this.#graph = graph;
    this.#body = body;
  }

  /** Looks for who names what in a module that is loaded. */
  add(module: LoadedModule): void {
    if (module.kind !== "code") return;
    for (const item of module.items) if (!item.main) this.#note(item);
  }

  #note(item: Item): void {
    this.#called = undefined;
    if (this.#runs(item)) this.#starting.add(item);
    for (const resolved of this.#usesOf(item)) {
      const { meaning, use } = resolved;
      if (meaning === undefined) {
        if (changesGlobal(use)) this.#globals.push({ item, resolved });
        continue;
      }
      for (const thing of toThings(meaning)) this.#noteUser(thing, { item, resolved });
    }
    // What is declared anew is changed.
    for (const { item: first, start } of item.redeclared) {
      const use: Use = { name: "", start, path: [], kind: "write", atLoad: true };
      this.#noteUser(first, { item, resolved: { meaning: first, use, label: "" } });
    }
  }

  #noteUser(thing: Thing, user: User): void {
    const known = this.#users.get(thing);
    if (known === undefined) this.#users.set(thing, [user]);
    else known.push(user);
    if (this.#reached.has(thing)) this.#checkUser(thing, user);
  }

  /** What cannot be resolved is an error only where it is reached. */
  #usesOf(item: Item): readonly ResolvedUse[] {
    const known = this.#uses.get(item);
    if (known !== undefined) return known;
    const module = this.#graph.module(item.module);
    const uses = this.#codeOf(item).uses.map((use) => {
      try {
        return this.#graph.resolveUse(module, use);
      } catch {
        return { meaning: undefined, use, label: use.name };
      }
    });
    this.#uses.set(item, uses);
    return uses;
  }

  /** Takes what was found since the last time. */
  take(): Item[] {
    for (const user of this.#globals) {
      if (this.#changing.has(user.item) || !this.#runsAtLoad(user)) continue;
      this.#found.push(user.item);
      this.#change(user.item);
    }
    const found = this.#found.filter((item) => !this.#reached.has(item));
    this.#found = [];
    return found;
  }

  /** Says that something is reached. */
  reach(meaning: Meaning): void {
    for (const thing of toThings(meaning)) {
      if (thing === QUIVER || this.#reached.has(thing)) continue;
      this.#reached.add(thing);
      for (const user of this.#users.get(thing) ?? []) this.#checkUser(thing, user);
    }
  }

  #checkUser(thing: Thing, user: User): void {
    const { item, resolved: { use } } = user;
    // What it does to itself while it is made is a part of what it is.
    if (item === thing && use.atLoad) return;
    const isBody = item === this.#body.item && this.#body.has(use.start);
    if (item.kind === "statement" && !isBody) this.#found.push(item);
    // What may be changed by way of something else is only if the code runs, as far as that is seen.
    const isDone = typeof thing === "string" ? use.kind === "write" : isDirect(use);
    if (!this.#changes(thing, user) || !(isDone || this.#runsAtLoad(user))) return;
    if (!isBody) this.#found.push(item);
    this.#change(item);
  }

  #changes(thing: Thing, { item, resolved: { use, meaning } }: User): boolean {
    if (thing instanceof Item && meaning === thing) {
      // A task is called, bound and asked; nothing of that changes it.
      if (this.#graph.definitionOf(thing) !== undefined) return use.kind === "write";
      return mayChange(use, thing, (use, name, path) => this.#findFunction(item, use, name, path));
    }
    // Of a package or a namespace that goes somewhere anything may be changed.
    return use.kind !== "read" && use.kind !== "call";
  }

  #runsAtLoad({ item, resolved: { use } }: User): boolean {
    this.#called ??= this.#findCalled();
    return this.#called.has(item) || (use.atLoad && this.#starting.has(item));
  }

  #findCalled(): Set<Item> {
    const called = new Set<Item>();
    const visit = (item: Item, all: boolean): void => {
      for (const { use, meaning } of this.#usesOf(item)) {
        if (meaning === undefined || !(all || use.atLoad)) continue;
        for (const thing of toThings(meaning)) if (thing instanceof Item) called.add(thing);
      }
    };
    for (const item of this.#starting) visit(item, item.kind === "statement");
    for (const item of called) visit(item, true);
    return called;
  }

  #findFunction(
    user: Item,
    use: Use,
    name: string,
    path: readonly string[],
  ): Item | "global" | undefined {
    const module = this.#graph.module(user.module);
    if (module.kind !== "code" || !module.bindings.has(name)) return "global";
    const callee: Use = { name, path, start: use.start, kind: "call", atLoad: use.atLoad };
    try {
      const { meaning, use: { path: rest } } = this.#graph.resolveUse(module, callee);
      const isItem = meaning !== undefined && !("member" in meaning) && !("whole" in meaning);
      const isKnown = isItem && (meaning.isFunction || meaning.kind === "class");
      return isKnown && rest.length === 0 ? meaning : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whoever runs what changes something, changes it; what runs while it is loaded is an effect. */
  #change(first: Item): void {
    const next = [first];
    for (let item = next.pop(); item !== undefined; item = next.pop()) {
      if (this.#changing.has(item)) continue;
      this.#changing.add(item);
      for (const { item: user, resolved: { use } } of this.#users.get(item) ?? []) {
        const runs = use.atLoad && this.#codeOf(user).calls;
        if (runs || user.kind === "statement") this.#found.push(user);
        next.push(user);
      }
    }
  }

  #codeOf(item: Item): CodeUses {
    return item.uses(this.#graph.isDefinitionIn(this.#graph.module(item.module)));
  }

  /**
   * Tells in which order what is reached of a module runs, as far as that matters: only where something
   * in it has an effect.
   *
   * @returns The items in order; none where the order means nothing.
   */
  order(module: LoadedModule): Item[] {
    if (module.kind !== "code") return [];
    const reached = module.items.filter((item) => this.#reached.has(item));
    const running = reached.filter((item) => this.#runs(item));
    const matters = running.some((item) =>
      item.kind === "statement" || this.#changing.has(item) ||
      this.#usesOf(item).some(({ use, meaning }) =>
        use.atLoad && meaning !== undefined && !("member" in meaning) && !("whole" in meaning) &&
        this.#changing.has(meaning)
      )
    );
    return matters ? running : [];
  }

  /** Whether something happens when it is loaded. */
  #runs(item: Item): boolean {
    if (item.kind === "statement") return true;
    const { calls, uses } = this.#codeOf(item);
    return calls || uses.some(({ atLoad }) => atLoad);
  }
}

function changesGlobal(use: Use): boolean {
  if (use.kind === "write") return use.path.length > 0;
  return use.kind === "escape" && isDirect(use);
}
