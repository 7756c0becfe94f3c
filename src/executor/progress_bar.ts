import { importLater } from "../base/lazy_import.ts";

type Library = typeof import("./_bar_library.ts");

/** Told how a map goes. */
export interface ProgressObserver {
  /**
   * The map begins.
   *
   * @param total How many items there are, if that is known.
   */
  start(total: number | undefined): void;
  /**
   * A call has settled.
   *
   * @param hit Whether its result came without running the body.
   */
  update(hit: boolean): void;
  /**
   * Calls that run have said how far they are.
   *
   * @param running How much of them is done: the sum of their fractions.
   */
  report?(running: number): void;
  /** The map has ended, however it did. */
  stop(): void;
}

/**
 * Opens a progress bar on standard error; the library is loaded only when there is a terminal.
 *
 * @returns The bar, or `undefined` when standard error is not a terminal.
 */
export async function openProgressBar(): Promise<ProgressObserver | undefined> {
  if (!Deno.stderr.isTerminal()) return undefined;
  const { Presets, SingleBar } = await importLater<Library>("./_bar_library.ts", import.meta.url);
  const bar = new SingleBar({
    format: "{bar} {percentage}% | {value}/{total} | {hits} from the cache | {eta_formatted} left",
    clearOnComplete: true,
    gracefulExit: false,
    // A program that is interrupted must leave the terminal as it was.
    hideCursor: false,
    linewrap: true,
  }, Presets.shades_classic);
  let settled = 0;
  let hits = 0;
  let running = 0;
  const draw = () => bar.update(Math.round((settled + running) * 100) / 100, { hits });
  return {
    start: (total) => bar.start(total ?? 0, 0, { hits }),
    update: (hit) => {
      settled++;
      if (hit) hits++;
      if (settled > bar.getTotal()) bar.setTotal(settled);
      draw();
    },
    report: (sum) => {
      running = sum;
      draw();
    },
    stop: () => bar.stop(),
  };
}
