/**
 * OpenSim storage files (.sto, .mot): one table of numbers over time, in and out.
 *
 * Accepts tabs, spaces or commas, header versions 1 to 3 or none, CRLF line ends and wrong counts.
 * Ambiguous content is rejected with file, line and column; irregularities are listed in `notes`.
 */

import { InputError } from "./errors.js";

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const NOT_FINITE = /^([+-]?)(inf|infinity|nan|nan\(\w*\)|1\.#(?:QNAN|SNAN|IND|NAN)0*)$/i;

/**
 * @typedef {object} Storage
 * @property {string} file Name of the file, for messages.
 * @property {string[]} labels Of the columns, without time.
 * @property {Float64Array} time Seconds, never decreasing.
 * @property {Float64Array[]} columns One for each label.
 * @property {string[]} notes Irregularities in the file.
 */

/**
 * Reads a storage file.
 *
 * @param {Uint8Array} bytes Content of the file.
 * @param {string} file What to call it in messages.
 * @returns {Storage}
 */
export function readStorage(bytes, file) {
  const text = decode(bytes, file);
  const lines = text.split("\n");
  const end = lines.findIndex((line) => /^[\s,]*endheader[\s,]*$/i.test(line));
  let first = end + 1;
  while (first < lines.length && !isRow(lines[first])) first += 1;
  const titles = [];
  for (let i = end + 1; i < first && i < lines.length; i += 1) {
    if (lines[i].trim()) titles.push(i);
  }
  if (end < 0 && (!titles.length || first === lines.length)) {
    throw new InputError(
      `${file}: expected a storage file (header, endheader, labels, numbers), found none of these`,
    );
  }
  if (first === lines.length || !titles.length) {
    const found = titles.length ? "no row of numbers" : "no column labels";
    throw new InputError(`${file}: expected labels and numbers after the header, found ${found}`);
  }
  if (end >= 0 && titles.length > 1) {
    throw new InputError(
      `${file}, line ${titles[0] + 1}: expected one line of labels after endheader, ` +
        `found ${titles.length}; save the file again with OpenSim`,
    );
  }
  const header = readHeader(lines.slice(0, end >= 0 ? end : titles.at(-1)));
  refuseVectors(header, file);
  const commas = lines[first].includes(",") && !lines[first].includes("\t");
  const count = cellsOf(lines[first], commas).length;
  const title = titles.at(-1);
  const labels = readLabels(lines[title], count, `${file}, line ${title + 1}`);
  const { time, columns, rows, last } = readRows(lines, first, labels, commas, file);
  const ended = /\n\s*$/.test(text);
  const notes = compareCounts(header, rows, count, ended, file);
  if (end < 0) notes.push("no endheader; the line above the first row of numbers taken as labels");
  if (!ended) notes.push(`no newline after line ${last}; the last number may have been cut short`);
  notes.push(...oddTimes(time), ...notFinite(columns, labels.slice(1)));
  return { file, labels: labels.slice(1), time, columns, notes };
}

/**
 * Writes a storage file that OpenSim opens; numbers have enough digits to be read back exactly.
 *
 * @param {string} name First line.
 * @param {string[]} labels Of the columns, without time.
 * @param {Float64Array} time Seconds.
 * @param {Float64Array[]} columns One for each label.
 * @returns {string}
 */
export function writeStorage(name, labels, time, columns) {
  const lines = [name, "version=1", `nRows=${time.length}`, `nColumns=${labels.length + 1}`];
  lines.push("inDegrees=no", "endheader", ["time", ...labels].join("\t"));
  for (let row = 0; row < time.length; row += 1) {
    lines.push([time[row], ...columns.map((column) => column[row])].join("\t"));
  }
  return `${lines.join("\n")}\n`;
}

/**
 * Removes rows that repeat the previous time stamp; OpenSim rejects such rows.
 *
 * @param {Storage} storage
 * @returns {Storage} With a note if there were any.
 */
export function withoutRepeats(storage) {
  const keep = (_, i) => i === 0 || storage.time[i] > storage.time[i - 1];
  const time = storage.time.filter(keep);
  const repeated = storage.time.length - time.length;
  if (!repeated) return storage;
  return {
    ...storage,
    time,
    columns: storage.columns.map((column) => column.filter(keep)),
    notes: [...storage.notes, `${repeated} rows left out: they repeat the previous time stamp`],
  };
}

function decode(bytes, file) {
  if (bytes.includes(0)) {
    throw new InputError(`${file}: expected a storage file, found binary content`);
  }
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = new TextDecoder("latin1").decode(bytes);
  }
  if (!text.trim()) throw new InputError(`${file}: expected a storage file, found an empty one`);
  return text.replaceAll('"', "").replace(/\r\n?/g, "\n");
}

function cellsOf(line, commas) {
  const text = line.replace(/[\s,]+$/, "").trimStart();
  return commas ? text.split(",").map((cell) => cell.trim()) : text.split(/[ \t]+/);
}

function isRow(line) {
  const cell = line.trimStart().split(/[ \t,]/, 1)[0];
  return NUMBER.test(cell) || NOT_FINITE.test(cell);
}

function readHeader(lines) {
  const header = new Map();
  for (const line of lines) {
    const found =
      /^\s*(\w[\w .]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? /^\s*(datarows)\s+(\d+)/i.exec(line);
    if (found && !header.has(found[1].toLowerCase())) header.set(found[1].toLowerCase(), found[2]);
  }
  return header;
}

function refuseVectors(header, file) {
  const kind = header.get("datatype") ?? "double";
  if (!/^(double|float)$/i.test(kind)) {
    throw new InputError(`${file}: expected numbers (DataType double), found ${kind.slice(0, 40)}`);
  }
}

function readLabels(line, count, where) {
  const text = line.replace(/[\s,]+$/, "");
  const ways = ["\t", ","].filter((mark) => text.includes(mark)).map((mark) => text.split(mark));
  ways.push(text.trim().split(/[ \t]+/));
  const labels = ways.find((way) => way.length === count)?.map((label) => label.trim());
  if (!labels) {
    throw new InputError(`${where}: expected ${count} labels, found ${ways[0].length}`);
  }
  if (labels[0].toLowerCase() !== "time") {
    throw new InputError(`${where}: expected 'time' as the first label, found ${labels[0]}`);
  }
  const empty = labels.indexOf("");
  if (empty >= 0)
    throw new InputError(`${where}, column ${empty + 1}: expected a label, found none`);
  return labels;
}

function readRows(lines, first, labels, commas, file) {
  const filled = [];
  for (let i = first; i < lines.length; i += 1) if (lines[i].trim()) filled.push(i);
  const table = labels.map(() => new Float64Array(filled.length));
  filled.forEach((line, row) => {
    const cells = cellsOf(lines[line], commas);
    if (cells.length !== labels.length) {
      const cut = row === filled.length - 1 && cells.length < labels.length;
      throw new InputError(
        `${file}, line ${line + 1}: expected ${labels.length} numbers, found ${cells.length}` +
          (cut ? "; the file seems cut, get a whole copy" : ""),
      );
    }
    cells.forEach((cell, column) => {
      const value = number(cell);
      if (value === null) {
        throw new InputError(
          `${file}, line ${line + 1}, column ${column + 1} (${labels[column]}): ` +
            `expected a number, found '${cell.slice(0, 40)}'`,
        );
      }
      table[column][row] = value;
    });
    const now = table[0][row];
    if (!Number.isFinite(now) || (row && now < table[0][row - 1])) {
      const expected = row ? `time not before ${table[0][row - 1]}` : "a finite time";
      throw new InputError(`${file}, line ${line + 1}: expected ${expected}, found ${now}`);
    }
  });
  return { time: table[0], columns: table.slice(1), rows: filled.length, last: filled.at(-1) + 1 };
}

function number(cell) {
  if (NUMBER.test(cell)) return Number(cell);
  const odd = NOT_FINITE.exec(cell);
  if (!odd) return null;
  if (!/^inf/i.test(odd[2])) return NaN;
  return odd[1] === "-" ? -Infinity : Infinity;
}

function compareCounts(header, rows, columns, ended, file) {
  const notes = [];
  for (const [keys, found, what] of [
    [["nrows", "datarows"], rows, "rows"],
    [["ncolumns", "datacolumns"], columns, "columns"],
  ]) {
    const stated = keys.map((key) => header.get(key)).find((value) => value !== undefined);
    if (stated === undefined || Number(stated) === found) continue;
    if (what === "rows" && Number(stated) > found && !ended) {
      throw new InputError(
        `${file}: expected ${stated} rows, found ${found} and no newline at the end; ` +
          "the file seems cut, get a whole copy",
      );
    }
    notes.push(`header states ${stated} ${what}, found ${found}`);
  }
  return notes;
}

function oddTimes(time) {
  const still = time.filter((now, i) => i > 0 && now === time[i - 1]).length;
  return still ? [`${still} time stamps repeat the previous one`] : [];
}

function notFinite(columns, labels) {
  const odd = labels.filter((_, i) => columns[i].some((value) => !Number.isFinite(value)));
  return odd.length ? [`nan or infinity in ${odd.length} columns, such as ${odd[0]}`] : [];
}
