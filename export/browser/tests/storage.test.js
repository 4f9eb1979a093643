import assert from "node:assert/strict";
import { test } from "node:test";

import { readStorage, withoutRepeats, writeStorage } from "../storage.js";

const bytes = (text) => new TextEncoder().encode(text);
const read = (text) => readStorage(bytes(text), "x.sto");
const HEAD = "walk\nversion=1\nnRows=2\nnColumns=3\nendheader\n";

test("tabs, spaces, commas and Windows line ends give the same table", () => {
  for (const body of [
    "time\ta\tb\n0\t1\t2\n0.1\t3\t-4e-1\n",
    "time  a b\n 0 1  2\n 0.1 3 -4e-1 \n",
    "time,a,b\n0,1,2\n0.1,3,-4e-1\n",
    "time\ta\tb\r\n0\t  1\t 2\t\r\n0.1\t3\t-4e-1\r\n",
  ]) {
    const table = read(HEAD + body);
    assert.deepEqual(table.labels, ["a", "b"]);
    assert.deepEqual(Array.from(table.time), [0, 0.1]);
    assert.deepEqual(Array.from(table.columns[1]), [2, -0.4]);
    assert.deepEqual(table.notes, []);
  }
});

test("irregularities are noted", () => {
  const notes = (text) => read(text).notes;
  assert.match(notes(`${HEAD}time a b\n0 1 2\n`)[0], /header states 2 rows, found 1/);
  assert.match(notes(`${HEAD}time a b\n0 1 2\n1 nan inf`)[0], /no newline after line 8/);
  assert.match(
    notes(`${HEAD}time a b\n0 1 2\n1 nan 2\n`)[0],
    /nan or infinity in 1 columns, such as a/,
  );
  assert.match(notes("time a\n0 1\n1 2\n")[0], /no endheader/);
  assert.match(
    notes(`${HEAD}time a b\n0 1 2\n0 1 2\n`)[0],
    /1 time stamps repeat the previous one/,
  );
});

test("unreadable content is rejected with its location", () => {
  for (const [text, message] of [
    [" \n", /found an empty one/],
    ["a\0b", /found binary content/],
    ["hello\nworld\n", /x\.sto: expected a storage file/],
    [`${HEAD}time a b\n`, /found no row of numbers/],
    [`${HEAD}0 1 2\n`, /found no column labels/],
    [`${HEAD}x\ntime a b\n0 1 2\n`, /line 6: expected one line of labels after endheader, found 2/],
    [`${HEAD}tim a b\n0 1 2\n`, /line 6: expected 'time'/],
    [`${HEAD}time a\n0 1 2\n`, /line 6: expected 3 labels, found 2/],
    [`${HEAD}time a b\n0 1 2\n1 2\n`, /line 8: expected 3 numbers, found 2; the file seems cut/],
    [`${HEAD}time a b\n0 1 2`, /expected 2 rows, found 1 and no newline/],
    [`${HEAD}time a b\n0 1 2\n1 x 2\n`, /line 8, column 2 \(a\): expected a number, found 'x'/],
    [`${HEAD}time a b\n0 1 2\n1 0x1 2\n`, /found '0x1'/],
    [`${HEAD}time a b\n1 1 2\n0 1 2\n`, /line 8: expected time not before 1, found 0/],
    ["x\nDataType=Vec3\nendheader\ntime a\n0 1,2,3\n", /DataType double\), found Vec3/],
  ]) {
    assert.throws(() => read(text), message);
  }
});

test("a written file is read back exactly", () => {
  const time = Float64Array.of(0.1, 1 / 3);
  const column = Float64Array.of(1e-7, -2.5000000000000004);
  const table = read(writeStorage("walk", ["soleus_l"], time, [column]));
  assert.deepEqual([table.labels, table.time, table.columns], [["soleus_l"], time, [column]]);
  assert.deepEqual(table.notes, []);
});

test("repeated time stamps are left out with a note", () => {
  const table = withoutRepeats(read("time a\n0 1\n0 2\n1 3\n"));
  assert.deepEqual(Array.from(table.columns[0]), [1, 3]);
  assert.match(table.notes.at(-1), /1 rows left out/);
});
