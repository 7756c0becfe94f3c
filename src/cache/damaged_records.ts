import type { QuiverWarning } from "../base/warning.ts";

/** The damaged records that one look-up has passed over. */
export class DamagedRecords {
  #first: string | undefined;
  #count = 0;

  /**
   * Takes note of one.
   *
   * @param where Where it lies.
   */
  add(where: string): void {
    this.#first ??= where;
    this.#count++;
  }

  /**
   * Tells of all of them in one warning, if there are any.
   *
   * @param onWarning Who is told.
   */
  tell(onWarning: (warning: QuiverWarning) => void): void {
    if (this.#first === undefined) return;
    const records = this.#count === 1 ? "a damaged record" : `${this.#count} damaged records`;
    const message =
      `Cannot read ${records} of calls, first ${this.#first}: the others are found; ` +
      "a call whose record is damaged runs again when it is next asked for";
    onWarning({ message });
  }
}
