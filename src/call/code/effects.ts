import type { Item } from "./module_items.ts";
import type { Meaning, ModuleGraph, ResolvedUse } from "./module_graph.ts";
import { isDirect, mayChange } from "./mutation.ts";
import type { LoadedModule } from "./read_source.ts";
import type { CodeUses, Use } from "./uses.ts";

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
  readonly #users = new Map<Item, User[]>();
  readonly #packages = new Map<string, Item[]>();
  /** The items that are reached. */
  readonly reached = new Set<Item>();
  readonly #reachedPackages = new Set<string>();
  /** Items that change what is reached when they run, and those that run such items. */
  readonly #changing = new Set<Item>();
  /** Items that run while their modules are loaded. */
  readonly #starting = new Set<Item>();
  #running: ReadonlySet<Item> | undefined;
  #found: Item[] = [];

  /**
   * Looks for who names what.
   *
   * @param modules The modules that are loaded with the task's.
   */
  constructor(graph: ModuleGraph, modules: readonly LoadedModule[], body: TaskBody) {
    this.#graph = graph;
    this.#body = body;
    for (const module of modules) {
      if (module.kind !== "code") continue;
      for (const item of module.items) if (!item.main) this.#note(item);
    }
  }

  #note(item: Item): void {
    if (this.#runs(item)) this.#starting.add(item);
    for (const resolved of this.#usesOf(item)) {
      const { meaning } = resolved;
      if (meaning === undefined) {
        if (item.kind === "statement" && changesGlobal(resolved.use)) this.#found.push(item);
      } else if ("member" in meaning) {
        if (item.kind === "statement") add(this.#packages, meaning.name, item);
      } else if (!("whole" in meaning)) {
        add(this.#users, meaning, { item, resolved });
      } else if (meaning.whole.kind === "code") {
        for (const each of meaning.whole.items) add(this.#users, each, { item, resolved });
      }
    }
  }

  /** What cannot be resolved is an error only where it is reached. */
  #usesOf(item: Item): readonly ResolvedUse[] {
    try {
      return this.#graph.uses(item);
    } catch {
      return [];
    }
  }

  /** Takes what was found since the last time. */
  take(): Item[] {
    const found = this.#found.filter((item) => !this.reached.has(item));
    this.#found = [];
    return found;
  }

  /** Says that something is reached. */
  reach(meaning: Meaning): void {
    if ("member" in meaning) {
      if (meaning.name === "quiver" || this.#reachedPackages.has(meaning.name)) return;
      this.#reachedPackages.add(meaning.name);
      this.#found.push(...this.#packages.get(meaning.name) ?? []);
    } else if (!("whole" in meaning)) {
      this.#reachItem(meaning);
    }
  }

  #reachItem(item: Item): void {
    if (this.reached.has(item)) return;
    this.reached.add(item);
    for (const user of this.#users.get(item) ?? []) this.#checkUser(item, user);
  }

  #checkUser(item: Item, { item: user, resolved: { use, meaning } }: User): void {
    const isBody = user === this.#body.item && this.#body.has(use.start);
    if (user.kind === "statement" && !isBody) this.#found.push(user);
    // A namespace that goes somewhere may have anything in it changed.
    const changes = meaning === item
      ? mayChange(use, item, (use, name, path) => this.#findFunction(user, use, name, path))
      : use.kind !== "read";
    // What may be changed by way of something else is only if the code runs, as far as that is seen.
    if (!changes || !(isDirect(use) || this.#atLoad().has(user))) return;
    if (!isBody) this.#found.push(user);
    this.#change(user);
  }

  /** The items that may run while modules are loaded. */
  #atLoad(): ReadonlySet<Item> {
    if (this.#running !== undefined) return this.#running;
    const running = new Set(this.#starting);
    for (const item of running) {
      const begins = this.#starting.has(item) && item.kind !== "statement";
      for (const { use, meaning } of this.#usesOf(item)) {
        if (begins && !use.atLoad || meaning === undefined || "member" in meaning) continue;
        const items = !("whole" in meaning)
          ? [meaning]
          : meaning.whole.kind === "code"
          ? meaning.whole.items
          : [];
        for (const each of items) running.add(each);
      }
    }
    return this.#running = running;
  }

  #findFunction(
    user: Item,
    use: Use,
    name: string,
    path: readonly string[],
  ): Item | undefined {
    const module = this.#graph.module(user.module);
    const callee: Use = { name, path, start: use.start, kind: "call", atLoad: use.atLoad };
    try {
      const { meaning, use: { path: rest } } = this.#graph.resolveUse(module, callee);
      const isItem = meaning !== undefined && !("member" in meaning) && !("whole" in meaning);
      return isItem && rest.length === 0 && meaning.isFunction ? meaning : undefined;
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
    const reached = module.items.filter((item) => this.reached.has(item));
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
    try {
      const { calls, uses } = this.#codeOf(item);
      return calls || uses.some(({ atLoad }) => atLoad);
    } catch {
      // A module that is missing is an error only where it is reached.
      return false;
    }
  }
}

function changesGlobal(use: Use): boolean {
  if (use.kind === "write") return use.path.length > 0;
  return use.kind === "escape" && isDirect(use);
}

function add<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [value]);
  else known.push(value);
}
