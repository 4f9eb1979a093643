import assert from "node:assert/strict";
import { test } from "node:test";

import { joined, modelInput } from "../composition.js";
import { parseLabel } from "../muscles.js";
import { refineRecording } from "../refining.js";
import { cycleSamples, resample } from "../resampling.js";

const TIME = Float64Array.from({ length: 151 }, (_, i) => i / 50);

function recording(labels, curve = (now) => now / 10) {
  const columns = labels.map(() => TIME.map(curve));
  return { file: "so.sto", labels, time: TIME, columns, notes: [] };
}

/** Returns its only channel unchanged. */
function same(more = {}) {
  const muscles = [{ name: "soleus", counterparts: ["soleus_ipsi"] }];
  const metadata = { channels: ["soleus_ipsi"], muscles, pattern: "one-entire", ...more };
  return { metadata, refine: async (samples) => [samples.get("soleus_ipsi")] };
}

test("labels of every style", () => {
  for (const label of [
    "soleus_r",
    "soleus_r.activation",
    "soleus_r|activation",
    "/forceset/soleus_r/activation",
    "soleus_right_activation",
  ]) {
    assert.deepEqual(parseLabel(label), { muscle: "soleus", side: "r", quantity: "activation" });
  }
  assert.equal(parseLabel("/forceset/soleus_r").quantity, "excitation");
  assert.equal(parseLabel("med_gas_l").muscle, "gasmed");
  assert.equal(parseLabel("knee_angle_r_reserve"), null);
  assert.equal(parseLabel("soleus_r.fiber_length"), null);
});

test("a straight line is preserved in samples and rows", async () => {
  const samples = cycleSamples(TIME, TIME, 0.507, 1.493);
  samples.forEach((value, i) => assert.ok(Math.abs(value - 0.507 - (0.986 * i) / 19) < 1e-6));
  const cycles = [
    [0.5, 1.5],
    [1.5, 2.5],
  ];
  const refined = await refineRecording([same()], recording(["soleus_l", "x"]), cycles, "l");
  assert.deepEqual(refined.labels, ["soleus_l"]);
  assert.equal(refined.time.length, 101);
  refined.columns[0].forEach((value, i) =>
    assert.ok(Math.abs(value - refined.time[i] / 10) < 1e-7),
  );
  assert.deepEqual(refined.notes, [
    "not used: 1 other columns, such as x",
    "50 of 151 rows left out: outside complete cycles",
  ]);
});

test("a row shared by two cycles gets the mean of both", async () => {
  let call = 0;
  const numbered = { ...same(), refine: async () => [new Float32Array(20).fill((call += 1))] };
  const cycles = [
    [0, 1],
    [1, 2],
  ];
  const refined = await refineRecording([numbered], recording(["soleus_l"]), cycles, "l");
  assert.deepEqual(Array.from(refined.columns[0].slice(49, 52)), [1, 1.5, 2]);
});

test("errors in a recording name the channel or cycle", async () => {
  const refuse = (labels, cycles, message, files = [same()]) =>
    assert.rejects(refineRecording(files, recording(labels), cycles, "l"), message);
  const cycles = [[0.5, 1.5]];
  await refuse(
    ["soleus_r", "tibant_l"],
    cycles,
    /activation of soleus_ipsi \(left leg ipsilateral\)/,
  );
  await refuse(["soleus_l", "soleus_l.activation"], cycles, /one column for soleus_ipsi, found/);
  await refuse(["soleus_l"], [[2.5, 3.5]], /a complete cycle between 0 and 3 s, .* not covered/);
  await refuse(
    ["soleus_l"],
    [...cycles, [1, 2]],
    /each to start at or after the end of the previous one/,
  );
  await refuse(["soleus_l"], cycles, /muscle soleus once/, [same(), same()]);
  await refuse(["soleus_l"], [[0.5, 0.6]], /rows further apart than a tenth/);
});

test("quarters keep their order", () => {
  const ramp = Float32Array.from({ length: 20 }, (_, i) => i);
  for (const rows of [5, 20]) {
    const { metadata } = same({ pattern: "one-quarter", model_samples: rows });
    const parts = modelInput(new Map([["soleus_ipsi", ramp]]), metadata);
    assert.deepEqual(
      parts.map((part) => part.length),
      [rows, rows, rows, rows],
    );
    assert.deepEqual(joined(parts, metadata), [ramp]);
  }
});

test("all-entire interleaves channels and separates muscles", () => {
  const channels = ["a", "b"];
  const samples = new Map(channels.map((name, i) => [name, new Float32Array(20).fill(i + 1)]));
  const metadata = { pattern: "all-entire", channels, muscles: [{}, {}] };
  const [row] = modelInput(samples, metadata);
  assert.deepEqual(Array.from(row.slice(0, 4)), [1, 2, 1, 2]);
  assert.deepEqual(joined([row], metadata), [...samples.values()]);
  assert.deepEqual(Array.from(resample([0, 1, 4], 5)), [0, 0.5, 1, 2.5, 4]);
});
