import type { Stores } from "./stores.ts";

/**
 * Creates stores that forget at once whatever they are given.
 *
 * @returns The stores; every lease is free.
 */
export function createVoidStores(): Stores {
  return {
    values: { put: () => {}, get: () => ({ hit: false }) },
    calls: { put: () => {}, get: () => undefined, delete: () => false, records: () => [] },
    leases: {
      // Nobody has anything to wait for: what another computes is not remembered either.
      tryAcquire: (key) => ({ key, [Symbol.dispose]: () => {} }),
      changed: (_key, signal) => Promise.try(() => signal?.throwIfAborted()),
    },
  };
}
