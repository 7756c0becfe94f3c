/** What an observer of a storm was told, and whether the statistics say the same. */
import type { Executor } from "@quiver/quiver";
import type { ExecutorObserver } from "@quiver/quiver/workers";

/** Counts what an observer is told. */
export class StormObserver implements ExecutorObserver {
  readonly #calls = { queued: 0, started: 0, retried: 0 };
  readonly #finished = { value: 0, error: 0, died: 0, dropped: 0 };
  readonly #running = new Set<number>();
  readonly #wrong: string[] = [];
  readonly #workers = { started: 0 };
  readonly #ended: Record<string, number> = {};

  queued(): void {
    this.#calls.queued++;
  }

  started({ id, task }: { readonly id: number; readonly task: string }): void {
    this.#calls.started++;
    if (this.#running.has(id)) this.#wrong.push(`"${task}" started twice`);
    this.#running.add(id);
  }

  retried({ id }: { readonly id: number }): void {
    this.#calls.retried++;
    this.#running.delete(id);
  }

  finished(
    { id, task, outcome }: {
      readonly id: number;
      readonly task: string;
      readonly outcome: "value" | "error" | "died" | "dropped";
    },
  ): void {
    this.#finished[outcome]++;
    const begun = this.#running.delete(id);
    if (!begun && outcome !== "dropped") this.#wrong.push(`"${task}" ended and had not started`);
  }

  workerStarted(): void {
    this.#workers.started++;
  }

  workerEnded({ ending }: { readonly ending: string }): void {
    this.#ended[ending] = (this.#ended[ending] ?? 0) + 1;
  }

  /** Says where this and the statistics of an executor that was shut down do not agree. */
  compare(executor: Executor): string[] {
    const { completed, failed, retried, queued, running, workers, lost, idle, ended = {} } =
      executor.statistics();
    const told = this.#finished;
    const all = told.value + told.error + told.died + told.dropped;
    const allEnded = Object.values(this.#ended).reduce((sum, count) => sum + count, 0);
    const pairs: readonly (readonly [what: string, statistics: unknown, observer: unknown])[] = [
      ["calls", this.#calls.queued, all],
      ["completed", completed >= told.value, true],
      ["failed", failed, told.error + told.died],
      ["retried", retried, this.#calls.retried],
      ["left", [queued, running, workers, lost, idle], [0, 0, 0, 0, 0]],
      ["workers", allEnded, this.#workers.started],
      ...Object.keys({ ...ended, ...this.#ended }).map((ending) =>
        [ending, Reflect.get(ended, ending), this.#ended[ending]] as const
      ),
    ];
    const differing = pairs.filter(([, one, other]) =>
      JSON.stringify(one) !== JSON.stringify(other)
    );
    return [
      ...this.#wrong,
      ...differing.map(([what, one, other]) => `${what}: ${JSON.stringify([one, other])}`),
    ];
  }
}
