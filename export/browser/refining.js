/** Applies exported files to a recording, cycle by cycle, on the recording's own time grid. */

import { meanOf } from "./composition.js";
import { InputError } from "./errors.js";
import { parseLabel } from "./muscles.js";
import { SAMPLES, at, cycleSamples } from "./resampling.js";
import { withoutRepeats } from "./storage.js";

// Time stamps rounded to single precision agree within this fraction of a step.
const SAME_TIME = 1e-3;
// Maximum step between rows, as a fraction of the cycle.
const COARSEST_STEP = 0.1;

/**
 * A loaded file, created by `runtime.js`.
 *
 * @typedef {object} RefinerFile
 * @property {object} metadata
 * @property {(samples: Map<string, Float32Array>) => Promise<Float32Array[]>} refine One cycle:
 *   channel to 20 samples in, 20 samples of each muscle out.
 */

/**
 * @typedef {object} Refined
 * @property {Float64Array} time Rows within complete cycles.
 * @property {string[]} labels Such as `soleus_l`.
 * @property {Float64Array[]} columns One for each label.
 * @property {number[][]} cycles Cycles used, [start, end].
 * @property {{name: string, simulated: ?Float64Array[], refined: Float32Array[]}[]} muscles
 *   20 samples for each cycle; simulated is the mean of the counterparts, null without any.
 * @property {string[]} notes What was left out, averaged or not used.
 */

/**
 * Refines every complete cycle of a recording.
 *
 * The 20 samples of a cycle are interpolated linearly to its rows. A row shared by two cycles gets
 * the mean of both; rows outside complete cycles are left out.
 *
 * @param {RefinerFile[]} files Their muscles are combined in one table.
 * @param {import("./storage.js").Storage} original Activations.
 * @param {number[][]} given [start, end] of the cycles of the leg, in order, s.
 * @param {"l"|"r"} side The leg that is ipsilateral.
 * @returns {Promise<Refined>}
 */
export async function refineRecording(files, original, given, side) {
  const names = files.flatMap((file) => file.metadata.muscles.map((muscle) => muscle.name));
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice) throw new InputError(`refiner: expected muscle ${twice} once, found it in two files`);
  const needed = [...new Set(files.flatMap((file) => file.metadata.channels))];
  const recording = withoutRepeats(original);
  const { columns, notes } = channelColumns(recording, needed, side);
  notes.push(...recording.notes.slice(original.notes.length));
  if (recording.time.length < 2) {
    throw new InputError(`${recording.file}: expected rows at two or more times, found fewer`);
  }
  const curves = needed.map((name) => recording.columns[columns.get(name)]);
  const { cycles, tolerance } = completeCycles(recording, curves, given, notes);
  const muscles = names.map((name) => ({ name, simulated: [], refined: [] }));
  for (const [start, end] of cycles) {
    const samples = new Map(
      needed.map((name, i) => [name, cycleSamples(recording.time, curves[i], start, end)]),
    );
    let column = 0;
    for (const file of files) {
      const refined = await file.refine(samples);
      file.metadata.muscles.forEach((muscle, i) => {
        const estimate = muscle.counterparts.map((name) => samples.get(name));
        if (estimate.length) muscles[column].simulated.push(meanOf(estimate));
        else muscles[column].simulated = null;
        muscles[column].refined.push(refined[i]);
        column += 1;
      });
    }
  }
  return { ...onRows(recording, cycles, muscles, tolerance, notes, side), cycles, muscles, notes };
}

/**
 * Locates the columns of the required channels in a recording.
 *
 * @returns {{columns: Map<string, number>, notes: string[]}} Notes list the columns not used.
 */
export function channelColumns(recording, needed, side) {
  const found = new Map();
  const others = [];
  recording.labels.forEach((label, index) => {
    const parsed = parseLabel(label);
    if (parsed?.quantity !== "activation" || !parsed.side) {
      others.push(label);
      return;
    }
    const channel = `${parsed.muscle}_${parsed.side === side ? "ipsi" : "contra"}`;
    if (!found.has(channel)) found.set(channel, []);
    found.get(channel).push(index);
  });
  const leg = `${side === "l" ? "left" : "right"} leg ipsilateral`;
  const missing = needed.filter((name) => !found.has(name));
  if (missing.length) {
    const more = missing.length > 1 ? ` and ${missing.slice(1).join(", ")}` : "";
    throw new InputError(
      `${recording.file}: expected a column with the activation of ${missing[0]}${more} (${leg}), ` +
        `found none among ${found.size} muscle activations`,
    );
  }
  const doubled = needed.find((name) => found.get(name).length > 1);
  if (doubled) {
    const labels = found.get(doubled).map((index) => recording.labels[index]);
    throw new InputError(
      `${recording.file}: expected one column for ${doubled}, found ${labels.join(" and ")}`,
    );
  }
  const unused = [...found].filter(([name]) => !needed.includes(name));
  const notes = [];
  if (unused.length) {
    const example = recording.labels[unused[0][1][0]];
    notes.push(`not used: ${unused.length} muscle activations, such as ${example}`);
  }
  if (others.length) notes.push(`not used: ${others.length} other columns, such as ${others[0]}`);
  return { columns: new Map(needed.map((name) => [name, found.get(name)[0]])), notes };
}

/** Selects the cycles that the recording covers without gaps. */
function completeCycles({ time, file }, curves, given, notes) {
  given.slice(1).forEach(([start], i) => {
    const [before, end] = given[i];
    if (start < end - 1e-6 * (end - before)) {
      throw new InputError(
        `cycles: expected each to start at or after the end of the previous one, ` +
          `found ${before} to ${end} s followed by one that starts at ${start} s`,
      );
    }
  });
  const steps = Array.from(time.subarray(1), (now, i) => now - time[i]).sort((a, b) => a - b);
  const middle = steps.length / 2;
  const median = (steps[Math.ceil(middle) - 1] + steps[Math.floor(middle)]) / 2;
  const tolerance = SAME_TIME * median;
  const reasons = new Map();
  const cycles = given.filter(([start, end]) => {
    const rows = rowsWithin(time, start, end, tolerance);
    const moments = [start, ...rows.map((i) => time[i]), end];
    let reason = null;
    if (start < time[0] - tolerance || end > time.at(-1) + tolerance) {
      reason = "not covered by the recording";
    } else if (
      moments.slice(1).some((now, i) => now - moments[i] > COARSEST_STEP * (end - start))
    ) {
      reason = "rows further apart than a tenth of the cycle";
    } else if (rows.some((i) => curves.some((curve) => !Number.isFinite(curve[i])))) {
      reason = "nan or infinity in a required channel";
    }
    if (reason) reasons.set(reason, [...(reasons.get(reason) ?? []), `${start} to ${end} s`]);
    return !reason;
  });
  for (const [reason, left] of reasons) {
    notes.push(`${left.length} cycles left out: ${reason} (first: ${left[0]})`);
  }
  if (!cycles.length) {
    const why = notes.at(-1)?.includes("left out") ? `; ${notes.at(-1)}` : "";
    throw new InputError(
      `${file}: expected a complete cycle between ${time[0]} and ${time.at(-1)} s, ` +
        `found none among ${given.length}${why}`,
    );
  }
  return { cycles, tolerance };
}

/** Interpolates the samples of the cycles to the rows of the recording. */
function onRows(recording, cycles, muscles, tolerance, notes, side) {
  const { time } = recording;
  const count = new Uint8Array(time.length);
  const totals = muscles.map(() => new Float64Array(time.length));
  cycles.forEach(([start, end], cycle) => {
    for (const row of rowsWithin(time, start, end, tolerance)) {
      const place = ((time[row] - start) / (end - start)) * (SAMPLES - 1);
      muscles.forEach((muscle, i) => {
        totals[i][row] += at(muscle.refined[cycle], place);
      });
      count[row] += 1;
    }
  });
  const kept = (_, row) => count[row] > 0;
  const left = count.filter((times) => !times).length;
  if (left) notes.push(`${left} of ${time.length} rows left out: outside complete cycles`);
  return {
    time: time.filter(kept),
    labels: muscles.map((muscle) => `${muscle.name}_${side}`),
    columns: totals.map((total) => total.map((sum, row) => sum / count[row]).filter(kept)),
  };
}

function rowsWithin(time, start, end, tolerance) {
  const rows = [];
  for (let i = 0; i < time.length; i += 1) {
    if (time[i] >= start - tolerance && time[i] <= end + tolerance) rows.push(i);
  }
  return rows;
}
