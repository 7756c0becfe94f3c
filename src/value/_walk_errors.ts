/** Thrown where a walk meets a value that it cannot take; where that is, is found out later. */
export class Refusal extends Error {
  override name = "Refusal";
}

/** Thrown where a value turns out to be nested too deeply. */
export class TooDeepError extends Error {
  override name = "TooDeepError";
}

/** Thrown where more would be written than the limit allows. */
export class SinkFullError extends Error {
  override name = "SinkFullError";
}
