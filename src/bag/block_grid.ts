/** The size of the blocks of a payload that is not compressed, in bytes. */
export const BLOCK_BYTES = 64 * 1024;

/** About the size of a block that is compressed, before it is, in bytes. */
const CHUNK_BYTES = 256 * 1024;

/** One block of a payload. */
export interface Block {
  /** The number of the block. */
  readonly index: number;
  /** Where in the payload it begins, in bytes. */
  readonly begin: number;
  /** Where it ends. */
  readonly end: number;
}

/**
 * How a payload is divided into blocks: into periods of one length, each of which is divided into
 * blocks of one length, the last one of a period being shorter.
 */
export interface BlockGrid {
  /** The length of the payload in bytes. */
  readonly length: number;
  /** The length of a period in bytes. */
  readonly period: number;
  /** The length of a block in bytes. */
  readonly blockBytes: number;
}

/**
 * Divides a payload that is not compressed.
 *
 * @param length The length of the payload in bytes.
 * @returns The grid.
 */
export function toPlainGrid(length: number): BlockGrid {
  return { length, period: length, blockBytes: BLOCK_BYTES };
}

/**
 * Chooses the chunks of a dataset that is compressed, such that the bytes of each chunk lie one
 * behind the other in the payload.
 *
 * @param shape The lengths of the dimensions.
 * @param elementBytes The size of an element in bytes.
 * @returns The lengths of a chunk's dimensions.
 */
export function toChunkShape(shape: readonly number[], elementBytes: number): number[] {
  const chunk = shape.map(() => 1);
  let room = Math.max(1, Math.floor(CHUNK_BYTES / elementBytes));
  for (let i = shape.length - 1; i >= 0; i--) {
    const length = shape[i] ?? 1;
    chunk[i] = Math.max(1, Math.min(length, room));
    room = Math.floor(room / length);
    if (room < 1 || chunk[i] !== length) break;
  }
  return chunk;
}

/**
 * Divides a payload as its dataset's chunks do.
 *
 * @param shape The lengths of the dimensions.
 * @param chunk The lengths of a chunk's dimensions, from {@linkcode toChunkShape}.
 * @param elementBytes The size of an element in bytes.
 * @returns The grid.
 */
export function toChunkGrid(
  shape: readonly number[],
  chunk: readonly number[],
  elementBytes: number,
): BlockGrid {
  const split = chunk.findIndex((length) => length !== 1);
  const at = split === -1 ? shape.length - 1 : split;
  const product = (lengths: readonly number[]) =>
    lengths.reduce((product, length) => product * length, elementBytes);
  return {
    length: product(shape),
    period: product(shape.slice(at)),
    blockBytes: product(chunk),
  };
}

/**
 * Counts the blocks of a grid.
 *
 * @param grid The grid.
 * @returns How many there are.
 */
export function countBlocks({ length, period, blockBytes }: BlockGrid): number {
  return length === 0 ? 0 : (length / period) * Math.ceil(period / blockBytes);
}

/**
 * Finds the block that a byte is in.
 *
 * @param grid The grid.
 * @param offset Where in the payload the byte is.
 * @returns The block.
 */
export function findBlock({ period, blockBytes }: BlockGrid, offset: number): Block {
  const outer = Math.floor(offset / period);
  const inner = Math.floor((offset - outer * period) / blockBytes);
  const begin = outer * period + inner * blockBytes;
  return {
    index: outer * Math.ceil(period / blockBytes) + inner,
    begin,
    end: Math.min(begin + blockBytes, (outer + 1) * period),
  };
}

/**
 * Tells where in a dataset a block is that is a chunk.
 *
 * @param shape The lengths of the dataset's dimensions.
 * @param elementBytes The size of an element in bytes.
 * @param block The block.
 * @returns Where it begins, and how many elements it has, in each dimension.
 */
export function toChunkBox(
  shape: readonly number[],
  elementBytes: number,
  block: Block,
): { start: number[]; count: number[] } {
  let before = block.begin / elementBytes;
  let elements = (block.end - block.begin) / elementBytes;
  const start = shape.map(() => 0);
  const count = shape.map(() => 1);
  for (let i = shape.length - 1; i >= 0; i--) {
    const length = shape[i] ?? 1;
    start[i] = before % length;
    before = Math.floor(before / length);
    count[i] = Math.min(length, elements);
    elements = Math.floor(elements / length);
    if (elements < 1) elements = 1;
  }
  return { start, count };
}

/**
 * Goes over the blocks of a grid.
 *
 * @param grid The grid.
 * @returns The blocks, in order.
 */
export function* blocksOf(grid: BlockGrid): Generator<Block> {
  for (let at = 0; at < grid.length;) {
    const block = findBlock(grid, at);
    yield block;
    at = block.end;
  }
}
