// Tasks whose arguments are stored, or not.
import { task } from "@quiver/quiver";

export const size = task(
  import.meta,
  (value: { readonly length: number }, _note?: unknown) => value.length,
  { name: "size", version: 1 },
);

export const sizeAll = task(
  import.meta,
  (value: { readonly length: number }) => value.length,
  { name: "size all", version: 1, storeArguments: "all" },
);

export const sizeNone = task(
  import.meta,
  (value: { readonly length: number }) => value.length,
  { name: "size none", version: 1, storeArguments: "none" },
);
