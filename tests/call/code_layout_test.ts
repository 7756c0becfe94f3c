// contract: line breaks in code count exactly where they change what the grammar makes of it
import { assert, assertEquals } from "@std/assert";
import { parseExpression } from "../../src/call/acorn.ts";
import { readFunctionProfile } from "../../src/call/function_profile.ts";
import { Random } from "../random.ts";

const BREAKS: readonly [string, ...string[]] = ["\n", "\r\n", " /*\n*/ ", " // b\n", "\u2028"];

/** Tokens of statements that mean different things with a line break in one place or another. */
class Writer {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  #pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.#random.below(choices.length)] ?? choices[0];
  }

  #chance(percent: number): boolean {
    return this.#random.below(100) < percent;
  }

  expression(depth: number): string[] {
    const inner = () => this.expression(depth + 1);
    const leaf = () => [this.#pick(["a", "b", "async", "get", "/b/g"])];
    if (depth > 2) return leaf();
    return this.#pick<() => string[]>([
      leaf,
      () => ["++", "a"],
      () => ["a", "++"],
      () => [...inner(), this.#pick(["+", "-", "/", "*", "??", "in"]), ...inner()],
      () => ["a", "(", ...inner(), ")"],
      () => ["[", ...inner(), "]"],
      () => ["(", ...inner(), ")"],
      () => ["async", "a", "=>", ...inner()],
      () => ["a", "=>", "{", ...this.statements(depth + 1), "}"],
      () => ["class", "{", ...this.#members(), "}"],
    ])();
  }

  #members(): string[] {
    const method = ["x", "(", ")", "{", "}"];
    return Array.from({ length: this.#random.below(4) }, () =>
      this.#pick<string[]>([
        ["x"],
        ["get"],
        ["static"],
        ["async"],
        ["[", "a", "]"],
        [";"],
        ["get", ...method],
        ["async", ...method],
        ["*", ...method],
        ["static", "async", "*", ...method],
        ["static", "{", "}"],
      ])).flat();
  }

  #statement(depth: number): string[] {
    const value = (percent: number) => this.#chance(percent) ? this.expression(depth + 1) : [];
    const inner = () => this.#statement(depth + 1);
    return this.#pick<() => string[]>([
      () => this.expression(depth),
      () => ["return", ...value(70)],
      () => ["yield", ...value(60)],
      () => ["throw", ...this.expression(depth + 1)],
      () => ["if", "(", "a", ")", ...depth > 1 ? ["a"] : inner()],
      () => ["do", ...depth > 1 ? ["a"] : inner(), "while", "(", "a", ")"],
      () => ["c", ":", "for", "(", ";", ";", ")", "{", this.#pick(["break", "continue"]), "c", "}"],
      () => ["var", "d", "=", ...this.expression(depth + 1)],
      () => ["let", this.#pick(["e", "async"])],
      () => ["async", "function", "f", "(", ")", "{", "}"],
      () => ["using", "b", "=", "a"],
      () => ["{", ...depth > 1 ? ["a"] : this.statements(depth + 1), "}"],
    ])();
  }

  statements(depth: number): string[] {
    const length = 1 + this.#random.below(3);
    return Array.from({ length }, () => [
      ...this.#statement(depth),
      ...this.#chance(25) ? [";"] : [],
    ]).flat();
  }

  layOut(tokens: readonly string[], percent: number): string {
    return tokens.map((token) => {
      return token + (this.#chance(percent) ? this.#pick(BREAKS) : " ");
    }).join("");
  }
}

/** What the grammar makes of a source, wherever it stands. */
function toTree(source: string): string {
  return JSON.stringify(parseExpression(`(${source})`, {}), (name, value) => {
    if (["start", "end", "raw", "value"].includes(name) && typeof value !== "object") {
      return undefined;
    }
    return value instanceof RegExp ? String(value) : value;
  });
}

function compile(source: string): unknown {
  try {
    // deno-lint-ignore no-eval
    return (0, eval)(`(${source})`);
  } catch (error) {
    assert(error instanceof SyntaxError);
    return undefined;
  }
}

Deno.test("readFunctionProfile() tells layouts of the same tokens apart by what they mean", async () => {
  const random = new Random(1);
  const writer = new Writer(random);
  let ambiguous = 0;
  for (let run = 0; run < 1500; run++) {
    const begin = random.below(3) === 0 ? ["function", "*"] : ["function"];
    const tokens = [...begin, "(", "a", ",", "b", ")", "{", ...writer.statements(0), "}"];
    const codes = new Map<string, string>();
    const trees = new Map<string, string>();
    for (const percent of [0, 10, 20, 30, 50, 50, 70, 90]) {
      const source = writer.layOut(tokens, percent);
      const fn = compile(source);
      if (fn === undefined) continue;
      const profile = await readFunctionProfile(fn as never).catch((error) => error);
      // The parser does not take all that scripts may do with `let` and calls.
      if (profile instanceof TypeError) continue;
      const tree = toTree(source);
      assertEquals(codes.get(tree) ?? profile.code, profile.code, source);
      assertEquals(trees.get(profile.code) ?? tree, tree, source);
      codes.set(tree, profile.code);
      trees.set(profile.code, tree);
    }
    if (codes.size > 1) ambiguous++;
  }
  assert(ambiguous > 100, `${ambiguous}`);
});
