/** Cycles given as times: typed, or from a CSV table with the columns start and end. */

import { InputError } from "./errors.js";

/**
 * Reads one cycle per line: start and end in s, separated by a comma, semicolon, tab or space.
 *
 * The first line may contain column names, as in an events file: then the columns `start` and `end`
 * are read and other columns are ignored.
 *
 * @param {string} text
 * @param {string} where Name of the source in messages.
 * @returns {number[][]} [start, end] of each cycle.
 */
export function readCycleTimes(text, where) {
  const lines = text.replace(/^\uFEFF/, "").split(/\r\n?|\n/);
  const header = cellsOf(lines[0]).map((name) => name.toLowerCase());
  const named = header.some((name) => /^[a-z]/.test(name));
  const places = named ? ["start", "end"].map((name) => header.indexOf(name)) : [0, 1];
  if (places.includes(-1)) {
    throw new InputError(`${where}, line 1: expected columns start and end, found '${lines[0]}'`);
  }
  const cycles = [];
  lines.forEach((line, i) => {
    if (!line.trim() || (named && i === 0)) return;
    const cells = cellsOf(line);
    const [start, end] = places.map((place) => (cells[place] ? Number(cells[place]) : NaN));
    if (!(Number.isFinite(start) && start < end && end < Infinity)) {
      throw new InputError(
        `${where}, line ${i + 1}: expected start and end in seconds, found '${line.trim()}'`,
      );
    }
    if (!named && cells.length > 2) {
      throw new InputError(
        `${where}, line ${i + 1}: expected two numbers, found ${cells.length}; ` +
          "write a decimal point, not a comma",
      );
    }
    cycles.push([start, end]);
  });
  if (!cycles.length)
    throw new InputError(`${where}: expected the start and end of at least one cycle, found none`);
  return cycles;
}

function cellsOf(line) {
  return line.trim().split(/\s*[,;]\s*|\s+/);
}
