import { isStatement, type LoadedCode, type Owner, type User } from "./loaded_code.ts";
import { type Meaning, type ModuleGraph, QUIVER, type Thing } from "./module_graph.ts";
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
    const seen = new Set<Thing>();
    const next = this.#code.resolvedUsesOf(item).filter(({ use }) => use.atLoad)
      .map((resolved) => ({ resolved, isRun: true }));
    for (let one = next.pop(); one !== undefined; one = next.pop()) {
      const { resolved: { meaning, use }, isRun } = one;
      if (meaning === undefined) continue;
      for (const thing of this.#graph.thingsOf(meaning)) {
        if (thing === item || seen.has(thing)) continue;
        seen.add(thing);
        if (this.#changed.has(thing)) return true;
        if (!(thing instanceof Item)) continue;
        if (this.#changing.has(thing) || (isRun && this.#isLater(thing, item))) return true;
        const isCalled = isRun && use.kind === "call";
        if (thing.kind !== "statement" && (thing.isFunction || thing.isClass)) {
          const inner = this.#code.resolvedUsesOf(thing);
          next.push(...inner.map((resolved) => ({ resolved, isRun: isCalled })));
        }
      }
    }
    return false;
  }

  /** Whether something has no value yet when an item is loaded, unless that fails. */
  #isLater(thing: Item, item: Item): boolean {
    if (thing.kind === "function") return false;
    if (thing.module === item.module) return thing.start > item.start;
    for (const { url } of this.#code.modules) {
      if (url === thing.module) return false;
      if (url === item.module) return true;
    }
    return false;
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
