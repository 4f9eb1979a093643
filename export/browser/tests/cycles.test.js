import assert from "node:assert/strict";
import { test } from "node:test";

import { readCycleTimes } from "../cycle_times.js";
import { cyclesOfPlate, stances } from "../gait.js";

const times = (count, step) => Float64Array.from({ length: count }, (_, i) => i * step);

/** A force that is 700 N for 0.6 s of every second, from 0.25 s on, at 100 Hz. */
function walking(place) {
  const time = times(501, 0.01);
  const force = time.map((now) => (now >= 0.25 && (now - 0.245) % 1 < 0.6 ? 700 : 0));
  const labels = ["1_vx", "1_vy", ...(place ? ["1_px", "1_pz"] : [])];
  const centre = place ? [time.map((now) => place((now - 0.25) % 1)), time.map(() => 0)] : [];
  return { file: "grf.mot", labels, time, columns: [time, force, ...centre], notes: [] };
}

test("a contact is the first sample above the threshold, after release", () => {
  const time = times(5, 0.1);
  assert.deepEqual(stances(time, [700, 0, 0, 31, 600], 30), [
    [NaN, time[1]],
    [time[3], NaN],
  ]);
  // 25 N lies between release and threshold: no end of the stance, no second contact
  assert.equal(stances(time, [0, 700, 25, 700, 0], 30).length, 1);
  // chatter: a swing of 20 ms
  assert.equal(stances(times(9, 0.02), [0, 700, 700, 700, 700, 0, 700, 700, 700], 30).length, 1);
  // a knock: a stance of 20 ms
  assert.equal(stances(times(4, 0.02), [0, 700, 0, 0], 30).length, 0);
});

test("cycles run from contact to contact", () => {
  const { cycles, notes } = cyclesOfPlate(walking(), "1_vy");
  assert.deepEqual(
    cycles.map((cycle) => cycle.map((moment) => Math.round(moment * 100) / 100)),
    [
      [0.25, 1.25],
      [1.25, 2.25],
      [2.25, 3.25],
      [3.25, 4.25],
    ],
  );
  assert.deepEqual(notes, []);
});

test("a plate with two feet is rejected, one rolling foot is not", () => {
  assert.equal(
    cyclesOfPlate(
      walking((phase) => phase),
      "1_vy",
    ).cycles.length,
    4,
  );
  const jumping = walking((phase) => (phase > 0.3 ? 0.8 : 0));
  assert.throws(() => cyclesOfPlate(jumping, "1_vy"), /in 5 stances; enter times instead/);
});

test("nan in the force is refused", () => {
  const forces = walking();
  forces.columns[1][7] = NaN;
  assert.throws(() => cyclesOfPlate(forces, "1_vy"), /column '1_vy': expected numbers, found nan/);
});

test("times are read from lines and from an events table", () => {
  const two = [
    [0.5, 1.5],
    [1.5, 2.75],
  ];
  for (const text of [
    "0.5 1.5\n1.5 2.75",
    " 0.5, 1.5 \r\n\r\n1.5;2.75\n",
    "start,end\n0.5,1.5\n1.5,2.75\n",
    "trial,End,Start\nx,1.5,0.5\ny,2.75,1.5\n",
  ]) {
    assert.deepEqual(readCycleTimes(text, "times"), two);
  }
  for (const [text, message] of [
    ["", /expected the start and end of at least one cycle, found none/],
    ["1 0.5", /line 1: expected start and end in seconds, found '1 0.5'/],
    ["0.5 1.5\n2", /line 2: expected start and end/],
    ["0,5 1,5", /line 1: .*write a decimal point/],
    ["begin,end\n1,2", /line 1: expected columns start and end/],
  ]) {
    assert.throws(() => readCycleTimes(text, "times"), message);
  }
});
