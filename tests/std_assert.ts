// `@std/assert` for a place where JSR cannot be reached: the same code from npm, with types of our own.
// On the day JSR can be reached this file and its `.d.ts` go, and `deno.json` says `jsr:@std/assert@^1`.
// @ts-types="./std_assert.d.ts"
export * from "npm:deno-std@^1.4.0/assert/mod.js";
