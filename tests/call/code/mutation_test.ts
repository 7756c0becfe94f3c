// contract: code that may change what a task reaches counts, by whatever way it changes it
import { assertEquals, assertNotEquals } from "@std/assert";
import { digestOf, toTasks } from "./_digest.ts";

const TASKS = toTasks(`import { helper } from "./helper.ts";`);

/** Two texts of a module. */
type Pair = readonly [what: string, before: string, after: string];

/** Text of a module in which `2` becomes `3`, of which a function runs while it is loaded. */
function edit(what: string, before: string, change: string): Pair {
  const after = change.replaceAll("2", "3");
  const text = (code: string) => `${before} function setup() { ${code} } setup();`;
  return [what, text(change), text(after)];
}

const ITEMS = "const items = [{ k: 1 }, { k: 1 }]; export const helper = () => items;";
const ENTRIES = "const map = new Map([['a', { k: 1 }]]); export const helper = () => map;";
const NUMBERS = "const list = [1, 5]; export const helper = () => list;";
const EMPTY = "const list = []; list.push({ k: 1 }); export const helper = () => list;";
const STATE = "const state = { a: { k: 1 }, b: 1 }; export const helper = () => state;";
const FUNCTION = "export function helper(x) { return x * helper.k + helper.o.k; } " +
  "helper.k = 1; helper.o = { k: 1 };";
const CLASS = "class Foo { v() { return 1; } static s = 1; static o = null; " +
  "static set(k) { this.s = k; } static get() { return this.s + 1; } } class Sub extends Foo {} " +
  "export const helper = () => [new Foo().v(), Foo.s, Foo.o, Sub.s];";

const OTHER: readonly Pair[] = [
  edit("elements, by forEach()", ITEMS, "items.forEach((i) => { i.k = 2; });"),
  edit("elements, by map()", ITEMS, "return items.map((i) => { i.k += 2; return i; });"),
  edit("elements, by find()", ITEMS, "items.find((i) => (i.k = 2));"),
  edit("an element, by what filter() gives", ITEMS, "items.filter((i) => i.k)[0].k = 2;"),
  edit("elements, by the order of toSorted()", ITEMS, "items.toSorted((a, b) => { a.k = 2; });"),
  edit("elements, by reduce()", ITEMS, "items.reduce((sum, i) => { i.k = 2; return sum; }, 0);"),
  edit(
    "elements, by a function with a name",
    `const bump = (i) => { i.k = 2; }; ${ITEMS}`.replace("2", "4"),
    "const by = (i) => { i.k = 2; }; items.forEach(by);",
  ),
  [
    "elements, by a function that is declared",
    `${ITEMS} const by = (i) => { i.k = 2; }; function f() { items.forEach(by); } f();`,
    `${ITEMS} const by = (i) => { i.k = 3; }; function f() { items.forEach(by); } f();`,
  ],
  edit("elements, by a pattern", ITEMS, "items.forEach(({ k }, i, all) => { all[i] = 2; });"),
  edit("an element, by at()", ITEMS, "const last = items.at(-1); last.k = 2;"),
  edit("an element, by Array.from()", ITEMS, "Array.from(items)[0].k = 2;"),
  edit("an element, by Object.values()", STATE, "Object.values(state).forEach((e) => e.k = 2);"),
  edit("an element, by Object.entries()", STATE, "const [e] = Object.entries(state); e[1].k = 2;"),
  edit("an element, by a set of it", ITEMS, "for (const i of new Set(items)) i.k = 2;"),
  edit("values of a map", ENTRIES, "map.forEach((v) => { v.k = 2; });"),
  edit("a value of a map", ENTRIES, "map.get('a').k = 2;"),
  edit("values of a copy of a map", ENTRIES, "new Map(map).get('a').k = 2;"),
  edit("the list, by its callback", NUMBERS, "list.forEach((_x, i, all) => { all[i] = 2; });"),
  edit(
    "the list, by the arguments of its callback",
    NUMBERS,
    "list.map(function () { arguments[2][0] = 2; });",
  ),
  edit("the list, by what sort() gives", NUMBERS, "const l = list.sort(); l[0] = 2;"),
  edit("a list of what was put in later", EMPTY, "const last = list.at(-1); last.k = 2;"),
  edit("a list of what was put in later, by map()", EMPTY, "list.map((e) => { e.k = 2; });"),
  edit(
    "a map of what was put in later",
    "const map = new Map(); map.set('a', {}); export const helper = () => map;",
    "map.get('a').k = 2;",
  ),
  edit(
    "an object that a member got later",
    "const o = { a: null }; export const helper = () => o; const init = () => { o.a = {}; }; init();",
    "const a = o.a; a.k = 2;",
  ),
  edit(
    "an object that a variable got later",
    "let o: unknown = 0; export const helper = () => o; const init = () => { o = { k: 1 }; }; init();",
    "const p = o; p.k = 2;",
  ),
  edit(
    "numbers, by a view",
    "const typed = new Float64Array(4); export const helper = () => typed;",
    "typed.subarray(1).fill(2);",
  ),
  edit(
    "numbers, by their buffer",
    "const buffer = new ArrayBuffer(8); export const helper = () => buffer;",
    "const view = new Uint8Array(buffer); view[0] = 2;",
  ),
  [
    "an argument behind a list of others",
    `${STATE} function put(_a, o) { o.k = 2; } function f() { put(...[1], state); } f();`,
    `${STATE} function put(_a, o) { o.k = 3; } function f() { put(...[1], state); } f();`,
  ],
  [
    "a parameter that is declared again",
    `${STATE} function put(o) { var o; o.k = 2; } function f() { put(state); } f();`,
    `${STATE} function put(o) { var o; o.k = 3; } function f() { put(state); } f();`,
  ],
  edit("a member of a function, by Object.assign()", FUNCTION, "Object.assign(helper, { k: 2 });"),
  edit("what is in a member of a function", FUNCTION, "const { o } = helper; o.k = 2;"),
  edit("a member of a function, by another name", FUNCTION, "const h = helper; h.k = 2;"),
  [
    "a member of a function, by another name at the top level",
    `${FUNCTION} const alias = helper; alias.k = 2;`,
    `${FUNCTION} const alias = helper; alias.k = 3;`,
  ],
  [
    "a member of a function that is given to another one",
    `${FUNCTION} const set = (f) => { f.k = 2; }; const go = () => set(helper); go();`,
    `${FUNCTION} const set = (f) => { f.k = 3; }; const go = () => set(helper); go();`,
  ],
  edit("a prototype, by another name", CLASS, "const p = Foo.prototype; p.v = () => 2;"),
  [
    "a class that is given to a function",
    `${CLASS} const mix = (c) => { c.prototype.v = () => 2; }; const go = () => mix(Foo); go();`,
    `${CLASS} const mix = (c) => { c.prototype.v = () => 3; }; const go = () => mix(Foo); go();`,
  ],
  edit("a class, by a static method", CLASS, "Foo.set(2);"),
  edit("a class, by what it inherits", CLASS, "Sub.set(2);"),
  edit("what a static field got later", `${CLASS} Foo.o = {};`, "const { o } = Foo; o.k = 2;"),
  [
    "a class that its constructor changes",
    `class C { constructor(k) { this.constructor.k = k; } } export const helper = () => C.k; const f = () => new C(2); f();`,
    `class C { constructor(k) { this.constructor.k = k; } } export const helper = () => C.k; const f = () => new C(3); f();`,
  ],
  [
    "an object of a class that is called like a list",
    "class LogArray { n = 0; at(k) { this.n = k; } } const log = new LogArray(); export const helper = () => log.n; const f = () => log.at(2); f();",
    "class LogArray { n = 0; at(k) { this.n = k; } } const log = new LogArray(); export const helper = () => log.n; const f = () => log.at(3); f();",
  ],
  [
    "a field's elements, by a method",
    "class M { list = [{ k: 1 }]; all(k) { this.list.forEach((e) => { e.k = k; }); } } const m = new M(); export const helper = () => m; const f = () => m.all(2); f();",
    "class M { list = [{ k: 1 }]; all(k) { this.list.forEach((e) => { e.k = k; }); } } const m = new M(); export const helper = () => m; const f = () => m.all(3); f();",
  ],
  [
    "a field that is no list, by a method that sounds so",
    "class Lru { n = 0; get(k) { this.n = k; } } class M { lru = new Lru(); get(k) { return this.lru.get(k) + 1; } } const m = new M(); export const helper = () => m; const f = () => m.get(2); f();",
    "class Lru { n = 0; get(k) { this.n = k; } } class M { lru = new Lru(); get(k) { return this.lru.get(k) + 1; } } const m = new M(); export const helper = () => m; const f = () => m.get(3); f();",
  ],
  [
    "a variable, by a getter that is looked at",
    "let n = 0; const o = { get next() { return n++; } }; export const helper = () => n; const a = o.next;",
    "let n = 0; const o = { get next() { return n++; } }; export const helper = () => n; const a = [o.next, o.next];",
  ],
  [
    "a variable, by an iterator that is taken apart",
    "let n = 0; function* ids() { for (;;) yield n++; } const it = ids(); export const helper = () => n; const [a] = it;",
    "let n = 0; function* ids() { for (;;) yield n++; } const it = ids(); export const helper = () => n; const [a, b] = it;",
  ],
  [
    "a variable, by an object that becomes a text",
    "let n = 0; const o = { toString() { n++; return ''; } }; export const helper = () => n; const a = `${o}`;",
    "let n = 0; const o = { toString() { n++; return ''; } }; export const helper = () => n; const a = `${o}${o}`;",
  ],
];

/** A function whose member only another one looks at. */
const TAGGED = "function tag() {} const read = (f) => f.k; export const helper = () => read(tag);";
const COUNTER =
  "class Counter { n = 1; get next() { return this.n++; } valueOf() { return this.n++; } " +
  "toJSON() { return this.n++; } } const counter = new Counter(); " +
  "export const helper = () => counter.n;";

const LOOKS: readonly Pair[] = [
  ...[
    "Object.assign(tag, { k: 2 });",
    "Object.defineProperty(tag, 'k', { value: 2 });",
    "const other = tag; other.k = 2;",
    "[tag].forEach((f) => { f.k = 2; });",
    "((f) => { f.k = 2; })(tag);",
  ].map((code) =>
    edit(`a function that is given to who looks at its members: ${code}`, TAGGED, code)
  ),
  edit(
    "a method that a function got later",
    "function tag() {} export const helper = () => tag.run();",
    "Object.assign(tag, { run: () => 2 });",
  ),
  ...["if (counter.next) return;", "+counter;", "`${counter}`;", "JSON.stringify(counter);"].map(
    (code): Pair => [
      `an object that changes itself: ${code}`,
      `${COUNTER} function setup() { ${code} } setup();`,
      `${COUNTER} function setup() { ${code.replace("return;", "")} ${code} } setup();`,
    ],
  ),
  ...["eval('n = 2');", "new Function('globalThis.n = 2')();", "(0, eval)('globalThis.n = 2');"]
    .map((code) =>
      edit(
        `what a text says that is run: ${code}`,
        "let n = 1; export const helper = () => n;",
        code,
      )
    ),
];

const SAME: readonly Pair[] = [
  edit(
    "an object whose method changes nothing",
    "class Rate { n = 1; valueOf() { return this.n; } } const rate = new Rate(); export const helper = () => rate.n;",
    "return +rate * 2;",
  ),
  edit(
    "a function that is given to one which only calls it",
    "function tag() {} const run = (f) => f(); export const helper = () => run(tag);",
    "return [tag, 2];",
  ),
  edit("elements that are only looked at", ITEMS, "return items.map((i) => i.k * 2);"),
  edit("elements whose members are constant", ITEMS, "return items.map((i) => [i.k, 2]);"),
  edit("a list that is only looked at", NUMBERS, "return list.map((x, i) => x + i * 2);"),
  edit("a list that is summed up", NUMBERS, "return list.reduce((sum, x) => sum + x * 2, 0);"),
  edit("a list whose copy is changed", NUMBERS, "const copy = list.slice(); copy[0] = 2;"),
  edit("a list whose end is looked at", EMPTY, "return list.at(-1).k + 2;"),
  edit(
    "a map of constants",
    "const map = new Map([['a', 1]]); export const helper = () => map;",
    "const a = map.get('a'); return [a, 2];",
  ),
  edit(
    "texts of an object",
    STATE,
    "return Object.keys(state).length + JSON.stringify(state) + 2;",
  ),
  edit("a function that is called by another way", FUNCTION, "return helper.call(null, 2);"),
  edit(
    "a function that nobody has members of",
    "export const helper = (x) => x;",
    "return [1, 2].map(helper);",
  ),
  [
    "a class in a list",
    `${CLASS} export const classes = [Foo, 2];`,
    `${CLASS} export const classes = [Foo, 3];`,
  ],
  edit("a class of which objects are made", CLASS, "return [new Foo(), Foo.get(), 2];"),
  edit(
    "a method that only looks at a field's elements",
    "class M { list = [{ k: 1 }]; all(k) { return this.list.map((e) => e.k * k).length; } } const m = new M(); export const helper = () => m;",
    "return m.all(2);",
  ),
  [
    "a variable whose type says that it is a number",
    "let n = 0; export const set = (k: number) => { n = k; }; export const helper = () => n; export const a = [helper(), 2];",
    "let n = 0; export const set = (k: number) => { n = k; }; export const helper = () => n; export const a = [helper(), 3];",
  ],
  ...[
    "import.meta.main && helper(2);",
    "if (import.meta.main && helper(2)) helper(2);",
    "if (!import.meta.main) { } else helper(2);",
  ].map((code): Pair => [
    `what runs only in the main module: ${code}`,
    `export const helper = (x) => x; ${code}`,
    `export const helper = (x) => x; ${code.replaceAll("2", "3")}`,
  ]),
];

for (const [what, before, after] of [...OTHER, ...LOOKS]) {
  Deno.test(`codeParts() counts what changes ${what}`, async () => {
    assertNotEquals(
      await digestOf({ "tasks.ts": TASKS, "helper.ts": before }),
      await digestOf({ "tasks.ts": TASKS, "helper.ts": after }),
    );
  });
}

for (const [what, before, after] of SAME) {
  Deno.test(`codeParts() does not count what changes nothing: ${what}`, async () => {
    assertEquals(
      await digestOf({ "tasks.ts": TASKS, "helper.ts": before }),
      await digestOf({ "tasks.ts": TASKS, "helper.ts": after }),
    );
  });
}
