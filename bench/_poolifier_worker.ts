// The peers' functions behind poolifier.
import { ThreadWorker } from "poolifier";
import { echo, half, halves, noop } from "./_peer_functions.ts";

export default new ThreadWorker<unknown, unknown>({
  noop: () => noop(),
  echo: (value) => echo(value),
  half: (n) => half(Number(n)),
  halves: (numbers) => halves(numbers as readonly number[]),
});
