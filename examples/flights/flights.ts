/**
 * The flights of the demo: 200,000 flights within the United States in the first months of 2001,
 * from the npm package `vega-datasets`.
 *
 * @module
 */

/** All flights, one array a column. */
export interface Flights {
  /** How late each flight arrived, in minutes; negative when it was early. */
  readonly delay: Int16Array<ArrayBuffer>;
  /** How far each flight went, in miles. */
  readonly distance: Int16Array<ArrayBuffer>;
  /** When each flight left, not when it should have, in minutes after midnight. */
  readonly departure: Int16Array<ArrayBuffer>;
}

/** One flight as it stands in the file, its time in hours after midnight. */
interface FlightRow {
  readonly delay: number;
  readonly distance: number;
  readonly time: number;
}

/**
 * Reads the flights from the installed package, which does not export its data.
 *
 * Requires `--allow-read`.
 *
 * @returns The flights, in the order of the file.
 */
export async function readFlights(): Promise<Flights> {
  const file = new URL("../data/flights-200k.json", import.meta.resolve("vega-datasets"));
  const rows: FlightRow[] = JSON.parse(await Deno.readTextFile(file));
  const delay = new Int16Array(rows.length);
  const distance = new Int16Array(rows.length);
  const departure = new Int16Array(rows.length);
  for (const [index, row] of rows.entries()) {
    delay[index] = row.delay;
    distance[index] = row.distance;
    departure[index] = Math.round(row.time * 60);
  }
  return { delay, distance, departure };
}

/**
 * Picks the delays of the flights of a range of distances.
 *
 * @param flights The flights.
 * @param fromMiles The shortest distance, in miles.
 * @param toMiles The distance below which flights count, in miles.
 * @returns Their delays, in minutes.
 */
export function selectDelays(flights: Flights, fromMiles: number, toMiles: number): Int16Array {
  return flights.delay.filter((_, index) => {
    const miles = flights.distance[index] ?? NaN;
    return miles >= fromMiles && miles < toMiles;
  });
}
