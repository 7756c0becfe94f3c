import { EMPTY_MANIFEST, type Manifest, readManifest } from "../../../src/bag/manifest.ts";
import { encodeCheckedLine } from "../../../src/disk/checked_line.ts";
import { toLayout } from "../../../src/disk/layout.ts";
import { ANYTHING, type HostileBag, show, SIZES, write } from "./hostile_bag.ts";

const MANIFESTS: readonly (Partial<Record<keyof Manifest, unknown>>)[] = [
  ...["generation", "nextSegment", "logGeneration", "segments", "sealed", "sweeps"].flatMap((
    name,
  ) =>
    [...ANYTHING, ...SIZES, Number.MAX_SAFE_INTEGER, 2 ** 32, 2 ** 52, 10 ** 15, 10 ** 15 - 1].map((
      value,
    ) => ({ [name]: value }))
  ),
  ...ANYTHING.flatMap((value) => [
    { segments: [{ name: value, values: 1, bytes: 1 }] },
    { segments: [{ name: "000001", values: value, bytes: 1 }] },
    { segments: [{ name: "000001", values: 1, bytes: value }] },
    { segments: [{ name: "000001", values: 1, bytes: 1, newest: value }] },
    { segments: [value] },
    { sealed: { [`${"0".repeat(16)}-1`]: value } },
  ]),
  {
    segments: Array.from(
      { length: 1e4 },
      (_, i) => ({ name: `${i + 10}`, values: 2 ** 31, bytes: 2 ** 49 }),
    ),
  },
  { segments: [{ name: "999999999999999", values: 1, bytes: 1 }] },
  { segments: [] },
  { sealed: Object.fromEntries(Array.from({ length: 1e4 }, (_, i) => [`x${i}`, i])) },
];

/** Manifests and `bag.json` with a field that no writer writes. */
export function* listManifests(): Generator<HostileBag> {
  for (const change of MANIFESTS) {
    yield {
      name: `a manifest with ${show(change)}`,
      make(path) {
        const text = JSON.stringify({ ...readManifest(toLayout(path)), ...change });
        write(path, "manifest.json", encodeCheckedLine(text.slice(0, -1)));
      },
    };
    yield {
      name: `a new manifest with ${show(change)}`,
      make(path) {
        const text = JSON.stringify({ ...EMPTY_MANIFEST, ...change });
        write(path, "manifest.json", encodeCheckedLine(text.slice(0, -1)));
      },
    };
  }
  const base = {
    format: "quiver-bag",
    version: 2,
    digest: "sha256",
    digestScheme: 1,
    features: [],
  };
  for (const name of ["format", "version", "features", "gzip", "digest", "digestScheme"]) {
    for (const value of [...ANYTHING, "1", "gzip", ["gzip"], 0, 10, "9"]) {
      yield {
        name: `a bag.json with ${name} ${show(value)}`,
        make: (path) => write(path, "bag.json", JSON.stringify({ ...base, [name]: value })),
      };
    }
  }
  for (
    const text of [
      "null",
      "5",
      "[]",
      '"x"',
      "[".repeat(6e4),
      "\ufeff{}",
      " ",
      "\0",
      "{}\r\n",
      "\xff",
    ]
  ) {
    yield {
      name: `a bag.json that is ${show(text)}`,
      make: (path) => write(path, "bag.json", text),
    };
  }
}
