/**
 * The worker's side of `ExecutorOptions.output`; loaded by workers whose executor asks for it.
 *
 * @module
 */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { currentScope } from "../../scope/current_scope.ts";
import type { CallControl } from "../../worker/worker.ts";
import type { WorkerOutputLine } from "../call_options.ts";
import { OUTPUT } from "../wire/call_context.ts";

type Method = (...args: unknown[]) => unknown;

/** Has `console` hand over what calls print that are asked for it; everything else it prints. */
export class WorkerOutput implements Disposable {
  readonly #before = new Map<string, unknown>();
  readonly #ours = new Map<string, Method>();
  /** The call that prints right now. */
  #call: CallControl | undefined;
  /** Whether that call has ended, so that nobody takes its output. */
  #refused = false;

  /** Takes the place of the methods of `console`. */
  constructor() {
    const format: object = new Console(this.#open("stdout"), this.#open("stderr"));
    for (const name of Object.keys(console)) {
      const before: unknown = Reflect.get(console, name);
      const print: unknown = Reflect.get(format, name);
      if (typeof before !== "function" || typeof print !== "function") continue;
      const ours = (...args: unknown[]) => {
        const call = currentScope().output;
        if (call === undefined) return Reflect.apply(before, console, args);
        this.#call = call;
        this.#refused = false;
        Reflect.apply(print, format, args);
        this.#call = undefined;
        // What a call leaves behind in a timer, say, is printed as ever.
        return this.#refused ? Reflect.apply(before, console, args) : undefined;
      };
      this.#before.set(name, before);
      this.#ours.set(name, ours);
      Reflect.set(console, name, ours);
    }
  }

  /** Gives back the methods of `console`, but for those that others have replaced meanwhile. */
  [Symbol.dispose](): void {
    for (const [name, ours] of this.#ours) {
      if (Reflect.get(console, name) === ours) Reflect.set(console, name, this.#before.get(name));
    }
    this.#ours.clear();
  }

  #open(stream: WorkerOutputLine["stream"]): Writable {
    return new Writable({
      decodeStrings: false,
      write: (text, _encoding, done) => {
        const told = this.#call?.send(OUTPUT, { stream, text: String(text).replace(/\n$/, "") });
        if (told === false) this.#refused = true;
        done();
      },
    });
  }
}
