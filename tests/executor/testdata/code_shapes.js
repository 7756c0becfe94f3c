// deno-fmt-ignore-file
// deno-lint-ignore-file
// Functions as plain JavaScript has them, without semicolons; nothing is done to them on the way.

/** @type {{ readonly [name: string]: (n: number) => unknown }} */
export const shapes = {
  returnsNothing(n) {
    return
    n
  },
  returnsIt(n) { return n },
  increments: (n) => {
    let m = n
    n
    ++m
    return m
  },
  continues: (n) => {
    outer: for (;;) { for (;;) { if (n) break outer
      continue
      outer } }
    return n
  },
  yields: (n) => [...function* () { yield
    n }()],
  asynchronous(n) {
    const async = n
    async
    return async
  },
  fields: (n) => new class { async
    a = n
    static
    b = n },
  division: (n) => n
    / 2 / 1,
  escaped: function () { return \u0061rguments.length },
}
