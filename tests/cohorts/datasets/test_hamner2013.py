"""The running data set: complete and incomplete folders, manifest, report and cohort."""

import csv
import json
import re
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from support import hamner_tree as tree

from nem2e_tf.cli.data import command
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.cohorts.datasets.hamner2013 import find
from nem2e_tf.cohorts.datasets.release import import_found
from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import read_storage

MUSCLES = [muscle for muscle, _ in tree.COLUMNS]
SHARE = np.linspace(0, 1, 101)


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    """Three subjects with other tags and cycles; a dead electrode; a speed that is not there."""
    folder = tmp_path_factory.mktemp("release")
    tree.write_tree(
        folder, subjects=("02", "10", "19"), muscles=(*MUSCLES, "psoas"), dead={"10": ("glmed",)}
    )
    for path in sorted(folder.glob("subject19/*/*Run_400*")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder


@pytest.fixture(scope="module")
def imported(release, tmp_path_factory):
    return import_found(find(release), tmp_path_factory.mktemp("out") / "run")


@pytest.fixture
def small(tmp_path):
    """One subject at two speeds, to take pieces away from."""
    tree.write_tree(tmp_path / "set", subjects=("02",), speeds=(3, 4), muscles=MUSCLES, seconds=5)
    return tmp_path / "set"


def who(row):
    return row.subject.removeprefix("subject"), int(row.speed), int(row.cycle)


def test_cycles_are_those_of_the_release(imported):
    cycles = imported.cohort.cycles
    expected = [
        (subject, speed, cycle)
        for subject in ("02", "10", "19")
        for speed in tree.SPEEDS
        for cycle in tree.cycles(subject, speed)
        if (subject, speed) != ("19", 4)
    ]
    assert [who(row) for row in cycles.itertuples()] == expected
    for row in cycles.itertuples():
        assert (row.start, row.end) == pytest.approx(tree.bounds(int(row.speed), row.cycle))
        assert row.trial == f"Run_{int(row.speed)}00 {tree.tag(*who(row)[:2])}"
        assert (row.condition, row.side) == (f"run{int(row.speed)}00", "r")


def test_simulation_is_the_planted_one(imported):
    cohort = imported.cohort
    assert set(cohort.channel_names) == {
        f"{m}_{s}" for m in (*MUSCLES, "psoas") for s in ("ipsi", "contra")
    }
    for number, row in enumerate(cohort.cycles.itertuples()):
        for channel, name in enumerate(cohort.channel_names):
            muscle, _, side = name.rpartition("_")
            expected = tree.activation(*who(row), muscle, "r" if side == "ipsi" else "l", SHARE)
            np.testing.assert_allclose(cohort.simulated[number, :, channel], expected, atol=1e-3)


def test_emg_is_the_planted_one_over_each_subjects_maximum(imported):
    cohort = imported.cohort
    for subject in ("02", "10", "19"):
        rows = np.flatnonzero(cohort.cycles["subject"] == f"subject{subject}")
        table = cohort.cycles.iloc[rows]
        for index, (muscle, electrode) in enumerate(tree.COLUMNS):
            assert cohort.muscle_names[index] == muscle
            assert cohort.muscles["electrode"][index] == electrode
            found = cohort.measured[rows, :, index]
            if (subject, electrode) == ("10", "glmed"):
                assert np.isnan(found).all()
                continue
            planted = np.stack(
                [
                    tree.envelope(
                        subject,
                        int(row.speed),
                        electrode,
                        row.start + SHARE * (row.end - row.start),
                    )
                    for row in table.itertuples()
                ]
            )
            np.testing.assert_allclose(found, planted / planted.max(), atol=3e-3)


def test_electrodes_are_eleven_independent_muscles(release, imported, tmp_path):
    cohort = import_found(find(release, muscles="electrodes"), tmp_path / "out").cohort
    assert len(cohort.muscles) == 11
    assert cohort.muscles["electrode"].is_unique
    at = list(cohort.muscles["electrode"]).index("glmax")
    assert cohort.muscles["counterparts"][at] == "glmax1_ipsi glmax2_ipsi glmax3_ipsi"
    same = imported.cohort.muscle_names.index("glmax2")
    np.testing.assert_array_equal(cohort.measured[:, :, at], imported.cohort.measured[:, :, same])


def test_report_lists_what_was_used_and_not_used(release, imported):
    folder = imported.manifest.parent
    found = json.loads((folder / "found.json").read_text())
    rows = {(row["subject"], row["condition"]): row for row in found["summary"]}
    assert rows["subject02", "run400"]["used"] == 3
    missing = rows["subject19", "run400"]
    assert (missing["used"], missing["missing"]) == (0, 1)
    assert missing["reasons"] == ["no states file of CMC at 4 m/s, and no raw EMG"]
    assert rows["subject17", ""]["reasons"] == ["nothing of subject17"]
    table = list(csv.DictReader((folder / "found.csv").open()))
    assert sum(row["status"] == "used" for row in table) == len(imported.cohort.cycles) == 33
    first = next(row for row in table if row["condition"] == "run400")
    assert first["bounds_from"] == "subject02_Setup_RRA_Run_40005_cycle1_v191.xml"
    dead = [note for note in found["notes"] if "the electrode is dead" in note]
    assert len(dead) == 3
    assert all("subject10" in note and "and 3 more files" in note for note in dead)


def test_the_manifest_builds_the_same_cohort_and_can_be_corrected(imported, tmp_path):
    manifest = imported.manifest
    again = build_cohort(manifest, name="hamner2013", normalise="subject-maximum")
    assert again.digest == imported.cohort.digest == load_cohort(manifest.parent / "cohort").digest
    assert {path.name for path in manifest.parent.iterdir()} == {
        *("manifest.csv", "channels.csv", "found.csv", "found.json", "cohort"),
    }
    rows = list(csv.reader(manifest.open()))
    for row in rows[1:]:
        if (row[0], row[1]) == ("subject02", "run500"):
            row[rows[0].index("drop")] = "glmax soleus"
    shutil.copy(manifest.parent / "channels.csv", tmp_path)
    with (tmp_path / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    corrected = build_cohort(tmp_path / "manifest.csv", normalise="subject-maximum")
    dropped = np.isnan(corrected.measured).any(axis=1)
    at = ((again.cycles["subject"] == "subject02") & (again.cycles["speed"] == 5)).to_numpy()
    for muscle in ("glmax1", "glmax2", "glmax3", "soleus"):
        assert dropped[at, corrected.muscle_names.index(muscle)].all()
    assert not dropped[at, corrected.muscle_names.index("tibant")].any()
    other = ~at & (again.cycles["subject"] == "subject02").to_numpy()
    ratio = (corrected.measured / again.measured)[other, :, MUSCLES.index("soleus")]
    # What was dropped has no part in the maximum either.
    np.testing.assert_allclose(corrected.measured[other, :, MUSCLES.index("soleus")].max(), 1)
    assert (ratio >= 1).all()


def without(*patterns):
    def take(folder):
        for pattern in patterns:
            paths = sorted(folder.rglob(pattern))
            assert paths, pattern
            for path in paths:
                path.unlink()

    return take


def halved(pattern):
    def halve(folder):
        path = next(folder.rglob(pattern))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    return halve


def copied(folder):
    path = tree.states(folder, "02", 4, 3)
    shutil.copytree(folder / "subject02" / tree.CMC, folder / "subject02" / "cmc_other")
    shutil.copytree(folder / "subject02" / tree.CMC, folder / "subject02" / "cmc_third")
    shutil.rmtree(folder / "subject02" / tree.CMC / path.parent.parent.name)


PIECES = [
    (without("*400 05_EMG*"), "run400", "no raw EMG 'Run_400 05_EMG_RAW.sto' of subject02", 0),
    (
        without("*40005_cycle3_v191.xml", "*400 05_new*"),
        "run400",
        "no setup file of cycle 3, and no ground reaction 'Run_400 05_newCOP3_v24.mot'",
        2,
    ),
    (
        without("*Run_40005_cycle4_states.sto"),
        "run400",
        "no states file of CMC for cycle 4, which has a setup file",
        2,
    ),
    (
        without("*Run_40005_cycle*_states.sto"),
        "run400",
        "no states file of CMC at 4 m/s",
        0,
    ),
    (halved("*400 05_EMG*"), "run400", "the file seems truncated", 0),
    (copied, "run400", "2 states files, such as", 0),
    (
        without("*400 05_new*", "*_40005_cycle1_v191.xml", "*_40005_cycle3_v191.xml"),
        "run400",
        "no setup file of cycle 1, and no ground reaction",
        1,
    ),
]


@pytest.mark.parametrize(("change", "condition", "reason", "used"), PIECES)
def test_a_missing_piece_is_named(change, condition, reason, used, small, tmp_path):
    change(small)
    imported = import_found(find(small), tmp_path / "out")
    rows = [f for f in imported.findings if f.condition == condition]
    assert sum(row.status == "used" for row in rows) == used
    assert any(reason in row.reason for row in rows if row.status in ("left out", "missing"))
    assert sum(f.status == "used" and f.condition == "run300" for f in imported.findings) == 3


@pytest.mark.parametrize(
    "change", [without("*Run_40005_cycle3_v191.xml"), halved("*Run_40005_cycle3_v191.xml")]
)
def test_bounds_from_the_right_foots_contacts(change, small, tmp_path):
    """The right foot's plate is identified from the trial's other cycles: here the second."""
    change(small)
    imported = import_found(find(small), tmp_path / "out")
    row = imported.cohort.cycles.iloc[4]
    assert (row.condition, row.cycle) == ("run400", 3)
    assert (row.start, row.end) == pytest.approx(tree.bounds(4, 3), abs=1.1e-3)
    found = next(f for f in imported.findings if (f.condition, f.cycle) == ("run400", 3))
    assert found.bounds_from == "Run_400 05_newCOP3_v24.mot, 1_ground_force_vy"


def test_a_plate_that_cannot_be_identified_is_not_guessed(small, tmp_path):
    without("*_40005_cycle*_v191.xml")(small)
    imported = import_found(find(small), tmp_path / "out")
    rows = [f for f in imported.findings if f.condition == "run400"]
    assert {row.status for row in rows} == {"left out"}
    assert all("a vertical force that is clearly of the right foot" in row.reason for row in rows)


def test_a_simulation_that_ended_early_is_left_out(small, tmp_path):
    path = tree.states(small, "02", 3, 3)
    lines = path.read_text().split("\n")
    path.write_text("\n".join(lines[: len(lines) * 2 // 3]).replace("nRows", "rows") + "\n")
    imported = import_found(find(small), tmp_path / "out")
    left = [f for f in imported.findings if f.status == "left out"]
    assert [(f.condition, f.cycle) for f in left] == [("run300", 3)]
    assert left[0].reason.startswith("outside the simulation, ")


def test_columns_named_by_pins_need_a_map(tmp_path):
    folder = tmp_path / "set"
    tree.write_tree(
        folder, subjects=("02", "10"), speeds=(5,), muscles=MUSCLES, seconds=6.5, pins=("10",)
    )
    rows = [f for f in find(folder).findings if f.subject == "subject10" and f.speed == 5]
    assert all("not named after muscles (Pin 1, Pin 2, Pin 3, ...)" in row.reason for row in rows)
    assert all("in a channel map (column, muscle)" in row.reason for row in rows)
    lines = [f"Pin {n},{m},{e}\n" for n, (m, e) in enumerate(tree.COLUMNS, start=1)]
    (tmp_path / "pins.csv").write_text("column,muscle,electrode\n" + "".join(lines))
    found = find(folder, channel_map=tmp_path / "pins.csv")
    imported = import_found(found, tmp_path / "out")
    assert len(imported.cohort.cycles) == 6
    assert (tmp_path / "out" / "channels-2.csv").exists()
    assert not np.isnan(imported.cohort.measured).any()


def test_copies_of_an_electrode_that_differ_are_reported(small):
    path = next(small.rglob("*300 02_EMG*"))
    lines = path.read_text().split("\n")
    at = lines[6].split("\t").index("glmax2_r")
    cells = lines[9].split("\t")
    lines[9] = "\t".join([*cells[:at], "9.5", *cells[at + 1 :]])
    path.write_text("\n".join(lines))
    notes = [note for note in find(small).notes if "expected copies" in note]
    assert len(notes) == 1
    assert "glmax2_r differs from glmax1_r" in notes[0]


def test_the_command(small, tmp_path):
    runner = CliRunner()
    out = tmp_path / "out"
    call = ["import", "hamner2013", str(small), "-o", str(out)]
    result = runner.invoke(command, call)
    assert result.exit_code == 0, result.output
    assert "subject02  run300         3         0        0" in result.stdout
    assert "6 cycles of 1 subjects, 32 simulated channels, 16 muscles" in result.stdout
    assert "EMG at 1000 Hz (by its times), unit not stated" in result.stderr
    digest = load_cohort(out / "cohort").digest
    again = runner.invoke(command, [*call, "--json"])
    assert json.loads(again.stdout)["digest"] == digest
    (out / "manifest.csv").write_text((out / "manifest.csv").read_text().replace(",r,", ",l,"))
    refused = runner.invoke(command, call)
    assert isinstance(refused.exception, InputError)
    assert "manifest.csv: expected the file as imported, found it changed" in str(refused.exception)


def shouted(folder, out):
    result = CliRunner().invoke(command, ["import", "hamner2013", str(folder), "-o", str(out)])
    assert result.exit_code == 0, result.output
    return [line for line in result.stderr.splitlines() if "WARNING" in line]


def test_a_wrong_leg_is_shouted_about(small, tmp_path):
    assert shouted(small, tmp_path / "right") == []
    for path in small.rglob("*Run_30002_cycle*_states.sto"):
        text = path.read_text()
        for old, new in (("_r.", "_x."), ("_l.", "_r."), ("_x.", "_l.")):
            text = text.replace(old, new)
        path.write_text(text)
    (line,) = shouted(small, tmp_path / "leg")
    assert "subject02, run300, Run_300 02, r: EMG fits the OTHER LEG: mean r of 16 muscles" in line
    assert checked(tmp_path / "leg") == ["other leg"]


@pytest.mark.parametrize(("shift", "found"), [(0.15, "early"), (-0.15, "late")])
def test_a_shifted_clock_is_shouted_about(shift, found, small, tmp_path):
    path = next(small.rglob("*400 05_EMG*"))
    emg = read_storage(path)
    tree.write_table(path, emg.labels, emg.time + shift, emg.data)
    (line,) = shouted(small, tmp_path / "clock")
    reported = re.search(rf"subject02, run400, Run_400 05, r: CLOCK .* (\d+) ms {found},", line)
    assert int(reported[1]) == pytest.approx(150, abs=10)
    assert checked(tmp_path / "clock") == ["clock"]


def checked(out):
    result = CliRunner().invoke(command, ["check", str(out / "cohort"), "--json"])
    return json.loads(result.stdout)["wrong"]


def test_a_damaged_simulation_is_left_out_with_its_reason(small, tmp_path):
    halved("*Run_40005_cycle3_states.sto")(small)
    imported = import_found(find(small), tmp_path / "out")
    assert len(imported.cohort.cycles) == 5
    rows = list(csv.DictReader((tmp_path / "out" / "found.csv").open()))
    (left,) = [row for row in rows if row["status"] == "left out"]
    assert (left["condition"], left["cycle"]) == ("run400", "3")
    assert "_cycle3_states.sto" in left["reason"]
    assert "cut" in left["reason"] or "expected" in left["reason"]
    again = build_cohort(imported.manifest, name="hamner2013", normalise="subject-maximum")
    assert again.digest == imported.cohort.digest


def test_where_every_simulation_is_damaged_the_manifest_stays(small, tmp_path):
    for path in small.rglob("*_states.sto"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=r"_states.sto.*correct .*manifest.csv or remove"):
        import_found(find(small), tmp_path / "out")
    assert not (tmp_path / "out" / "cohort").exists()
    assert len((tmp_path / "out" / "manifest.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, "expected the folder of the data set, found no such folder"),
        (lambda folder: folder.mkdir(), "expected files that end in .sto, .mot, .xml, found none"),
        (
            lambda folder: (folder.mkdir(), (folder / "subject01.zip").write_bytes(b"")),
            "found archives such as subject01.zip; unpack them",
        ),
        (
            lambda folder: (folder.mkdir(), (folder / "a.sto").write_text("x")),
            "expected files such as subject01",
        ),
        (
            lambda folder: tree.write_emg(
                folder / "subject01" / "Run_200 02_EMG_RAW.sto", "01", 2, seconds=1
            ),
            "expected at least one cycle of hamner2013 with all its files, found none; nothing of",
        ),
    ],
)
def test_a_folder_of_something_else(prepare, message, tmp_path):
    prepare(tmp_path / "set")
    result = CliRunner().invoke(
        command, ["import", "hamner2013", str(tmp_path / "set"), "-o", str(tmp_path / "out")]
    )
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)
    assert "\n" not in str(result.exception)
    assert not (tmp_path / "out").exists()
