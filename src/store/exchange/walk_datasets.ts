import type { DatasetInput } from "../../bag/hdf5/access.ts";

/** A dataset of a file. */
export interface FoundDataset {
  /** Its path, from the root. */
  readonly path: string;
}

/** What there is at a path of a file, and below. */
export interface FoundDatasets {
  /** What the path itself leads to. */
  readonly type: "group" | "dataset";
  /** The path, from the root. */
  readonly path: string;
  /** The datasets, in the order of the file. */
  readonly datasets: readonly FoundDataset[];
  /** What leads nowhere, or to another file. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

/** More than this nobody wants at once. */
const MOST_FOUND = 100_000;

/** Deeper than this is no group that anybody has made. */
const MOST_LEVELS = 200;

/** How many names an error shows. */
const SHOWN_NAMES = 8;

/**
 * Finds the datasets of a file. Each group is gone through once, however many ways lead there, and no
 * link to another file is followed.
 *
 * @param path A dataset or group; `/` at its begin and end may be left out.
 * @throws {RangeError} If there is no such path, or far too much.
 */
export function walkDatasets(input: DatasetInput, path: string): FoundDatasets {
  const { root, kind } = followSteps(input, path.split("/").filter((step) => step !== ""));
  if (kind === "dataset") {
    return { type: kind, path: root, datasets: [{ path: root }], skipped: [] };
  }
  return { type: kind, path: root, ...walkGroups(input, root) };
}

/** Goes down a path, step by step, so that an error names the first that is wrong. */
function followSteps(
  input: DatasetInput,
  steps: readonly string[],
): { readonly root: string; readonly kind: "group" | "dataset" } {
  let root = "/";
  let kind: ReturnType<DatasetInput["kindOf"]> = "group";
  for (const step of steps) {
    const path = joinStep(root, step);
    if (kind !== "group") throw refusePath(path, `"${root}" is no group`);
    const names = input.names(root);
    if (!names.includes(step)) throw refusePath(path, `"${root}" has ${show(names)}`);
    const link = input.linkTarget(path);
    kind = link?.external === true ? "nothing" : input.kindOf(path);
    if (kind === "nothing") throw refusePath(path, whyNot(link));
    root = path;
  }
  if (kind === "group" || kind === "dataset") return { root, kind };
  throw refusePath(root, "it is neither");
}

function joinStep(group: string, name: string): string {
  return group === "/" ? `/${name}` : `${group}/${name}`;
}

function walkGroups(
  input: DatasetInput,
  root: string,
): Pick<FoundDatasets, "datasets" | "skipped"> {
  const datasets: FoundDataset[] = [];
  const skipped: { path: string; reason: string }[] = [];
  const seen = new Set<string>();
  const open: Place[] = [{ path: root, level: 0 }];
  // Last, so that what they lead to goes by its own name.
  const linked: Place[] = [];
  for (let group = open.shift(); group !== undefined; group = open.shift() ?? linked.shift()) {
    const identity = input.identify(group.path);
    if (seen.has(identity)) continue;
    seen.add(identity);
    for (const name of input.names(group.path)) {
      const path = joinStep(group.path, name);
      const link = input.linkTarget(path);
      const kind = link?.external === true ? "nothing" : input.kindOf(path);
      const place = { path, level: group.level + 1 };
      if (kind === "dataset") datasets.push({ path });
      if (kind === "nothing") skipped.push({ path, reason: whyNot(link) });
      if (kind === "group" && place.level > MOST_LEVELS) {
        skipped.push({ path, reason: `it is more than ${MOST_LEVELS} groups deep` });
      } else if (kind === "group") {
        (link === undefined ? open : linked).push(place);
      }
      if (datasets.length + skipped.length + open.length + linked.length > MOST_FOUND) {
        throw new RangeError(
          `Cannot import all of "${root}": it has more than ${MOST_FOUND} datasets and groups; name ` +
            "a group below it as `path`",
        );
      }
    }
  }
  return { datasets, skipped };
}

/** A group, and how deep it is. */
interface Place {
  readonly path: string;
  readonly level: number;
}

function whyNot(link: ReturnType<DatasetInput["linkTarget"]>): string {
  if (link === undefined) return "it leads to nothing that can be read";
  if (link.external) return `it is a link to the file "${link.target}", which is not followed`;
  return `it is a link to "${link.target}", which leads to nothing in the file`;
}

function refusePath(path: string, state: string): RangeError {
  return new RangeError(`Cannot import "${path}": there is no such dataset or group; ${state}`);
}

function show(names: readonly string[]): string {
  if (names.length === 0) return "nothing in it";
  const shown = names.slice(0, SHOWN_NAMES).map((name) => `"${name}"`).join(", ");
  return `${shown}${names.length > SHOWN_NAMES ? ", …" : ""}`;
}
