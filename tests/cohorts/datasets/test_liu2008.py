"""The walking data set: trials by file names, simulated intervals, stance legs, missing files."""

import json
import shutil

import numpy as np
import pytest
from click.testing import CliRunner
from support import liu_tree as tree

from nem2e_tf.cli.data import command
from nem2e_tf.cohorts.datasets.liu2008 import _emg_label, _key, find
from nem2e_tf.cohorts.datasets.release import import_found
from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.errors import InputError
from nem2e_tf.muscles import ELECTRODES_WALK

MUSCLES = ("recfem", "semimem", "semiten", "bflh", "bfsh", "tibant", "gasmed", "gaslat", "soleus")
SHARE = np.linspace(0, 1, 101)
FIRST = {electrode: muscles[0] for electrode, muscles in ELECTRODES_WALK.items()}


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("release")
    tree.write_tree(folder, muscles=MUSCLES, missing=[(2, "fast")])
    return folder


@pytest.fixture(scope="module")
def imported(release, tmp_path_factory):
    return import_found(find(release), tmp_path_factory.mktemp("out") / "run")


def who(row):
    return int(row.subject.removeprefix("GIL")), row.condition


def test_stretches_sides_and_signals_are_the_planted_ones(imported):
    cohort = imported.cohort
    assert len(cohort.cycles) == 11
    assert set(cohort.cycles["side"]) == {"r", "l"}
    assert list(cohort.muscles["electrode"]) == list(ELECTRODES_WALK)
    assert cohort.muscle_names == list(FIRST.values())
    assert cohort.muscles["counterparts"][4] == "gasmed_ipsi gaslat_ipsi soleus_ipsi"
    for number, row in enumerate(cohort.cycles.itertuples()):
        start, end = tree.bounds(*who(row))
        assert (row.start, row.end) == pytest.approx((start, end))
        assert row.side == tree.side(*who(row))
        assert row.trial == f"{row.condition}{tree.number(*who(row))}"
        other = {"r": "l", "l": "r"}[row.side]
        for channel, name in enumerate(cohort.channel_names):
            muscle, _, side = name.rpartition("_")
            leg = row.side if side == "ipsi" else other
            np.testing.assert_allclose(
                cohort.simulated[number, :, channel],
                tree.activation(*who(row), muscle, leg, SHARE),
                atol=1e-3,
            )
        for muscle, electrode in enumerate(ELECTRODES_WALK):
            expected = tree.envelope(*who(row), electrode, row.side, start + SHARE * (end - start))
            np.testing.assert_allclose(cohort.measured[number, :, muscle], expected, atol=1e-3)


def test_columns_are_every_muscle_an_electrode_stands_for(release, tmp_path):
    cohort = import_found(find(release, muscles="columns"), tmp_path / "out").cohort
    assert sorted(cohort.muscle_names) == sorted(MUSCLES)
    assert cohort.muscles["electrode"].nunique() == 5
    soleus, gasmed = (cohort.muscle_names.index(name) for name in ("soleus", "gasmed"))
    np.testing.assert_array_equal(cohort.measured[..., soleus], cohort.measured[..., gasmed])
    assert cohort.muscles["counterparts"][soleus] == "soleus_ipsi"


def test_report_and_manifest(imported, tmp_path):
    found = json.loads((imported.manifest.parent / "found.json").read_text())
    rows = {(row["subject"], row["condition"]): row for row in found["summary"]}
    assert rows["GIL02", "fast"]["reasons"] == ["no trial fast"]
    assert sum(row["used"] for row in rows.values()) == 11
    assert sum("the states of RRA have no activations" in note for note in found["notes"]) == 11
    assert build_cohort(imported.manifest, name="liu2008").digest == imported.cohort.digest


@pytest.fixture
def trial(tmp_path):
    """One whole trial and one to take pieces from, of a left-standing and a right-standing leg."""
    tree.write_trial(tmp_path / "set", 2, "slow", muscles=MUSCLES)
    tree.write_trial(tmp_path / "set", 2, "free", muscles=MUSCLES)
    return tmp_path / "set"


def remove(pattern):
    def change(home):
        for path in list(home.rglob(pattern)):
            path.unlink()

    return change


def replace(pattern, old, new):
    def change(home):
        path = next(home.rglob(pattern))
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    return change


def second_states(home):
    path = next(home.rglob("*cmc_states.sto"))
    shutil.copy(path, path.with_name(path.name.replace("cmc", "cmc_again")))


def short_emg(home):
    path = next(home.rglob("*EmgEnv.mot"))
    lines = path.read_text().split("\n")
    path.write_text("\n".join(lines[:300]).replace("nRows", "rows") + "\n")


def one_leg(home):
    path = next(home.rglob("*EmgEnv.mot"))
    path.write_text(path.read_text().replace("R_", "X_"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (remove("*EmgEnv.mot"), "no EMG envelopes 'GIL02_free1EmgEnv.mot'"),
        (remove("*cmc_states.sto"), "no states file of CMC for free1, which has EMG"),
        (second_states, "2 states files, "),
        (short_emg, "expected EMG from 0.14 to 0.74 s, found it from 0 to 0.4"),
        (one_leg, "expected EMG envelopes of the right leg such as R_RF_emgEnv, found X_RF_emgRec"),
        (replace("*EmgEnv.mot", "R_GAS_emgRec", "R_TA_emgEnv"), "expected one column of tibant"),
        (
            replace("*cmc_states.sto", "knee_angle_r", "knee_r"),
            "l 42 degrees; state the side",
        ),
        (replace("*CMC.xml", "</initial", "</start"), "expected a complete XML file"),
    ],
)
def test_a_missing_piece_is_named(change, reason, trial, tmp_path):
    assert tree.side(2, "free") == "r"
    change(tree.trial_folder(trial, 2, "free"))
    imported = import_found(find(trial), tmp_path / "out")
    assert list(imported.cohort.cycles["condition"]) == ["slow"]
    assert any(reason in finding.reason for finding in imported.findings)


def test_without_a_setup_file_the_stretch_is_the_simulations(trial, tmp_path):
    remove("*.xml")(trial)
    imported = import_found(find(trial), tmp_path / "out")
    assert {f.bounds_from for f in imported.findings if f.status == "used"} == {
        "the simulation's first and last row"
    }
    assert imported.cohort.cycles["end"].tolist() == pytest.approx(
        [tree.bounds(2, condition)[1] for condition in ("free", "slow")]
    )


def test_a_side_can_be_given_where_the_knees_do_not_identify_it(trial, tmp_path):
    for path in trial.rglob("*cmc_states.sto"):
        path.write_text(path.read_text().replace("knee_angle", "knie"))
    call = ["import", "liu2008", str(trial), "-o", str(tmp_path / "out")]
    result = CliRunner().invoke(command, call)
    assert isinstance(result.exception, InputError)
    assert "state the side" in str(result.exception)
    result = CliRunner().invoke(command, [*call, "--side", "left"])
    assert result.exit_code == 0, result.output
    assert "2 cycles of 1 subjects, 18 simulated channels, 5 muscles" in result.stdout


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("GIL01/GIL01/Slow3/IK/GIL01_slow3_ik.mot", ("GIL01", "slow", "3")),
        ("GIL02/Free4/results/states.sto", ("GIL02", "free", "4")),
        ("gil11_very_slow_12_states.sto", ("GIL11", "very-slow", "12")),
        ("GIL03/GIL03_xslow2EmgEnv.mot", ("GIL03", "very-slow", "2")),
        ("GIL03/Fast/GIL03_fastEmgEnv.mot", ("GIL03", "fast", "")),
        ("GIL03/breakfast3/x.sto", None),
        ("S1/Free4/x.sto", None),
    ],
)
def test_names_of_trials(name, key, tmp_path):
    assert _key(tmp_path.joinpath(name).relative_to(tmp_path), tmp_path) == key


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("R_RF_emgEnv", ("r", "recfem")),
        ("LEFT medial hamstrings", ("l", "medial_hamstrings")),
        ("l_gas_sol_emgEnv", ("l", "gastroc_soleus")),
        ("R_RF_emgAve", ("", "")),
        ("R_RF_emgSDp", ("", "")),
        ("R_deltoid_emgEnv", ("r", "")),
    ],
)
def test_labels_of_envelopes(label, expected):
    assert _emg_label(label) == expected
