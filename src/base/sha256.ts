/**
 * SHA-256, loaded when it is first needed: to import `node:crypto` takes a starting worker longer
 * than all else together, and a worker that remembers nothing never hashes.
 *
 * @module
 */
import type { Hash } from "node:crypto";

type Crypto = typeof import("node:crypto");

// The one thing kept here is the module itself, which is the same for everybody.
let crypto: Crypto | undefined;

/**
 * Creates a SHA-256 hash.
 *
 * @returns The hash, to be updated.
 */
export function createSha256(): Hash {
  return (crypto ?? loadSha256()).createHash("sha256");
}

/** Loads it: for those who wait for something else, before they need it. */
export function loadSha256(): Crypto {
  // deno-lint-ignore no-process-global -- importing node:process costs as much as node:crypto
  return crypto ??= process.getBuiltinModule("node:crypto") as Crypto;
}
