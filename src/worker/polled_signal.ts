/**
 * Has a signal look for its abort when it is read: code that never awaits hears no events.
 *
 * @param signal The signal; it is changed.
 * @param poll Aborts the signal if it is to be. Called anew while it does so.
 * @returns The same signal.
 */
export function pollWhenRead(signal: AbortSignal, poll: () => void): AbortSignal {
  return Object.defineProperties(signal, {
    aborted: {
      configurable: true,
      get: () => {
        poll();
        return Reflect.get(AbortSignal.prototype, "aborted", signal);
      },
    },
    throwIfAborted: {
      configurable: true,
      value: () => {
        poll();
        AbortSignal.prototype.throwIfAborted.call(signal);
      },
    },
  });
}
