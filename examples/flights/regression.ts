/**
 * A kernel regression of delay on the time of departure and the distance, and how well it predicts
 * flights that it has not seen.
 *
 * @module
 */
import type { Flights } from "./flights.ts";
import { add, createMatrix, type Matrix, multiply } from "./matrix.ts";
import { createRandom } from "./statistics.ts";

/** The size of a cell along the time of departure, in minutes. */
export const CELL_MINUTES = 10;
/** The size of a cell along the distance, in miles. */
export const CELL_MILES = 25;
/** How many cells a day has. */
export const DAY_CELLS = 24 * 60 / CELL_MINUTES;
/** How many cells the distances have; the longest flight goes 4,962 miles. */
export const DISTANCE_CELLS = 200;

/** How far a flight reaches: the standard deviations of a Gaussian kernel. */
export interface Bandwidths {
  /** Along the time of day, which goes round, in minutes. */
  readonly minutes: number;
  /** Along the distance, in miles. */
  readonly miles: number;
}

/** Options of {@linkcode crossValidate}. */
export interface CrossValidateOptions {
  /** How many parts the flights are dealt to. */
  readonly folds: number;
  /** Where the stream of random numbers that deals them starts. */
  readonly seed: number;
}

/** How good a regression is, and what it says. */
export interface Validation {
  /** The root of the mean squared error on unseen flights, in minutes. */
  readonly error: number;
  /** The share of the variance on unseen flights that is explained. */
  readonly explained: number;
  /** The expected delays in minutes, by the time of day and the distance. */
  readonly surface: { readonly data: Float64Array; readonly shape: readonly number[] };
}

/** Flights summed up by cell: all that the regression and its errors need of them. */
interface Cells {
  readonly count: Matrix;
  readonly delay: Matrix;
  /** The sum of the squared delays of all cells. */
  readonly squares: number;
}

/** Added to each cell's weight, so that a cell far from all flights expects the mean delay. */
const LEAST_WEIGHT = 1e-6;

/**
 * Measures a Nadaraya-Watson regression (1964) by k-fold cross-validation.
 *
 * @param flights The flights.
 * @param bandwidths The hyper-parameters.
 * @param options The number of folds and the seed.
 * @returns The errors on unseen flights, and the regression of all flights.
 */
export function crossValidate(
  flights: Flights,
  bandwidths: Bandwidths,
  options: CrossValidateOptions,
): Validation {
  const smooth = createSmoother(bandwidths);
  const folds = dealFlights(flights, options);
  const all = folds.reduce((sum, fold) => combine(sum, fold, 1));
  const squaredError = folds.reduce(
    (sum, fold) => sum + sumSquaredErrors(fold, regress(combine(all, fold, -1), smooth)),
    0,
  );
  const count = addUp(all.count);
  const variance = all.squares / count - (addUp(all.delay) / count) ** 2;
  return {
    error: Math.sqrt(squaredError / count),
    explained: 1 - squaredError / count / variance,
    surface: { data: regress(all, smooth), shape: [DAY_CELLS, DISTANCE_CELLS] },
  };
}

function dealFlights(flights: Flights, options: CrossValidateOptions): Cells[] {
  const random = createRandom(options.seed);
  const fold = flights.delay.map(() => Math.floor(random() * options.folds));
  return Array.from({ length: options.folds }, (_, number) => {
    const chosen = (_: number, index: number) => fold[index] === number;
    return toCells({
      delay: flights.delay.filter(chosen),
      distance: flights.distance.filter(chosen),
      departure: flights.departure.filter(chosen),
    });
  });
}

function toCells({ delay, distance, departure }: Flights): Cells {
  const count = createMatrix(DAY_CELLS, DISTANCE_CELLS, () => 0);
  const sum = createMatrix(DAY_CELLS, DISTANCE_CELLS, () => 0);
  let squares = 0;
  for (const [index, minutes] of delay.entries()) {
    const cell = toCell(departure[index] ?? NaN, distance[index] ?? NaN);
    count.values[cell] = (count.values[cell] ?? NaN) + 1;
    sum.values[cell] = (sum.values[cell] ?? NaN) + minutes;
    squares += minutes ** 2;
  }
  return { count, delay: sum, squares };
}

/**
 * Finds the cell of a flight.
 *
 * @param minutes When it left, in minutes after midnight.
 * @param miles How far it went.
 * @returns The index of its cell in a surface.
 */
export function toCell(minutes: number, miles: number): number {
  return Math.floor(minutes / CELL_MINUTES) * DISTANCE_CELLS + Math.floor(miles / CELL_MILES);
}

function combine(left: Cells, right: Cells, factor: number): Cells {
  return {
    count: add(left.count, right.count, factor),
    delay: add(left.delay, right.delay, factor),
    squares: left.squares + factor * right.squares,
  };
}

/** A Gaussian kernel in two dimensions is one along the rows and one along the columns. */
function createSmoother({ minutes, miles }: Bandwidths): (cells: Matrix) => Matrix {
  const alongDay = createMatrix(DAY_CELLS, DAY_CELLS, (row, column) => {
    const apart = Math.abs(row - column);
    return gaussian(Math.min(apart, DAY_CELLS - apart) * CELL_MINUTES / minutes);
  });
  const alongDistance = createMatrix(
    DISTANCE_CELLS,
    DISTANCE_CELLS,
    (row, column) => gaussian((row - column) * CELL_MILES / miles),
  );
  return (cells) => multiply(alongDay, multiply(cells, alongDistance));
}

function gaussian(deviation: number): number {
  return Math.exp(-(deviation ** 2) / 2);
}

function regress(cells: Cells, smooth: (cells: Matrix) => Matrix): Float64Array {
  const mean = addUp(cells.delay) / addUp(cells.count);
  const weights = smooth(cells.count);
  return smooth(cells.delay).values.map((sum, cell) =>
    (sum + LEAST_WEIGHT * mean) / ((weights.values[cell] ?? NaN) + LEAST_WEIGHT)
  );
}

/** The sum of `(delay - expected)²` over a fold, from its sums alone. */
function sumSquaredErrors({ count, delay, squares }: Cells, expected: Float64Array): number {
  return expected.reduce((sum, minutes, cell) => {
    const flights = count.values[cell] ?? NaN;
    return sum + minutes * (minutes * flights - 2 * (delay.values[cell] ?? NaN));
  }, squares);
}

function addUp(matrix: Matrix): number {
  return matrix.values.reduce((sum, value) => sum + value, 0);
}
