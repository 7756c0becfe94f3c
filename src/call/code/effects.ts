import { isStatement, type LoadedCode, type Owner, type User } from "./loaded_code.ts";
import {
  type Meaning,
  type ModuleGraph,
  QUIVER,
  type ResolvedUse,
  type Thing,
} from "./module_graph.ts";
import { Item } from "./module_items.ts";
import { isConversion } from "./shape.ts";
import type { LoadedModule } from "./read_source.ts";
import { nodeAt, nodesAt } from "./syntax.ts";

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
  #code: LoadedCode;
  readonly #reached = new Set<Thing>();
  /** What changes something that is reached when it runs, and what runs that. */
  readonly #changing = new Set<Owner>();
  /** What of that which is reached something changes. */
  readonly #changed = new Set<Thing>();
  /** What uses nothing of that, as far as it was looked for. */
  readonly #calm = new Set<Item>();
  /** Where each module comes among those that are loaded; there once somebody asks. */
  #places: ReadonlyMap<string, number> | undefined;
  #found: Owner[] = [];

  /**
   * Knows nothing that is reached.
   *
   * @param code What is loaded.
   * @param body Where the task's function is.
   */
  constructor(graph: ModuleGraph, code: LoadedCode, body: TaskBody) {
    this.#graph = graph;
    this.#code = code;
    this.#body = body;
  }

  /** Goes on with more that is loaded. */
  extend(code: LoadedCode): void {
    this.#code = code;
    const things = [...this.#reached];
    this.#reached.clear();
    this.#changing.clear();
    this.#changed.clear();
    this.#calm.clear();
    this.#places = undefined;
    for (const thing of things) this.#reach(thing);
  }

  /** Takes what was found since the last time. */
  take(): Owner[] {
    for (const user of this.#code.globals) {
      if (this.#changing.has(user.owner) || !this.#code.runsAtLoad(user)) continue;
      this.#found.push(user.owner);
      this.#change(user.owner);
    }
    const found = this.#found.filter((owner) => !this.#reached.has(owner));
    this.#found = [];
    return found;
  }

  /** Says that something is reached. */
  reach(meaning: Meaning): void {
    for (const thing of this.#graph.thingsOf(meaning)) this.#reach(thing);
  }

  #reach(thing: Thing): void {
    if (thing === QUIVER || this.#reached.has(thing)) return;
    this.#reached.add(thing);
    for (const { owner, resolved, changes } of this.#code.effectsOn(thing)) {
      const isBody = owner === this.#body.item && this.#body.has(resolved.use.start);
      if (!isBody) this.#found.push(owner);
      if (!changes) continue;
      this.#changed.add(thing);
      this.#change(owner);
    }
  }

  /** Whoever runs what changes something, changes it; what runs while it is loaded is an effect. */
  #change(first: Owner): void {
    const next = [first];
    for (let changing = next.pop(); changing !== undefined; changing = next.pop()) {
      if (this.#changing.has(changing)) continue;
      this.#changing.add(changing);
      for (const user of this.#code.usersOf(changing)) {
        if (isStatement(user.owner) || this.#runs(changing, user)) this.#found.push(user.owner);
        next.push(user.owner);
      }
    }
  }

  /** Whether something runs what it names while it is loaded. */
  #runs(named: Owner, { owner, resolved: { use } }: User): boolean {
    if (!(owner instanceof Item)) return true;
    if (!use.atLoad) return false;
    if (this.#code.usesOf(owner).calls) return true;
    const isLookedAt = use.path.length > 0 || use.kind === "read";
    return isLookedAt && named instanceof Item && runsWhenLookedAt(named);
  }

  /**
   * Tells in which order what is reached of a module runs, as far as that matters: only where something
   * in it has an effect, meets one, or what is not there yet.
   *
   * @returns The items in order; none where the order means nothing.
   */
  order(module: LoadedModule): Item[] {
    if (module.kind !== "code") return [];
    const reached = module.items.filter((item) => this.#reached.has(item));
    const running = reached.filter((item) => this.#code.runs(item));
    const matters = running.some((item) =>
      item.kind === "statement" || this.#changing.has(item) || this.#meetsEffect(item)
    );
    return matters ? running : [];
  }

  /** Whether what an item uses while it is loaded may be another thing before and after. */
  #meetsEffect(item: Item): boolean {
    return this.#code.resolvedUsesOf(item).some((resolved) =>
      resolved.use.atLoad && (this.#isNotYet(resolved, item) || this.#leadsToEffect(resolved))
    );
  }

  /** Whether something that is used, or that uses something, is one of what is changed. */
  #leadsToEffect(first: ResolvedUse): boolean {
    const seen = new Set<Item>();
    const next = [first];
    for (let resolved = next.pop(); resolved !== undefined; resolved = next.pop()) {
      if (resolved.meaning === undefined) continue;
      for (const thing of this.#graph.thingsOf(resolved.meaning)) {
        if (this.#changed.has(thing)) return true;
        if (!(thing instanceof Item) || this.#calm.has(thing) || seen.has(thing)) continue;
        if (this.#changing.has(thing)) return true;
        seen.add(thing);
        if (thing.isFunction || thing.isClass) next.push(...this.#code.resolvedUsesOf(thing));
      }
    }
    for (const thing of seen) this.#calm.add(thing);
    return false;
  }

  /** Whether something has no value yet when an item is loaded, or a function that is called uses such. */
  #isNotYet({ meaning, use }: ResolvedUse, item: Item): boolean {
    if (!(meaning instanceof Item)) return false;
    if (this.#isLater(meaning, item)) return true;
    return use.kind === "call" && meaning.isFunction &&
      this.#code.resolvedUsesOf(meaning).some(({ meaning }) =>
        meaning instanceof Item && this.#isLater(meaning, item)
      );
  }

  #isLater(thing: Item, item: Item): boolean {
    if (thing.kind === "function") return false;
    if (thing.module === item.module) return thing.start > item.start;
    this.#places ??= new Map(Array.from(this.#code.modules, ({ url }, place) => [url, place]));
    return (this.#places.get(thing.module) ?? 0) > (this.#places.get(item.module) ?? 0);
  }
}

/** Whether code may run when somebody only looks at something: an accessor, an iterator, a conversion. */
function runsWhenLookedAt({ isFunction, nodes: [node], value }: Item): boolean {
  if (isFunction) return false;
  const object = value ?? node;
  const body = object && nodeAt(object, "body");
  const members = object?.type === "ObjectExpression"
    ? nodesAt(object, "properties")
    : body && nodesAt(body, "body");
  if (object === undefined || members === undefined || nodeAt(object, "superClass") !== undefined) {
    return true;
  }
  return members.some((member) =>
    member.computed === true || member.kind === "get" || member.kind === "set" ||
    member.type === "SpreadElement" || isConversion(member)
  );
}
