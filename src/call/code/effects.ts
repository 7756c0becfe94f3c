import { isStatement, type LoadedCode, type Owner, type User } from "./loaded_code.ts";
import { type Meaning, type ModuleGraph, QUIVER, type Thing } from "./module_graph.ts";
import { Item } from "./module_items.ts";
import type { LoadedModule } from "./read_source.ts";
import { nameAt, nodeAt, nodesAt } from "./syntax.ts";

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
      if (changes) this.#change(owner);
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
   * in it has an effect.
   *
   * @returns The items in order; none where the order means nothing.
   */
  order(module: LoadedModule): Item[] {
    if (module.kind !== "code") return [];
    const reached = module.items.filter((item) => this.#reached.has(item));
    const running = reached.filter((item) => this.#code.runs(item));
    const matters = running.some((item) =>
      item.kind === "statement" || this.#changing.has(item) ||
      this.#code.resolvedUsesOf(item).some(({ use, meaning }) =>
        use.atLoad && meaning instanceof Item && this.#changing.has(meaning)
      )
    );
    return matters ? running : [];
  }
}

/** What is called by no name: to make a number or a text of an object. */
const CONVERSIONS = new Set(["toJSON", "toString", "valueOf"]);

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
    member.type === "SpreadElement" || CONVERSIONS.has(nameAt(member, "key"))
  );
}
