import type { WaitBoard } from "../store/stores.ts";
import { Flights } from "./_flights.ts";
import { Waits } from "./_waits.ts";

/** How the calls of one isolate share the work in a cache. */
export class Sharing {
  /** Calls that this isolate is computing now, by key. */
  readonly flights: Flights = new Flights();
  /** Calls that wait while the bodies of others wait for them. */
  readonly waits: Waits;

  /**
   * Creates it; nothing runs yet.
   *
   * @param board Tells other isolates what is waited for; absent when no other can hold a lease.
   */
  constructor(board: WaitBoard | undefined) {
    this.waits = new Waits(board);
  }
}
