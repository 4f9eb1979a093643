/** Results shown after refining: curves, legend, notes and the file to download. */

import { drawChart } from "./chart.js";
import { writeStorage } from "./storage.js";

const find = (id) => document.getElementById(id);

let shown = null;
let address = null;

/**
 * Shows a refined recording.
 *
 * @param {import("./refining.js").Refined} refined
 * @param {object} about
 * @param {{simulated: string, refined: string}} about.units
 * @param {string} about.file Name of the file to download.
 */
export function showResults(refined, { units, file }) {
  hideResults();
  shown = refined;
  const { cycles, notes } = refined;
  const texts = cycles.map(
    ([start, end], i) => `cycle ${i + 1}, ${+start.toFixed(3)} to ${+end.toFixed(3)} s`,
  );
  const all = cycles.length > 1 ? [new Option(`all ${cycles.length} cycles`, "all")] : [];
  find("cycle").replaceChildren(...all, ...texts.map((text, i) => new Option(text, String(i))));
  find("simulated-unit").textContent = `simulated: ${units.simulated}`;
  find("refined-unit").textContent = `refined: ${units.refined}`;
  find("notes").replaceChildren(...notes.map((note) => item(note)));
  find("notes-count").textContent = String(notes.length);
  const { time, labels, columns } = refined;
  const text = writeStorage("Refined muscle activity", labels, time, columns);
  address = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  Object.assign(find("download"), { href: address, download: file });
  find("results").hidden = false;
  draw();
}

/** Hides results that no longer match the selected files and settings. */
export function hideResults() {
  find("results").hidden = true;
  if (address) URL.revokeObjectURL(address);
  address = null;
  shown = null;
}

/** Redraws when another cycle or scale is chosen. */
export function watchControls() {
  for (const id of ["cycle", "scale"]) find(id).addEventListener("change", draw);
}

function draw() {
  const { value } = find("cycle");
  const pick = (cycles) => cycles && (value === "all" ? cycles : [cycles[Number(value)]]);
  const ownScales = find("scale").value === "own";
  const charts = shown.muscles.map(({ name, simulated, refined }) =>
    drawChart({ name, simulated: pick(simulated), refined: pick(refined) }, { ownScales }),
  );
  find("band-meaning").textContent =
    value === "all" ? "line: mean of the cycles; band: standard deviation" : "";
  find("charts").replaceChildren(...charts);
}

function item(text) {
  const made = document.createElement("li");
  made.textContent = text;
  return made;
}
