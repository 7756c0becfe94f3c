import { Random } from "../../random.ts";
import { type Files, toTasks } from "./_digest.ts";

/** How a program is written that means the same. */
export interface Style {
  /** What is appended to the names of what is not used. */
  readonly suffix?: string;
  /** From which the order of declarations, the layout and comments follow. */
  readonly layout?: number;
  /** What unused code has as its literals. */
  readonly unused?: number;
}

interface Declaration {
  readonly name: string;
  readonly module: number;
  readonly kind: "function" | "arrow" | "constant" | "class";
  readonly literal: number;
  /** The declarations that it names. */
  readonly uses: readonly number[];
}

const MODULES = 4;

/** A program of a few modules, made at random, some of whose declarations a task reaches. */
export class RandomProgram {
  readonly #declarations: readonly Declaration[];
  readonly #reached: ReadonlySet<number>;
  readonly #first: number;

  /** Makes a program. */
  constructor(seed: number) {
    const random = new Random(seed);
    const count = 6 + random.below(12);
    this.#declarations = Array.from({ length: count }, (_, index) => {
      const kinds = ["function", "arrow", "constant", "class"] as const;
      const kind = kinds[random.below(4)] ?? "function";
      const uses = Array.from({ length: random.below(3) }, () => random.below(count));
      return {
        name: `d${index}`,
        module: random.below(MODULES),
        kind,
        literal: random.below(1000),
        // What is made while modules are loaded names nothing that is made later.
        uses: kind === "constant" ? [] : [...new Set(uses)],
      };
    });
    this.#first = random.below(count);
    const reached = new Set([this.#first]);
    for (const index of reached) {
      for (const other of this.#declarations[index]?.uses ?? []) reached.add(other);
    }
    this.#reached = reached;
  }

  /** The declarations that the task reaches. */
  get reached(): readonly number[] {
    return [...this.#reached];
  }

  /** The task's function. */
  get fn(): string {
    return `(x) => [x, ${this.#nameOf(this.#first, "")}]`;
  }

  /**
   * Writes the program.
   *
   * @param changed The declaration whose literal is another, if one is to be.
   */
  write(style?: Style, changed?: number): Files {
    const modules = Array.from(
      { length: MODULES },
      (_, module) => this.#write(module, style ?? {}, changed),
    );
    const name = this.#nameOf(this.#first, style?.suffix ?? "");
    const { module } = this.#at(this.#first);
    const tasks = toTasks(`import { ${name} } from "./m${module}.ts";`);
    return {
      "tasks.ts": tasks,
      ...Object.fromEntries(modules.map((text, i) => [`m${i}.ts`, text])),
    };
  }

  #at(index: number): Declaration {
    const found = this.#declarations[index];
    if (found === undefined) throw new RangeError(`no declaration ${index}`);
    return found;
  }

  #nameOf(index: number, suffix: string): string {
    const { name } = this.#at(index);
    return this.#reached.has(index) ? name : name + suffix;
  }

  #write(module: number, { suffix = "", layout = 0, unused = 0 }: Style, changed?: number): string {
    const random = new Random(layout);
    const own = this.#declarations.flatMap((one, index) => one.module === module ? [index] : []);
    const imports = new Map<string, number>();
    for (const index of own) {
      for (const other of this.#at(index).uses) {
        const { module: from } = this.#at(other);
        if (from !== module) imports.set(this.#nameOf(other, suffix), from);
      }
    }
    const shuffled = layout === 0 ? own : own.map((index) => [random.below(1e6), index] as const)
      .sort(([a], [b]) => a - b).map(([, index]) => index);
    const gap = () =>
      layout === 0 ? " " : [" ", "\n", " /* a */ ", " // b\n", "\t "][random.below(5)];
    const lines = Array.from(imports, ([name, from]) => `import { ${name} } from "./m${from}.ts";`);
    const texts = shuffled.map((index) => {
      const { kind, literal, uses } = this.#at(index);
      const name = this.#nameOf(index, suffix);
      const other = index === changed ? 1000 : this.#reached.has(index) ? 0 : unused;
      const parts = [String(literal + other), ...uses.map((one) => this.#nameOf(one, suffix))];
      const list = `[${gap()}${parts.join(`,${gap()}`)}${layout === 0 ? "" : ","}${gap()}]`;
      switch (kind) {
        case "function":
          return `export function ${name}(x${gap()}: number)${gap()}{ const local = ${list}; return () => local; }`;
        case "arrow":
          return `export const ${name}${gap()}=${gap()}(x: number) => ${list};`;
        case "constant":
          return `export const ${name} =${gap()}${list};`;
        case "class":
          return `export class ${name} { field${gap()}= 1; method() {${gap()}return ${list}; } }`;
      }
    });
    return [...lines, ...texts].join(layout === 0 ? "\n" : "\n\n");
  }
}
