/** One muscle's curves over the cycle, simulated and refined, as SVG. */

import { meanOf } from "./composition.js";

const WIDTH = 360;
const HEIGHT = 230;
const TOP = 8;
const BOTTOM = 42;
const SIDE = 58;
const NARROW_SIDE = 14;

/**
 * Draws a muscle: the curve of one cycle, or mean and standard deviation of several.
 *
 * @param {object} muscle
 * @param {string} muscle.name
 * @param {?ArrayLike<number>[]} muscle.simulated 20 samples for each cycle; null without any.
 * @param {ArrayLike<number>[]} muscle.refined The same.
 * @param {{ownScales: boolean}} options True: each curve has its own axis; false: both share one.
 * @returns {HTMLElement} A figure.
 */
export function drawChart({ name, simulated, refined }, { ownScales }) {
  const curves = [
    ["simulated", simulated],
    ["refined", refined],
  ].filter(([, cycles]) => cycles !== null);
  const spreads = curves.map(([kind, cycles]) => ({ kind, ...spreadOf(cycles) }));
  const two = ownScales && spreads.length === 2;
  const scales = two
    ? spreads.map((spread) => scaleOf([spread]))
    : spreads.map(() => scaleOf(spreads));
  const right = WIDTH - (two ? SIDE : NARROW_SIDE);
  const x = (percent) => SIDE + (percent / 100) * (right - SIDE);

  const svg = element("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img" });
  svg.setAttribute("aria-label", describe(name, spreads));
  svg.append(...percentAxis(x, right), ...valueAxis(scales[0], SIDE, right, two && "simulated"));
  if (two) svg.append(...valueAxis(scales[1], right, right, "refined"));
  spreads.forEach(({ kind, mean, low, high }, i) => {
    const y = scales[i].place;
    const group = element("g", { class: kind });
    const spot = (value, sample) =>
      `${x((sample * 100) / (mean.length - 1)).toFixed(2)} ${y(value).toFixed(3)}`;
    if (low) {
      const there = Array.from(high, spot);
      const back = Array.from(low, spot).reverse();
      group.append(element("path", { class: "band", d: `M${[...there, ...back].join("L")}Z` }));
    }
    group.append(element("path", { class: "curve", d: `M${Array.from(mean, spot).join("L")}` }));
    svg.append(group);
  });

  const figure = document.createElement("figure");
  const caption = document.createElement("figcaption");
  caption.textContent = name;
  figure.append(caption, svg);
  return figure;
}

/** Mean of the cycles, and a standard deviation below and above it where there are several. */
function spreadOf(cycles) {
  const mean = meanOf(cycles);
  if (cycles.length < 2) return { mean };
  const deviation = mean.map((middle, i) => {
    const squares = cycles.reduce((sum, cycle) => sum + (cycle[i] - middle) ** 2, 0);
    return Math.sqrt(squares / (cycles.length - 1));
  });
  return {
    mean,
    low: mean.map((middle, i) => middle - deviation[i]),
    high: mean.map((middle, i) => middle + deviation[i]),
  };
}

/** Round ticks from 0, or from the minimum if it is negative, to above the maximum. */
function scaleOf(spreads) {
  const values = spreads.flatMap(({ mean, low, high }) => [
    ...mean,
    ...(low ?? []),
    ...(high ?? []),
  ]);
  const least = Math.min(0, ...values);
  const rough = (Math.max(0, ...values) - least || 1) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough) * power;
  const first = Math.ceil(least / step - 1e-9);
  const last = Math.max(Math.ceil(Math.max(0, ...values) / step - 1e-9), first + 1);
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const height = HEIGHT - TOP - BOTTOM;
  const place = (value) => TOP + height * (1 - (value - least) / (last * step - least));
  return { ticks, place, text: (tick) => (tick || 0).toFixed(digits) };
}

function percentAxis(x, right) {
  const base = HEIGHT - BOTTOM;
  const parts = [element("path", { class: "axis", d: `M${SIDE} ${base}H${right}` })];
  for (const percent of [0, 25, 50, 75, 100]) {
    const place = { x: x(percent), y: base + 16, "text-anchor": "middle" };
    parts.push(element("text", place, String(percent)));
  }
  const middle = { x: (SIDE + right) / 2, y: HEIGHT - 6, "text-anchor": "middle" };
  parts.push(element("text", middle, "cycle, %"));
  return parts;
}

/** Ticks at the left, with grid lines, or at the right; the title names the curve. */
function valueAxis({ ticks, place, text }, side, right, kind) {
  const left = side === SIDE;
  const parts = [];
  for (const tick of ticks) {
    if (left) parts.push(element("path", { class: "grid", d: `M${SIDE} ${place(tick)}H${right}` }));
    const spot = { x: side + (left ? -6 : 6), y: place(tick) + 4, class: kind || "both" };
    parts.push(element("text", { ...spot, "text-anchor": left ? "end" : "start" }, text(tick)));
  }
  const title = kind ? { simulated: "activation", refined: "EMG" }[kind] : "activation and EMG";
  const at = [left ? 12 : WIDTH - 3, (HEIGHT + TOP - BOTTOM) / 2];
  const turned = { transform: `translate(${at.join(" ")}) rotate(-90)`, "text-anchor": "middle" };
  parts.push(element("text", { ...turned, class: kind || "both" }, title));
  return parts;
}

function describe(name, spreads) {
  const ranges = spreads.map(({ kind, mean }) => {
    const peak = mean.indexOf(Math.max(...mean));
    const percent = Math.round((peak * 100) / (mean.length - 1));
    const range = `${Math.min(...mean).toFixed(3)} to ${Math.max(...mean).toFixed(3)}`;
    return `${kind} ${range}, highest at ${percent} %`;
  });
  return `${name} over the cycle: ${ranges.join("; ")}`;
}

function element(tag, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
