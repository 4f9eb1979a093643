/** The page: reads files and settings, refines and shows the results. */

import { readCycleTimes } from "./cycle_times.js";
import { InputError } from "./errors.js";
import { cyclesOfPlate } from "./gait.js";
import { parseLabel } from "./muscles.js";
import { refineRecording } from "./refining.js";
import { hideResults, showResults, watchControls } from "./results.js";
import { loadRefinerFile } from "./runtime.js";
import { readStorage } from "./storage.js";

const find = (id) => document.getElementById(id);
const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`)?.value;

const state = { refiners: [], activation: null, forces: null };
let queue = Promise.resolve();

/** Runs actions one after another and shows an error as one line. */
function run(action) {
  queue = queue.then(async () => {
    find("message").textContent = "";
    document.body.setAttribute("aria-busy", "true");
    find("refine").disabled = true;
    try {
      await action();
    } catch (error) {
      find("status").textContent = "";
      find("message").textContent = error.message;
      if (!(error instanceof InputError)) console.error(error);
    } finally {
      document.body.removeAttribute("aria-busy");
      find("refine").disabled = false;
    }
  });
}

/** Clears results that no longer match the selected files and settings. */
function forget() {
  hideResults();
  find("status").textContent = "";
}

async function takeFiles(files) {
  forget();
  for (const file of files) {
    find("status").textContent = `reading ${file.name}`;
    await takeFile(file.name, await bytesOf(file));
    showFiles();
  }
  find("status").textContent = "";
}

async function bytesOf(file) {
  try {
    return new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    throw new InputError(`${file.name}: cannot be read (${error.message})`);
  }
}

async function takeFile(name, bytes) {
  if (/\.tflite$/i.test(name)) {
    const file = { name, ...(await loadRefinerFile(bytes, name)) };
    const muscles = musclesOf(file);
    for (const other of state.refiners) {
      if (musclesOf(other).some((muscle) => muscles.includes(muscle))) removeRefiner(other);
    }
    state.refiners.push(file);
  } else if (/\.csv$/i.test(name)) {
    const cycles = readCycleTimes(new TextDecoder().decode(bytes), name);
    find("times").value = cycles.map((cycle) => cycle.join(" ")).join("\n");
    chooseBounds("times");
  } else {
    takeStorage(readStorage(bytes, name));
  }
}

function takeStorage(storage) {
  const activations = storage.labels.filter(
    (label) => parseLabel(label)?.quantity === "activation",
  );
  const vertical = storage.labels.filter((label) => label.endsWith("vy"));
  if (activations.length) {
    state.activation = storage;
  } else if (vertical.length) {
    state.forces = storage;
    const first = vertical.length > 1 ? [new Option("choose", "")] : [];
    find("plate").replaceChildren(...first, ...vertical.map((label) => new Option(label, label)));
    chooseBounds("force");
  } else {
    throw new InputError(
      `${storage.file}: expected columns of muscle activation, or of vertical force (..vy), found ` +
        `${storage.labels.slice(0, 3).join(", ")}`,
    );
  }
}

function musclesOf(file) {
  return file.metadata.muscles.map((muscle) => muscle.name);
}

function removeRefiner(file) {
  state.refiners = state.refiners.filter((other) => other !== file);
  file.release();
}

function showFiles() {
  const rows = state.refiners.map((file) => ({
    name: file.name,
    about: `refiner: ${file.metadata.model}, ${musclesOf(file).join(", ")}`,
    remove: () => removeRefiner(file),
  }));
  for (const [key, what] of [
    ["activation", "activation"],
    ["forces", "ground reaction"],
  ]) {
    const storage = state[key];
    if (!storage) continue;
    const [start, end] = [storage.time[0], storage.time.at(-1)];
    rows.push({
      name: storage.file,
      about: [`${what}: ${storage.time.length} rows, ${start} to ${end} s`, ...storage.notes].join(
        "; ",
      ),
      remove: () => {
        state[key] = null;
        if (key === "forces") find("plate").replaceChildren();
      },
    });
  }
  find("files").replaceChildren(...rows.map(fileRow));
}

function fileRow({ name, about, remove }) {
  const row = document.createElement("li");
  const text = document.createElement("span");
  const small = document.createElement("small");
  small.textContent = about;
  text.append(name, small);
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Remove";
  button.setAttribute("aria-label", `Remove ${name}`);
  button.addEventListener("click", () =>
    run(async () => {
      remove();
      forget();
      showFiles();
      find("choose").focus();
    }),
  );
  row.append(text, button);
  return row;
}

function chooseBounds(value) {
  document.querySelector(`input[name="bounds"][value="${value}"]`).checked = true;
  find("by-times").hidden = value !== "times";
  find("by-force").hidden = value !== "force";
}

function givenCycles() {
  if (chosen("bounds") === "times") {
    return { cycles: readCycleTimes(find("times").value, "times"), notes: [] };
  }
  if (!state.forces) throw new InputError("files: expected a ground-reaction file, found none");
  if (!find("plate").value) throw new InputError("choose the vertical force under the leg's foot");
  return cyclesOfPlate(state.forces, find("plate").value, Number(find("threshold").value));
}

async function refine() {
  forget();
  const side = chosen("side");
  if (!state.refiners.length)
    throw new InputError("files: expected an exported .tflite, found none");
  if (!state.activation) throw new InputError("files: expected an activation file, found none");
  if (!side) throw new InputError("choose the leg");
  const { cycles, notes } = givenCycles();
  find("status").textContent = "refining";
  const refined = await refineRecording(state.refiners, state.activation, cycles, side);
  refined.notes.unshift(...notes);
  const units = state.refiners[0].metadata.units;
  const file = state.activation.file.replace(/(\.\w+)?$/, "_refined.sto");
  showResults(refined, { units, file });
  find("status").textContent =
    `${refined.time.length} rows, ${refined.cycles.length} cycles, ${refined.muscles.length} muscles`;
}

function start() {
  watchControls();
  find("choose").addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = "";
    run(() => takeFiles(files));
  });
  // The whole window accepts files: a file dropped outside the box must not replace the page.
  window.addEventListener("dragover", (event) => {
    event.preventDefault();
    find("drop").classList.add("over");
  });
  window.addEventListener("dragleave", () => find("drop").classList.remove("over"));
  window.addEventListener("drop", (event) => {
    event.preventDefault();
    find("drop").classList.remove("over");
    const files = [...event.dataTransfer.files];
    run(() => takeFiles(files));
  });
  for (const radio of document.querySelectorAll('input[name="bounds"]')) {
    radio.addEventListener("change", () => chooseBounds(radio.value));
  }
  find("settings").addEventListener("input", forget);
  find("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    run(refine);
  });
  document.body.dataset.ready = "true";
}

start();
