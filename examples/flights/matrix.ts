/**
 * Just enough of matrices for a kernel regression on a grid.
 *
 * @module
 */

/** Numbers in rows, one after another. */
export interface Matrix {
  /** How many rows. */
  readonly rows: number;
  /** How many columns. */
  readonly columns: number;
  /** The numbers, row by row. */
  readonly values: Float64Array<ArrayBuffer>;
}

/**
 * Makes a matrix number by number.
 *
 * @param rows How many rows.
 * @param columns How many columns.
 * @param compute Gives the number of a row and a column.
 * @returns The matrix.
 */
export function createMatrix(
  rows: number,
  columns: number,
  compute: (row: number, column: number) => number,
): Matrix {
  const values = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      values[row * columns + column] = compute(row, column);
    }
  }
  return { rows, columns, values };
}

/**
 * Multiplies two matrices, along rows, as the memory lies.
 *
 * @param left A matrix.
 * @param right A matrix with as many rows as `left` has columns.
 * @returns The product.
 */
export function multiply(left: Matrix, right: Matrix): Matrix {
  const { rows, columns: inner } = left;
  const { columns } = right;
  const values = new Float64Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    for (let middle = 0; middle < inner; middle++) {
      const weight = left.values[row * inner + middle] ?? NaN;
      const start = middle * columns;
      const target = row * columns;
      for (let column = 0; column < columns; column++) {
        values[target + column] = (values[target + column] ?? NaN) +
          weight * (right.values[start + column] ?? NaN);
      }
    }
  }
  return { rows, columns, values };
}

/**
 * Adds a multiple of one matrix to another, number by number.
 *
 * @param left A matrix.
 * @param right A matrix of the same shape.
 * @param factor What the numbers of `right` are multiplied with.
 * @returns The sum.
 */
export function add(left: Matrix, right: Matrix, factor: number): Matrix {
  const values = left.values.map((value, index) => value + factor * (right.values[index] ?? NaN));
  return { rows: left.rows, columns: left.columns, values };
}
