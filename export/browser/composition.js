/** Converts 20 samples per channel to the input rows of a model, and its output rows back. */

import { SAMPLES, resample } from "./resampling.js";

const QUARTERS = 4;

/**
 * Arranges the model input for one cycle.
 *
 * @param {Map<string, Float32Array>} samples Channel to its 20 samples.
 * @param {object} metadata Of the file.
 * @returns {Float32Array[]} Rows [model_samples, input], flat: one, or four under one-quarter.
 */
export function modelInput(samples, metadata) {
  if (metadata.pattern === "all-entire") {
    const { channels } = metadata;
    const row = new Float32Array(SAMPLES * channels.length);
    channels.forEach((name, column) => {
      samples.get(name).forEach((value, i) => {
        row[i * channels.length + column] = value;
      });
    });
    return [row];
  }
  const single = meanOf(metadata.muscles[0].counterparts.map((name) => samples.get(name)));
  if (metadata.pattern === "one-entire") return [Float32Array.from(single)];
  const length = SAMPLES / QUARTERS;
  return Array.from({ length: QUARTERS }, (_, quarter) => {
    const part = single.subarray(quarter * length, (quarter + 1) * length);
    return Float32Array.from(resample(part, metadata.model_samples));
  });
}

/**
 * Joins a model's output rows into the curves of one cycle.
 *
 * @param {Float32Array[]} rows [model_samples, muscle], flat, for each row of `modelInput`.
 * @param {object} metadata Of the file.
 * @returns {Float32Array[]} 20 samples for each muscle.
 */
export function joined(rows, metadata) {
  const count = metadata.muscles.length;
  return metadata.muscles.map((_, muscle) => {
    const parts = rows.map((row) => row.filter((_value, i) => i % count === muscle));
    const length = SAMPLES / parts.length;
    return Float32Array.from(parts.flatMap((part) => Array.from(resample(part, length))));
  });
}

/**
 * Mean of several curves.
 *
 * @param {ArrayLike<number>[]} curves One or more of the same length.
 * @returns {Float64Array}
 */
export function meanOf(curves) {
  return Float64Array.from(
    curves[0],
    (_, i) => curves.reduce((sum, curve) => sum + curve[i], 0) / curves.length,
  );
}
