import { deserialize, serialize } from "node:v8";
import type { CallRequest, Outcome } from "../../worker/worker.ts";

/** A call of a task with its scope, as data that structured clone carries: what a pool is given. */
export type BoundCall = CallRequest;

/** How a {@linkcode BoundCall} ended, as data that structured clone carries. */
export type BoundOutcome = Outcome;

/** Makes text of what structured clone carries, for pools whose processes speak JSON. */
export function toText(value: unknown): string {
  return serialize(value).toString("base64");
}

/** Reads what {@linkcode toText} has written. */
export function fromText(text: string): unknown {
  return deserialize(Uint8Array.fromBase64(text));
}
