/** Cycles given as times: typed by hand, or a CSV table with the columns start and end. */

import { InputError } from "./errors.js";

/**
 * Reads one cycle a line: start and end in seconds, between them a comma, semicolon, tab or space.
 *
 * A first line of names is understood, as in an events file: then the columns `start` and `end`
 * count and others are passed over.
 *
 * @param {string} text
 * @param {string} where What to call it in messages.
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
    throw new InputError(`${where}: expected start and end of a cycle, found none`);
  return cycles;
}

function cellsOf(line) {
  return line.trim().split(/\s*[,;]\s*|\s+/);
}
