/** Resamples one cycle of a recording to 20 samples, as in training. */

export const SAMPLES = 20;

const POINTS = 101;
const STEPS = 10;
const FINE = (POINTS - 1) * STEPS + 1;

/**
 * Resamples one cycle of a curve to 20 samples, both ends included.
 *
 * The recording is interpolated linearly between its rows. A piecewise linear curve through 101
 * points is fitted to it by least squares, clipped to its range, and sampled every 100/19 %.
 *
 * @param {Float64Array} time Seconds, increasing.
 * @param {Float64Array} curve One value per row.
 * @param {number} start Foot contact, s.
 * @param {number} end Next contact of that foot, s.
 * @returns {Float32Array}
 */
export function cycleSamples(time, curve, start, end) {
  const fine = new Float64Array(FINE);
  let row = 0;
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < FINE; i += 1) {
    const moment = i === FINE - 1 ? end : start + (i * (end - start)) / (FINE - 1);
    while (row < time.length - 2 && time[row + 1] <= moment) row += 1;
    fine[i] = between(time, curve, row, moment);
    low = Math.min(low, fine[i]);
    high = Math.max(high, fine[i]);
  }
  const points = nearestLine(fine).map((value) => Math.min(Math.max(value, low), high));
  return Float32Array.from(resample(Float32Array.from(points), SAMPLES));
}

/**
 * Interpolates linearly to another number of equally spaced samples, both ends included.
 *
 * @param {ArrayLike<number>} curve
 * @param {number} count
 * @returns {Float64Array}
 */
export function resample(curve, count) {
  return Float64Array.from({ length: count }, (_, i) =>
    at(curve, (i * (curve.length - 1)) / (count - 1)),
  );
}

/**
 * Value of a curve between its samples.
 *
 * @param {ArrayLike<number>} curve
 * @param {number} place 0 is the first sample, 1 the second; clipped to the ends.
 * @returns {number}
 */
export function at(curve, place) {
  const held = Math.min(Math.max(place, 0), curve.length - 1);
  const before = Math.min(Math.floor(held), curve.length - 2);
  const share = held - before;
  return curve[before] * (1 - share) + curve[before + 1] * share;
}

function between(time, curve, row, moment) {
  if (moment <= time[row]) return curve[row];
  if (moment >= time[row + 1]) return curve[row + 1];
  const slope = (curve[row + 1] - curve[row]) / (time[row + 1] - time[row]);
  return curve[row] + slope * (moment - time[row]);
}

/** Least-squares fit of the piecewise linear curve; the normal equations are tridiagonal. */
function nearestLine(fine) {
  const right = new Float64Array(POINTS);
  const diagonal = new Float64Array(POINTS);
  let beside = 0;
  for (let step = -STEPS + 1; step < STEPS; step += 1) {
    const weight = 1 - Math.abs(step) / STEPS;
    for (let point = 0; point < POINTS; point += 1) {
      const place = point * STEPS + step;
      if (place < 0 || place >= FINE) continue;
      right[point] += weight * fine[place];
      diagonal[point] += weight * weight;
    }
    if (step > 0) beside += weight * (1 - weight);
  }
  for (let point = 1; point < POINTS; point += 1) {
    const factor = beside / diagonal[point - 1];
    diagonal[point] -= factor * beside;
    right[point] -= factor * right[point - 1];
  }
  for (let point = POINTS - 1; point >= 0; point -= 1) {
    const next = point < POINTS - 1 ? beside * right[point + 1] : 0;
    right[point] = (right[point] - next) / diagonal[point];
  }
  return right;
}
