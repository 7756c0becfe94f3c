import type { Stores } from "./stores.ts";

/**
 * Takes the values of one set of stores and the calls of another. Leases go with the calls: who
 * shares the calls shares the work.
 *
 * @param valuesOf Where values are kept.
 * @param callsOf Where records are kept, and leases taken.
 * @returns The stores; they can travel if both can.
 */
export function mixStores(valuesOf: Stores, callsOf: Stores): Stores {
  const [values, calls] = [valuesOf.description, callsOf.description];
  return {
    values: valuesOf.values,
    calls: callsOf.calls,
    leases: callsOf.leases,
    readOnly: (valuesOf.readOnly ?? false) || (callsOf.readOnly ?? false),
    ...(values && calls && { description: { type: "mixed", values, calls } }),
    statistics: () => ({
      rejectedValues: 0,
      ...valuesOf.statistics?.(),
      rejectedSignatures: callsOf.statistics?.().rejectedSignatures ?? 0,
    }),
  };
}
