import { decodeCheckedLine, LONGEST_LINE_BYTES } from "../../disk/checked_line.ts";
import { readAt, readPiece } from "../../disk/file_system.ts";
import { type CallHeader, decodeHeader, decodeRecord } from "../log/call_line.ts";
import { type CallLine, scanCalls, type SkippedLine } from "../log/call_scan.ts";
import type { SalvagedLine } from "./salvage.ts";

/** What a line says: all fields of a record, also those that stand in its header. */
export type LineContent = Readonly<Record<string, unknown>>;

/** What a log is read for. */
export interface LogVisitor {
  /**
   * Told of each line with its checksum, in order; only records in front of their header come last.
   *
   * @param content What it says, or `undefined` when it is not what it seems, or its header is lost.
   */
  visit(line: CallLine, content: LineContent | undefined): void;
  /**
   * Told of each other line, and of what stands behind the last line feed.
   *
   * @returns Whole lines inside of it that are to be visited as well.
   */
  skip(line: SkippedLine): Iterable<SalvagedLine>;
}

/**
 * Reads all of a log, and looks whether its lines say what they seem to.
 *
 * @param file The log.
 * @param size How long it is, in bytes.
 * @param visitor Told of its lines.
 * @returns A sound line of each header, by its name.
 */
export function readLog(
  file: Deno.FsFile,
  size: number,
  visitor: LogVisitor,
): ReadonlyMap<string, CallLine> {
  const headers = new Map<string, CallLine>();
  const contents = new Map<string, CallHeader>();
  const early: CallLine[] = [];
  const take = (line: CallLine, bytes: Uint8Array) => {
    const found = line.type === "header" ? decodeHeader(bytes) : undefined;
    if (found !== undefined) {
      headers.set(found.name, line);
      contents.set(found.name, found.header);
    }
    if (line.header !== undefined && !contents.has(line.header)) early.push(line);
    else visitor.visit(line, readContent(line, bytes, contents));
  };
  const skip = (line: SkippedLine) => {
    for (const { head, begin, end } of visitor.skip(line)) {
      const place = { offset: line.offset + begin, length: end - begin };
      take({ ...head, ...place }, line.bytes.subarray(begin, end));
    }
  };
  const { end } = scanCalls(file, 0, size, take, skip);
  const rest = new Uint8Array(Math.min(size - end, LONGEST_LINE_BYTES));
  if (rest.length > 0 && readAt(file, end, rest)) {
    skip({ offset: end, length: size - end, bytes: rest });
  }
  // A header may stand behind its records.
  for (const line of early) {
    const bytes = readPiece(file, line.offset, line.length);
    visitor.visit(line, bytes && readContent(line, bytes, contents));
  }
  return headers;
}

function readContent(
  { key, type }: CallLine,
  bytes: Uint8Array,
  headers: ReadonlyMap<string, CallHeader>,
): LineContent | undefined {
  if (type === "header") return decodeHeader(bytes)?.header;
  const content = type === "record"
    ? decodeRecord(bytes, (name) => headers.get(name))
    : decodeCheckedLine(bytes);
  return (type === "record" ? content?.key : content?.evict) === key ? content : undefined;
}
