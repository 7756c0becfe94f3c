import { Buffer } from "node:buffer";
import { crc32, deflateSync, inflateSync } from "node:zlib";

/** So many colours a palette has. */
const COLOURS = 256;

const SIGNATURE = 8;

/** What fills a pixel, as `0xrrggbb`. */
type Colour = number;

/**
 * Writes a picture with a palette, a third as large: of colours that are nearly the same it has one.
 *
 * @param png A PNG of 8-bit RGB that is not interlaced, as browsers make it (PNG, third edition).
 */
export function toPalettePng(png: Uint8Array): Uint8Array {
  const chunks = readChunks(Buffer.from(png));
  const header = chunks.find(({ type }) => type === "IHDR")?.data ?? Buffer.alloc(13);
  const [width, height] = [header.readUInt32BE(0), header.readUInt32BE(4)];
  if (header[8] !== 8 || header[9] !== 2 || header[12] !== 0) {
    throw new TypeError("Cannot read a PNG that is not of 8-bit RGB, not interlaced");
  }
  const packed = chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data);
  const pixels = unfilter(inflateSync(Buffer.concat(packed)), { width, height });
  const counts = new Map<Colour, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const { palette, indices } = toPalette(counts);
  const rows = Buffer.alloc((width + 1) * height);
  pixels.forEach((pixel, i) => {
    rows[i + Math.floor(i / width) + 1] = indices.get(pixel) ?? 0;
  });
  const own = Buffer.from(header);
  own[9] = 3;
  return Buffer.concat([
    png.subarray(0, SIGNATURE),
    toChunk("IHDR", own),
    toChunk("PLTE", Buffer.from(palette.flatMap(toChannels))),
    toChunk("IDAT", deflateSync(rows, { level: 9 })),
    toChunk("IEND", Buffer.alloc(0)),
  ]);
}

function readChunks(png: Buffer): { readonly type: string; readonly data: Buffer }[] {
  const chunks = [];
  for (let at = SIGNATURE; at < png.length;) {
    const length = png.readUInt32BE(at);
    const type = png.toString("latin1", at + 4, at + 8);
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  return chunks;
}

/** Takes the filters of its rows back: each byte was stored as what it differs from those before. */
function unfilter(
  stored: Buffer,
  { width, height }: { readonly width: number; readonly height: number },
): Uint32Array {
  const length = 3 * width;
  const bytes = new Uint8Array(length * height);
  for (let y = 0; y < height; y++) {
    const filter = stored[y * (length + 1)] ?? 0;
    for (let x = 0; x < length; x++) {
      const at = y * length + x;
      const left = x < 3 ? 0 : bytes[at - 3] ?? 0;
      const above = y === 0 ? 0 : bytes[at - length] ?? 0;
      const corner = x < 3 || y === 0 ? 0 : bytes[at - length - 3] ?? 0;
      const guess = [0, left, above, (left + above) >> 1, paeth(left, above, corner)][filter] ?? 0;
      bytes[at] = (stored[y * (length + 1) + 1 + x] ?? 0) + guess;
    }
  }
  return Uint32Array.from(
    { length: width * height },
    (_, i) => (bytes[3 * i] ?? 0) << 16 | (bytes[3 * i + 1] ?? 0) << 8 | (bytes[3 * i + 2] ?? 0),
  );
}

function paeth(left: number, above: number, corner: number): number {
  const distances = [above - corner, left - corner, left + above - 2 * corner].map(Math.abs);
  return [left, above, corner][distances.indexOf(Math.min(...distances))] ?? 0;
}

/** Puts colours that have their first bits in common together, and takes the most frequent of each. */
function toPalette(
  counts: ReadonlyMap<Colour, number>,
): { readonly palette: readonly Colour[]; readonly indices: ReadonlyMap<Colour, number> } {
  const ordered = [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0));
  for (let dropped = 0;; dropped++) {
    const mask = (255 << dropped & 255) * 0x010101;
    const groups = [...Map.groupBy(ordered, (colour) => colour & mask).values()];
    if (groups.length > COLOURS) continue;
    const indices = groups.flatMap((group, i) => group.map((colour) => [colour, i] as const));
    return { palette: groups.flatMap((group) => group.slice(0, 1)), indices: new Map(indices) };
  }
}

function toChannels(colour: Colour): number[] {
  return [colour >> 16, colour >> 8 & 255, colour & 255];
}

function toChunk(type: string, data: Buffer): Buffer {
  const chunk = Buffer.alloc(12 + data.length);
  chunk.writeUInt32BE(data.length);
  chunk.write(type, 4, "latin1");
  data.copy(chunk, 8);
  chunk.writeUInt32BE(crc32(chunk.subarray(4, 8 + data.length)), 8 + data.length);
  return chunk;
}
