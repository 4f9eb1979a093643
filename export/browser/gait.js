/** Foot contacts and cycles from a vertical ground reaction force, detected as in nem2e_tf. */

import { InputError } from "./errors.js";

/** Default threshold of the vertical force for a foot contact, N. */
export const THRESHOLD = 30;
const RELEASE = 20;
const SHORTEST_SWING = 0.05;
const SHORTEST_STANCE = 0.05;
const SHORTEST = 0.4;
const LONGEST = 3;
// Maximum foot length, m, and the force below which noise dominates the centre of pressure, N.
const FOOT = 0.35;
const LOADED = 100;

/**
 * Detects the cycles of one foot in a ground-reaction file.
 *
 * @param {import("./storage.js").Storage} forces
 * @param {string} label Of the foot's vertical force, such as `1_ground_force_vy`.
 * @param {number} threshold N.
 * @returns {{cycles: number[][], notes: string[]}} [start, end] of each cycle, s.
 */
export function cyclesOfPlate(forces, label, threshold = THRESHOLD) {
  const force = forces.columns[forces.labels.indexOf(label)];
  const where = `${forces.file}, column '${label}'`;
  if (force.some(Number.isNaN)) throw new InputError(`${where}: expected numbers, found nan`);
  if (!(threshold > 0)) throw new InputError("threshold: expected a force above 0 N");
  const found = stances(forces.time, force, threshold);
  refuseSharedPlate(forces, label, found, where);
  const contacts = found.map(([contact]) => contact).filter((moment) => !Number.isNaN(moment));
  const pairs = contacts.slice(1).map((end, i) => [contacts[i], end]);
  const cycles = pairs.filter(([start, end]) => end - start >= SHORTEST && end - start <= LONGEST);
  const odd = pairs.length - cycles.length;
  const notes = odd
    ? [
        `${odd} stretches between contacts left out: shorter than ${SHORTEST} s or longer than ${LONGEST} s`,
      ]
    : [];
  return { cycles, notes };
}

/**
 * Detects contact and lift-off of every stance.
 *
 * A contact is the first sample above the threshold after the force fell below the release level
 * (hysteresis); a stance already under way at the start of the recording has no contact. Swings and
 * stances shorter than 50 ms are treated as chatter.
 *
 * @param {Float64Array} time Seconds.
 * @param {Float64Array} force N, up positive.
 * @param {number} threshold N.
 * @returns {number[][]} [contact, lift-off], s; NaN where the recording cuts the stance.
 */
export function stances(time, force, threshold) {
  const release = Math.min(RELEASE, (threshold * RELEASE) / THRESHOLD);
  const found = [];
  let standing = force[0] > threshold;
  if (standing) found.push([NaN, NaN]);
  let lifted = -Infinity;
  for (let i = 1; i < force.length; i += 1) {
    if (standing && force[i] <= release) {
      standing = false;
      lifted = time[i];
      found.at(-1)[1] = lifted;
      if (lifted - found.at(-1)[0] < SHORTEST_STANCE) found.pop();
    } else if (!standing && force[i] > threshold) {
      standing = true;
      if (found.length && time[i] - lifted < SHORTEST_SWING) found.at(-1)[1] = NaN;
      else found.push([time[i], NaN]);
    }
  }
  return found;
}

/** Rejects a plate with several feet: the centre of pressure moves by more than a foot length. */
function refuseSharedPlate(forces, label, found, where) {
  const columns = ["px", "pz"].map((axis) => {
    const index = forces.labels.indexOf(label.replace(/vy$/, axis));
    return label.endsWith("vy") && index >= 0 ? forces.columns[index] : null;
  });
  if (columns.includes(null)) return;
  const force = forces.columns[forces.labels.indexOf(label)];
  const shared = found.filter(([contact, liftOff]) => {
    const start = Number.isNaN(contact) ? forces.time[0] : contact;
    const end = Number.isNaN(liftOff) ? forces.time.at(-1) : liftOff;
    const rows = [];
    forces.time.forEach((now, i) => {
      const loaded = now >= start && now <= end && force[i] > LOADED;
      if (loaded && columns.every((column) => !Number.isNaN(column[i]))) rows.push(i);
    });
    return rows.length > 2 && columns.some((column) => fromLine(forces.time, column, rows) > FOOT);
  });
  if (shared.length) {
    throw new InputError(
      `${where}: expected the force of one foot, found the centre of pressure moving by more than ` +
        `a foot length (${FOOT} m) in ${shared.length} stances; enter times instead`,
    );
  }
}

/** Range of the residuals from a straight line fitted over time. */
function fromLine(time, column, rows) {
  const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const moments = rows.map((i) => time[i]);
  const values = rows.map((i) => column[i]);
  const [middle, level] = [mean(moments), mean(values)];
  const around = moments.map((moment) => moment - middle);
  const slope =
    mean(around.map((offset, i) => offset * (values[i] - level))) /
    mean(around.map((offset) => offset * offset));
  const rest = values.map((value, i) => value - level - slope * around[i]);
  return Math.max(...rest) - Math.min(...rest);
}
