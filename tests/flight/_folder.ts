/** A directory with room for a bag and for what tasks leave behind; removed at the end. */
export class Folder implements Disposable {
  /** The directory. */
  readonly path: string = Deno.makeTempDirSync({ prefix: "quiver_flight_" });

  /** Where tasks leave files. */
  readonly traces: string = `${this.path}/traces`;

  /** Where a bag may be made. */
  readonly bag: string = `${this.path}/results.bag`;

  constructor() {
    Deno.mkdirSync(this.traces);
  }

  [Symbol.dispose](): void {
    Deno.removeSync(this.path, { recursive: true });
  }
}
