"""Storage files: what real ones do, what is refused, and that nothing is read wrong in silence."""

import importlib.util
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage, write_storage

TOOLS = Path(__file__).resolve().parents[2] / "tools"
PLAIN = "gait\nversion=1\nnRows=3\nnColumns=3\ninDegrees=yes\nendheader\ntime\ta\tb\n"
ROWS = "0.0\t1.5\t-2\n0.1\t2.5\t1e-3\n0.2\t3.5\t40\n"
EXPECTED = np.array([[1.5, -2], [2.5, 1e-3], [3.5, 40]])


def tool(name):
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read_text(tmp_path, text, name="file.sto"):
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_storage(path)


def test_plain_file(tmp_path):
    storage = read_text(tmp_path, PLAIN + ROWS)
    assert storage.name == "gait"
    assert storage.labels == ("a", "b")
    assert storage.in_degrees is True
    assert storage.header == {"version": "1", "nRows": "3", "nColumns": "3", "inDegrees": "yes"}
    assert storage.notes == ()
    assert storage.n_rows == 3
    np.testing.assert_array_equal(storage.time, [0.0, 0.1, 0.2])
    np.testing.assert_array_equal(storage.data, EXPECTED)


@pytest.mark.parametrize(
    ("change", "note"),
    [
        (lambda t: t.replace("\n", "\r\n"), None),
        (lambda t: t.replace("\t", "  "), None),
        (lambda t: t.replace("\t", ","), None),
        (lambda t: t.replace("\t", ", "), None),
        (lambda t: t.replace("time\ta\tb", '"time"\t"a"\t"b"').replace("gait", '"gait"'), None),
        (lambda t: t.replace("\n", "\t\t\n"), None),
        (lambda t: t.replace("\t", ",").replace("\n", ",,,\n"), None),
        (lambda t: t.replace("endheader\n", "endheader\n\n \t\n"), None),
        (lambda t: t + "\n\n", None),
        (lambda t: t.replace("0.1\t", "\n0.1\t"), None),
        (lambda t: "\ufeff" + t, None),
        (lambda t: t.replace("nRows=3\nnColumns=3", "datarows 3\ndatacolumns 3"), None),
        (lambda t: t.replace("version=1\nnRows=3\nnColumns=3\n", ""), None),
        (lambda t: t.replace("endheader", "Some prose = here, 1 2 3.\n\nendheader"), None),
        (lambda t: t.replace("time\ta", "Time\ta"), None),
        (lambda t: t.replace("nRows=3", "NROWS=99"), "header states 99 rows (nRows), found 3"),
        (lambda t: t.replace("nRows=3", "nRows=2"), "header states 2 rows (nRows), found 3"),
        (lambda t: t.replace("nColumns=3", "nColumns=7"), "header states 7 columns"),
        (lambda t: t.replace("nRows=3", "nRows=many"), "is not a count"),
        (lambda t: t.replace("yes", "maybe"), "neither yes nor no"),
        (lambda t: t.rstrip("\n"), "no newline at the end"),
        (lambda t: t[t.index("time") :], "no endheader"),
        (lambda t: t.replace("endheader\n", "endheader\ntime\nheader\n"), "damaged header"),
        (lambda t: t.replace("endheader\ntime", "endheader\ntime\n"), "restored as 'time'"),
        (lambda t: t.replace("endheader\ntime", "endheader\ntime\nme"), "restored as 'time'"),
        (lambda t: t.replace("endheader\ntime\t", "endheader\ntime\n"), "restored as 'time'"),
    ],
)
def test_forms_that_read_like_the_plain_file(tmp_path, change, note):
    storage = read_text(tmp_path, change(PLAIN + ROWS))
    assert storage.labels == ("a", "b")
    np.testing.assert_array_equal(storage.time, [0.0, 0.1, 0.2])
    np.testing.assert_array_equal(storage.data, EXPECTED)
    if note is None:
        assert storage.notes == ()
    else:
        assert any(note in found for found in storage.notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found an empty file"),
        (" \n\n", "found an empty file"),
        (b"PK\x03\x04\x00\x00", "found binary content"),
        (PLAIN.encode("utf-16-le"), "found binary content"),
        ("sample content", "no endheader"),
        (PLAIN[:40], "no endheader"),
        (
            PLAIN + "0.0\t1\n0.1\t2\t3\n",
            "line 8: expected as many cells as there are labels (3), found 2",
        ),
        (PLAIN + "0.0\t1\t2\n0.1\t2\n0.2\t1\t2\n", "line 9: expected 3 numbers, found 2"),
        (PLAIN + "0.0\t1\t2\n0.1\t2\t3\t4\n0.2\t1\t2\n", "line 9: expected 3 numbers, found 4"),
        (
            PLAIN + "0.0\t1\t2\n0.1\t2\n",
            "line 9: expected 3 numbers, found 2; the file seems truncated",
        ),
        (PLAIN + "0.0\t1\t2\n0.1\t2\t3", "expected 3 rows (nRows), found 2 and no newline"),
        (PLAIN, "expected 3 rows (nRows), found 0"),
        (PLAIN.replace("nRows=3\n", "").rstrip("\n"), "the end of the file in the labels"),
        (PLAIN[: PLAIN.index("time")], "line 7: expected column labels after endheader"),
        (
            PLAIN.replace("time\ta\tb\n", "") + ROWS,
            "line 7: expected column labels after endheader, found numbers",
        ),
        (
            PLAIN.replace("time", "frame") + ROWS,
            "line 7: expected 'time' as the first label, found 'frame'",
        ),
        (PLAIN + ROWS + PLAIN + ROWS, "line 11: expected 3 numbers, found 1"),
        (
            PLAIN.replace("endheader", "endheade") + ROWS + PLAIN + ROWS,
            "line 8: expected a header up to endheader on line 16, found a row of numbers",
        ),
        (
            PLAIN + "x.0\t1\t2\n" + ROWS,
            "line 8, column 1: expected labels or a number, found 'x.0'",
        ),
        (PLAIN.replace("\ta\t", "\t\t") + ROWS, "line 7, column 2: expected a label, found none"),
        (
            PLAIN + "0.0\t1\t2\n0.1\tx\t3\n0.2\t1\t2\n",
            "line 9, column 2 (a): expected a number, found 'x'",
        ),
        (
            PLAIN + "0.0\t1\t2\n0.1\t\t3\n0.2\t1\t2\n",
            "line 9, column 2 (a): expected a number, found ''; write nan",
        ),
        (
            PLAIN + "0.0\t1\t2\n0.1\t1-2\t3\n0.2\t1\n",
            "line 9, column 2 (a): expected a number, found '1-2'",
        ),
        (
            PLAIN + "0,0\t1,5\t2,0\n0,1\t2,5\t3,0\n0,2\t1,0\t2,0\n",
            "write a decimal point, not a comma",
        ),
        (
            PLAIN + "0.0\t1_0\t2\n0.1\t2\t3\n0.2\t1\t2\n",
            "line 8, column 2 (a): expected a number, found '1_0'",
        ),
        (PLAIN.replace("\t", ",") + "0,1,2\n0.1,,3 4\n0.2,1,2\n", "line 9, column 2 (a)"),
        (
            PLAIN + "0.0\t1\t2\nnan\t2\t3\n0.2\t1\t2\n",
            "line 9, column 1 (time): expected a finite time",
        ),
        (
            PLAIN + "0.0\t1\t2\n0.2\t2\t3\n0.1\t1\t2\n",
            "line 10: expected time not before 0.2, found 0.1",
        ),
        (PLAIN.replace("endheader", "DataType=SpatialVec\nendheader") + ROWS, "expected DataType"),
        (
            PLAIN.replace("endheader", "DataType=Vec3\nendheader") + "0\t1,2,3\t1,2\n",
            "line 9, column 3 (b): expected 3 numbers in the cell, found 2",
        ),
    ],
)
def test_refusals_name_the_place(tmp_path, text, message):
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_text(tmp_path, text)
    assert "file.sto" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_storage(tmp_path / "absent.sto")
    with pytest.raises(InputError, match="cannot read"):
        read_storage(tmp_path)


def test_nan_duplicates_and_repeated_time_are_kept_and_noted(tmp_path):
    text = PLAIN.replace("\tb", "\ta") + "0\tnan\t1\n0\t-1.#IND\t2\n0.1\tNaN\tinf\n"
    storage = read_text(tmp_path, text)
    np.testing.assert_array_equal(storage.time, [0, 0, 0.1])
    assert np.isnan(storage.data[:, 0]).all()
    np.testing.assert_array_equal(storage.data[:, 1], [1, 2, np.inf])
    notes = "; ".join(storage.notes)
    assert "1 labels occur more than once, such as a" in notes
    assert "1 time stamps occur twice, the first on line 9" in notes
    assert "3 nan cells in 1 columns" in notes
    assert "1 infinite cells in 1 columns" in notes
    with pytest.raises(InputError, match="expected one column 'a', found 2"):
        storage.column("a")


def test_column_names_the_nearest(tmp_path):
    storage = read_text(tmp_path, PLAIN.replace("\ta", "\tsoleus_r") + ROWS)
    np.testing.assert_array_equal(storage.column("soleus_r"), [1.5, 2.5, 3.5])
    with pytest.raises(InputError, match="did you mean soleus_r"):
        storage.column("soles_r")


def test_labels_with_spaces_between_tabs(tmp_path):
    assert read_text(tmp_path, PLAIN.replace("\ta", "\tPin 7") + ROWS).labels == ("Pin 7", "b")
    mixed = read_text(tmp_path, PLAIN.replace("time\ta\tb", "time a\tb") + ROWS)
    assert mixed.labels == ("a", "b")
    assert any("both tabs and spaces" in note for note in mixed.notes)


def test_vector_cells_are_spread(tmp_path):
    text = "DataType=Vec3\nversion=2\nendheader\ntime\tp\tq\n0\t1,2,3\t4,5,6\n1\t7,8,9\t0,-1,nan\n"
    storage = read_text(tmp_path, text)
    assert storage.labels == ("p_1", "p_2", "p_3", "q_1", "q_2", "q_3")
    np.testing.assert_array_equal(storage.data, [[1, 2, 3, 4, 5, 6], [7, 8, 9, 0, -1, np.nan]])
    assert any("cells of 3 numbers" in note for note in storage.notes)


# Rows, columns (without time), first and last time, first label, first and last cell: each read off
# the file by eye or with cut and tail, not with the reader.
CORPUS = {
    "opensim-core__DoublePendulum_controls.sto": (2, 6, 0, 10, "TRIlong.excitation", 0, 0),
    "opensim-core__DoublePendulum3D_InitialStates.sto": (1, 4, 0, 0, "r1_z", 1, 0),
    "opensim-core__DoublePendulum3D_controls.sto": (0, 0, None, None, None, None, None),
    "opensim-core__subject01_walk_IK.mot": (
        7,
        10,
        0,
        0.1,
        "pelvis_tilt",
        10.32995988,
        -24.68013609,
    ),
    "opensim-core__test.sto": (2, 2, 1, 2, "v1", 10, 40),
    "opensim-core__forces-in-subdir.mot": (2, 6, 0, 1, "head_vx", 0, 0),
    "opensim-core__imuOrientations.sto": (
        2,
        32,
        0,
        0.01,
        "torso_imu_1",
        0.01518343195907421,
        -0.1411986598877146,
    ),
    "opensim-core__sampleOutputsVec3.sto": (471, 6, 0, 0.5, "/model/ball|linear_velocity_1", 0, 0),
    "opensim-core__muscle_emg.sto": (11, 1, 0, 1, "BIClong.activation", 0.05, 0.75),
    "opensim-core__std_markers_coords_ik.sto": (10, 164, 0, 0.15, "R.ASIS_tx", 0.61724762, 0),
    "opensim-core__std_testMocoInverse_subject_18musc_solution.sto": (
        45,
        115,
        0.45,
        1,
        "/forceset/bifemsh_r/activation",
        0.04270453722827332,
        0.2266044160677647,
    ),
    "opensim-core__std_testMocoTrackGait10dof18musc_solution.sto": (
        51,
        30,
        0.5,
        1,
        "/jointset/ground_pelvis/pelvis_tilt/value",
        0.1238566857614891,
        0.03395433313548746,
    ),
    "opensim-core__std_walk_subject01_ankle_spring_StaticOptimization_activation.sto": (
        84,
        28,
        0.5,
        1.3,
        "hamstrings_r",
        0.04602189,
        21.0599606,
    ),
    "opensim-jam__Three_Masses_controls.sto": (0, 0, None, None, None, None, None),
    "opensim46__cmc_states_clobbered_header.sto": (
        51,
        154,
        0.83000000000000007105,
        0.85590274515503084185,
        "/jointset/ground_pelvis/pelvis_tilt/value",
        0.07704149841478324934,
        0.12182652259008860951,
    ),
    "perimysium__double_pendulum_states.sto": (73, 4, 0, 0.072, "q1", 30.93972094, -31.90848870),
    "pyomeca__inverse_kin.mot": (88, 25, 1.56, 2.43, "thorax_tilt", -27.90807185, 0.51932388),
    "MatlabStaticOptimization__EMG_allMuscles.sto": (
        3028,
        7,
        0,
        60.540001,
        "soleus_l_activation",
        0.030772,
        0.006737,
    ),
    "MatlabStaticOptimization__results_states.sto": (
        41,
        210,
        10.9,
        11.7,
        "/jointset/ground_pelvis/pelvis_tilt/value",
        -0.07676911,
        0.13453563,
    ),
    "opensim-gui__OsimMotTemplate.mot": "no endheader and no rows of numbers",
}
CORPUS_NOTES = {
    "opensim-core__DoublePendulum3D_InitialStates.sto": "header states 4 columns (nColumns)",
    "opensim-core__subject01_walk_IK.mot": "header states 151 rows (nRows), found 7",
    "opensim-core__imuOrientations.sto": "cells of 4 numbers",
    "opensim-core__sampleOutputsVec3.sto": "cells of 3 numbers",
    "opensim-core__std_markers_coords_ik.sto": "labels occur more than once",
    "opensim46__cmc_states_clobbered_header.sto": "damaged header repaired",
    "perimysium__double_pendulum_states.sto": "header states 83581 rows (nRows), found 73",
    "pyomeca__inverse_kin.mot": "header states 250 rows (nRows), found 88",
}


@pytest.mark.shared_data
@pytest.mark.parametrize("name", CORPUS)
def test_corpus(shared_data, name):
    path, verdict = shared_data / "storage_corpus" / name, CORPUS[name]
    if isinstance(verdict, str):
        with pytest.raises(InputError, match=verdict):
            read_storage(path)
        return
    storage = read_storage(path)
    rows, columns, start, end, label, first, last = verdict
    assert storage.data.shape == (rows, columns)
    assert len(storage.labels) == columns
    found = (
        [storage.time[0], storage.time[-1], storage.data[0, 0], storage.data[-1, -1]]
        if rows
        else []
    )
    for value, expected in zip(found, (start, end, first, last), strict=False):
        assert expected is None or value == expected
    assert label is None or storage.labels[0] == label
    note = CORPUS_NOTES.get(name)
    assert any(note in found for found in storage.notes) if note else storage.notes == ()


@pytest.mark.shared_data
def test_corpus_is_covered_whole_and_no_number_is_lost(shared_data):
    folder = shared_data / "storage_corpus"
    assert {p.name for p in folder.iterdir() if p.suffix in (".sto", ".mot")} == set(CORPUS)
    for name, verdict in CORPUS.items():
        if isinstance(verdict, str):
            continue
        storage = read_storage(folder / name)
        # Another way to the same numbers: every number after the line of labels, one by one.
        lines = (folder / name).read_text().splitlines()
        body = [i for i, line in enumerate(lines) if re.match(r"\s*time\b", line.strip('"'))][-1]
        cells = re.split(r"[\s,]+", " ".join(lines[body + 1 :]).strip())
        numbers = np.array([float(cell) for cell in cells if cell])
        whole = np.column_stack([storage.time, storage.data])
        np.testing.assert_array_equal(whole.ravel(), numbers)


@pytest.mark.shared_data
def test_table_of_the_corpus(shared_data, capsys):
    """Printed whatever pytest is asked to capture: every file, its verdict and why."""
    folder = shared_data / "storage_corpus"
    lines = []
    for name, verdict in CORPUS.items():
        try:
            storage = read_storage(folder / name)
        except InputError as error:
            assert isinstance(verdict, str)
            lines.append(f"{name:<78} refused  {str(error).partition(': ')[2]}")
            continue
        assert storage.data.shape == verdict[:2]
        why = f"{storage.n_rows} rows of {len(storage.labels)} columns"
        lines.append(f"{name:<78} read     {'; '.join((why, *storage.notes))}")
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")


@pytest.mark.shared_data
def test_damaged_files_are_read_right_or_refused_in_one_line(shared_data, tmp_path):
    fuzz_storage = tool("fuzz_storage")
    files = sorted(p for p in (shared_data / "storage_corpus").iterdir() if p.suffix != ".tsv")
    verdicts, wrong = fuzz_storage.fuzz(files, count=400, seed=20250101, folder=tmp_path)
    assert wrong == []
    assert verdicts["read"] > 50
    assert verdicts["refused"] > 50


def test_the_judge_of_damaged_files_sees_what_is_wrong(tmp_path):
    fuzz_storage = tool("fuzz_storage")
    content = (PLAIN + ROWS).encode()
    right = read_text(tmp_path, content)
    assert fuzz_storage.judge(content, right) == ""
    less = Storage("", right.labels, right.time[:2], right.data[:2])
    assert "3 rows in the file, 2 read" in fuzz_storage.judge(content, less)
    other = Storage("", right.labels, right.time, right.data + 1e-12)
    assert fuzz_storage.judge(content, other) == "numbers differ"
    content = (PLAIN.replace("nRows=3", "nRows=4") + ROWS).encode()
    silent = Storage("", right.labels, right.time, right.data, header={"nRows": "4"})
    assert "nothing said" in fuzz_storage.judge(content, silent)


@pytest.mark.parametrize("control", ["\x0b", "\x1f", "\x85", "\xa0"])
def test_characters_that_print_nothing_are_no_separators(tmp_path, control):
    with pytest.raises(InputError, match="line 9"):
        read_text(tmp_path, PLAIN + ROWS.replace("0.1\t", f"{control}0.1\t"))


labels = st.lists(
    st.text("abcXYZ_/.|0123456789-", min_size=1, max_size=12), min_size=1, max_size=5, unique=True
).filter(lambda names: "time" not in names)


@st.composite
def storages(draw, min_rows=0):
    names = draw(labels)
    rows = draw(st.integers(min_rows, 8))
    floats = st.floats(allow_nan=False, allow_infinity=False, width=64)
    times = draw(
        st.lists(st.floats(-1e3, 1e3), min_size=rows, max_size=rows, unique=True).map(sorted)
    )
    data = draw(arrays(np.float64, (rows, len(names)), elements=floats))
    in_degrees = draw(st.booleans())
    return Storage("a file", tuple(names), np.array(times, dtype=float), data, in_degrees)


@given(storage=storages())
@settings(max_examples=60, deadline=None)
def test_written_files_read_back_exactly(tmp_path_factory, storage):
    path = tmp_path_factory.mktemp("round") / "file.sto"
    write_storage(path, storage)
    again = read_storage(path)
    assert again.labels == storage.labels
    assert (again.name, again.in_degrees) == (storage.name, storage.in_degrees)
    assert again.notes == ()
    np.testing.assert_array_equal(again.time, storage.time)
    np.testing.assert_array_equal(again.data, storage.data)


@given(storage=storages(), data=st.data())
@settings(max_examples=60, deadline=None)
def test_padding_changes_nothing(tmp_path_factory, storage, data):
    path = tmp_path_factory.mktemp("padding") / "file.sto"
    write_storage(path, storage)
    text = path.read_text()
    head, body = text.split("endheader\n")
    padded = []
    for line in body.splitlines():
        padded += [data.draw(st.sampled_from(["", " ", "\t\t"]))] * data.draw(st.integers(0, 2))
        padded.append(line + data.draw(st.sampled_from(["", "\t", " ", "\t \t"])))
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    path.write_bytes(
        (head + "endheader\n" + "\n".join(padded) + "\n").replace("\n", ending).encode()
    )
    again = read_storage(path)
    assert again.labels == storage.labels
    np.testing.assert_array_equal(again.time, storage.time)
    np.testing.assert_array_equal(again.data, storage.data)


@given(storage=storages(min_rows=1), keep_count=st.booleans(), data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_cut_file_is_refused_or_read_right_and_noted(tmp_path_factory, storage, keep_count, data):
    path = tmp_path_factory.mktemp("cut") / "file.sto"
    write_storage(path, storage)
    whole = path.read_text()
    if not keep_count:
        whole = re.sub(r"nRows=\d+\n", "", whole)
    length = data.draw(st.integers(0, len(whole) - 1))
    path.write_text(whole[:length])
    try:
        found = read_storage(path)
    except InputError:
        return
    table = np.column_stack([storage.time, storage.data])
    read = np.column_stack([found.time, found.data])
    assert read.shape[1] == table.shape[1]
    wrong = (read != table[: len(read)]).any(axis=1)
    # Only the very last number can be short without being seen, and then a note says so.
    assert not wrong[:-1].any()
    if not whole[:length].endswith("\n"):
        assert any("no newline at the end" in note for note in found.notes)
        np.testing.assert_array_equal(read[-1, :-1], table[len(read) - 1, :-1])
    else:
        assert not wrong.any()
        if keep_count and len(read) < len(table):
            assert any("header states" in note for note in found.notes)


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["so_activation.sto", "ik.sto", "grf.mot"])
def test_real_files_cut_in_half_are_refused(shared_data, tmp_path, name):
    raw = (shared_data / "treadmill_walk" / name).read_bytes()
    with pytest.raises(InputError, match="cut"):
        read_text(tmp_path, raw[: len(raw) // 2])


@pytest.mark.shared_data
def test_a_real_file_cut_exactly_between_rows_is_noted(shared_data, tmp_path):
    raw = (shared_data / "treadmill_walk" / "emg.sto").read_bytes()
    storage = read_text(tmp_path, raw[: len(raw) // 2])
    assert (storage.n_rows, storage.stated_rows) == (1516, 3028)
    assert storage.notes == ("header states 3028 rows (nRows), found 1516",)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": np.array([[1.0], [np.nan]])}, "found nan or infinity in row 2, column 'a'"),
        ({"data": np.array([[1.0], [np.inf]])}, "found nan or infinity in row 2, column 'a'"),
        ({"time": np.array([0.0, np.nan])}, "found nan or infinity in row 2, column 'time'"),
        ({"time": np.array([0.0, 0.0])}, "expected increasing time, found 0 s in row 2 after 0 s"),
        ({"labels": ("a", "a"), "data": np.zeros((2, 2))}, "expected each label once, found 'a'"),
        ({"labels": ("time",)}, "expected each label once, found 'time'"),
        ({"labels": ("a\tb",)}, "expected labels without spaces"),
        ({"labels": ("Pin 7",)}, "found 'Pin 7'"),
        ({"labels": ("",)}, "expected labels without spaces"),
        ({"labels": ("a", "b")}, "expected data of shape (2, 2), found (2, 1)"),
        ({"name": "one\ntwo"}, "expected a name"),
        ({"name": "a=b"}, "expected a name"),
    ],
)
def test_writer_refuses_what_opensim_would_misread(tmp_path, change, message):
    fields = {"name": "", "labels": ("a",), "time": np.arange(2.0), "data": np.ones((2, 1))}
    with pytest.raises(InputError, match=re.escape(message)):
        write_storage(tmp_path / "file.sto", Storage(**{**fields, **change}))
    assert list(tmp_path.iterdir()) == []


def test_writer_layout_and_settings(tmp_path):
    storage = Storage(
        "s", ("a",), np.array([0.1, 0.2]), np.array([[1 / 3], [2.0]]), False, {"source": "cycle 3"}
    )
    write_storage(tmp_path / "file.sto", storage)
    assert (tmp_path / "file.sto").read_bytes() == (
        b"s\nversion=1\nnRows=2\nnColumns=2\ninDegrees=no\nsource=cycle 3\nendheader\n"
        b"time\ta\n0.1\t0.3333333333333333\n0.2\t2.0\n"
    )
    with pytest.raises(InputError, match="expected an existing folder"):
        write_storage(tmp_path / "absent" / "file.sto", storage)


def test_reading_benchmark_runs():
    done = CliRunner().invoke(tool("bench_reading").main, ["--megabytes", "0.05", "--rounds", "1"])
    assert done.exit_code == 0, done.output
    assert "nem2e_tf.io.storage" in done.output
    assert done.output.count("0.05 MB") == 10
