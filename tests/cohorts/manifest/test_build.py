"""Manifests: cohorts from recordings with known answers, the shared recording, and bad input."""

import json
import re
from itertools import pairwise

import numpy as np
import pytest
from click.testing import CliRunner
from support.recordings import LABELS, TIME, activation, store

from nem2e_tf.cli.data import command
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.errors import InputError

HEADER = "subject,condition,speed,side,simulated,emg,ground_reaction,plate\n"
ROW = "s1,free,1.2,r,sim.sto,emg.sto,grf.mot,plate1\n"
MAP = "column,muscle\nsol,soleus\nta,tib_ant\n"


@pytest.fixture
def folder(tmp_path):
    """A complete set of tables and recordings: 10 s, right contacts at 1.05, 2.05, ... 9.05 s."""
    store(tmp_path / "sim.sto", LABELS, activation(TIME))
    emg = np.stack([TIME, 10 - TIME, 0 * TIME], axis=1)
    store(tmp_path / "emg.sto", ("sol", "ta", "spare"), emg)
    force = np.where((np.mod(TIME - 1.045, 1) < 0.6) | (TIME < 0.8), 700.0, 0.0)
    store(tmp_path / "grf.mot", ("plate1_vx", "plate1_vy"), np.stack([0 * force, force], axis=1))
    (tmp_path / "manifest.csv").write_text(HEADER + ROW)
    (tmp_path / "channels.csv").write_text(MAP)
    return tmp_path


def test_cycles_channels_and_muscles(folder):
    cohort = build_cohort(folder / "manifest.csv")
    report = cohort.report
    starts = np.arange(1.05, 9, 1)
    np.testing.assert_allclose(cohort.cycles["start"], starts)
    np.testing.assert_allclose(cohort.cycles["end"], starts + 1)
    assert list(cohort.cycles["cycle"]) == list(range(1, 9))
    first = cohort.cycles.iloc[0]
    assert (first.subject, first.condition, first.speed, first.side) == ("s1", "free", 1.2, "r")
    assert first.trial == "sim"
    assert cohort.name == "manifest"
    assert cohort.channel_names == ["soleus_ipsi", "tibant_ipsi", "soleus_contra", "tibant_contra"]
    assert list(cohort.channels["source"]) == ["soleus_r", "tib_ant_r", "soleus_l", "tib_ant_l"]
    assert cohort.muscle_names == ["soleus", "tibant"]
    assert cohort.counterparts == ((0,), (1,))
    # EMG rises evenly with time: the cycle's points are its times.
    np.testing.assert_allclose(cohort.measured[3, :, 0], np.linspace(4.05, 5.05, 101), atol=1e-5)
    np.testing.assert_allclose(cohort.measured[3, :, 1], np.linspace(5.95, 4.95, 101), atol=1e-5)
    points = np.linspace(0, 1, 101)
    np.testing.assert_allclose(
        cohort.simulated[0, 10:60, 0], 0.8 * (0.05 + points[10:60]), atol=1e-3
    )
    assert report.cycles_used == 8
    assert report.cycles_left_out == ()
    assert len(report.columns_left_out) == 2
    assert "knee_angle_r_reserve" in report.columns_left_out[0]
    assert "not in the channel map: spare" in report.columns_left_out[1]


def test_the_other_side_swaps_the_legs(folder):
    right = build_cohort(folder / "manifest.csv")
    (folder / "manifest.csv").write_text(HEADER + ROW.replace(",r,", ",left,"))
    left = build_cohort(folder / "manifest.csv")
    assert list(left.channels["source"]) == ["soleus_l", "tib_ant_l", "soleus_r", "tib_ant_r"]
    np.testing.assert_array_equal(left.simulated[:, :, [2, 3, 0, 1]], right.simulated)


def test_both_sides_in_one_cohort_and_side_in_the_map(folder):
    emg = np.stack([TIME, 10 - TIME], axis=1)
    store(folder / "emg.sto", ("sol_r", "sol_l"), emg)
    (folder / "channels.csv").write_text("column,muscle\nsol_{side},soleus\n")
    (folder / "manifest.csv").write_text(HEADER + ROW + ROW.replace(",r,", ",l,"))
    cohort = build_cohort(folder / "manifest.csv")
    assert len(cohort.cycles) == 16
    np.testing.assert_allclose(cohort.measured[0, :, 0] + cohort.measured[8, :, 0], 10, rtol=1e-5)
    assert cohort.channels["source"][0] == "soleus_r soleus_l"


def test_explicit_bounds_threshold_and_electrodes(folder):
    (folder / "manifest.csv").write_text(
        "subject;condition;speed;side;simulated;emg;start;end;trial;remark\n"
        "s1;;;r;sim.sto;emg.sto;1.5;2.5;walk;first\n"
        "s1;;;r;sim.sto;emg.sto;3.5;4.75;walk;\n"
    )
    (folder / "map.csv").write_text(
        "Column,Muscle,Electrode,Counterparts\n"
        "sol,med_gas,calf,soleus tibant_contra\n"
        "sol,soleus,calf,\n"
    )
    cohort = build_cohort(folder / "manifest.csv", channel_map=folder / "map.csv", name="mine")
    report = cohort.report
    assert cohort.name == "mine"
    assert list(cohort.cycles["start"]) == [1.5, 3.5]
    assert list(cohort.cycles["cycle"]) == [1, 2]
    assert cohort.cycles["speed"].isna().all()
    assert list(cohort.muscles["electrode"]) == ["calf", "calf"]
    assert cohort.counterparts == ((0, 3), (0,))
    assert any("column 'remark' is not used" in note for note in report.notes)


def test_cycles_outside_the_recordings_and_odd_durations_are_listed(folder):
    keep = (TIME >= 2.5) & (TIME <= 8.5)
    store(folder / "emg.sto", ("sol", "ta"), np.ones((keep.sum(), 2)), TIME[keep])
    cohort = build_cohort(folder / "manifest.csv")
    report = cohort.report
    assert list(cohort.cycles["cycle"]) == [3, 4, 5, 6, 7]
    assert [line.rpartition(": ")[2] for line in report.cycles_left_out] == [
        "outside the EMG, 2.5 to 8.5 s"
    ] * 3
    assert "line 2: subject s1, cycle 1, 1.05 to 2.05 s" in report.cycles_left_out[0]
    with pytest.raises(InputError, match=r"at least one complete cycle.*duration 1 s"):
        build_cohort(folder / "manifest.csv", shortest=1.5)


def test_gaps_and_nan(folder):
    keep = (TIME < 3.2) | (TIME > 3.5)
    data = activation(TIME)
    data[520, 0] = np.nan
    lines = (
        (folder / "sim.sto").read_text().replace("nRows=1001", f"nRows={keep.sum()}").split("\n")
    )
    rows = [line for line, kept in zip(lines[-1002:-1], keep, strict=True) if kept]
    (folder / "sim.sto").write_text("\n".join([*lines[:-1002], *rows, ""]))
    emg = (folder / "emg.sto").read_text().split("\n")
    emg[-1002 + 720] = "7.2\tnan\t2.0\t0.0"
    (folder / "emg.sto").write_text("\n".join(emg))
    cohort = build_cohort(folder / "manifest.csv")
    report = cohort.report
    assert list(cohort.cycles["cycle"]) == [1, 2, 4, 5, 6, 7, 8]
    assert "the simulation has a gap of 0.32 s" in report.cycles_left_out[0]
    lacking = np.isnan(cohort.measured).any(axis=1)
    assert lacking[:, 0].tolist() == [False] * 4 + [False, True, False]
    assert not lacking[:, 1].any()
    assert any("EMG of soleus is nan or not recorded in 1 of 7" in note for note in report.notes)


def test_simulated_nan_and_values_outside_0_to_1(folder):
    text = (folder / "sim.sto").read_text().split("\n")
    text[-1002 + 150] = "1.5\tnan\t0.1\t0.1\t0.1\t0.0"
    text[-1002 + 250] = "2.5\t1.25\t0.1\t-0.1\t0.1\t0.0"
    (folder / "sim.sto").write_text("\n".join(text))
    cohort = build_cohort(folder / "manifest.csv")
    report = cohort.report
    assert "simulated soleus_ipsi has nan" in report.cycles_left_out[0]
    assert cohort.simulated.max() > 1
    assert any("2 of 4004 activations are outside 0..1 (-0.1 to 1.25)" in n for n in report.notes)


def test_trials_with_other_muscles(folder):
    """Channels are those all simulations have; a muscle a map lacks is NaN for its trial."""
    store(folder / "other.sto", ("soleus_r", "soleus_l", "gem_r"), np.ones((len(TIME), 3)) / 2)
    (folder / "short.csv").write_text("column,muscle\nsol,soleus\n")
    (folder / "manifest.csv").write_text(
        HEADER.strip()
        + ",map\n"
        + ROW.strip()
        + ",\n"
        + ROW.strip().replace("sim.sto", "other.sto")
        + ",short.csv\n"
    )
    (folder / "channels.csv").write_text(
        "column,muscle,counterparts\nsol,soleus,\nta,tibant,soleus\n"
    )
    cohort = build_cohort(folder / "manifest.csv")
    report = cohort.report
    assert cohort.channel_names == ["soleus_ipsi", "soleus_contra"]
    assert np.isnan(cohort.measured[8:, :, 1]).all()
    assert not np.isnan(cohort.measured[:8]).any()
    assert any("not in every simulation: gem_r" in line for line in report.columns_left_out)
    assert any("not in every simulation: tib_ant_r" in line for line in report.columns_left_out)


def test_subject_maximum(folder):
    (folder / "manifest.csv").write_text(
        HEADER + ROW + ROW.replace("s1", "s2").replace("free", "slow")
    )
    plain = build_cohort(folder / "manifest.csv")
    kept = plain.report
    scaled = build_cohort(folder / "manifest.csv", normalise="subject-maximum")
    report = scaled.report
    np.testing.assert_allclose(scaled.measured, plain.measured / [9.05, 8.95], rtol=1e-5)
    assert any("subject s2 divided by its maximum: soleus 9.05" in note for note in report.notes)
    assert any("EMG as in the files (" in note for note in kept.notes)
    with pytest.raises(InputError, match="normalise: expected none or subject-maximum or trial"):
        build_cohort(folder / "manifest.csv", normalise="maximum")


def test_odd_cycles_are_flagged_and_kept(folder):
    emg = np.stack([np.mod(TIME - 1.05, 1), np.ones(len(TIME))], axis=1)
    emg[(TIME > 4.05) & (TIME < 5.05), 0] = 3
    store(folder / "emg.sto", ("sol", "ta"), emg)
    call = ["build", str(folder / "manifest.csv"), "-o", str(folder / "cohort")]
    result = CliRunner().invoke(command, call)
    assert "8 cycles of 1 subjects" in result.stdout
    reported = [line for line in result.stderr.splitlines() if "deviations" in line]
    assert len(reported) == 1
    assert reported[0].startswith("odd: s1, free, sim, r, cycle 4: unlike the others: soleus by ")
    report = build_cohort(folder / "manifest.csv").report
    assert [f"odd: {line}" for line in report.odd_cycles] == reported
    flags = load_cohort(folder / "cohort").cycles["odd"]
    assert [index for index, flag in enumerate(flags) if flag] == [3]
    assert flags[3] in reported[0]


def test_a_plate_that_two_feet_hit_is_refused(folder):
    force = np.where((np.mod(TIME - 1.045, 1) < 0.6) | (TIME < 0.8), 700.0, 0.0)
    for jump, refused in ((0.1, False), (0.8, True)):
        place = np.where((TIME > 4.3) & (TIME < 5), jump, 0.0)
        table = np.stack([force, place, 0 * place], axis=1)
        store(folder / "grf.mot", ("plate1_vy", "plate1_px", "plate1_pz"), table)
        if refused:
            with pytest.raises(InputError, match=r"'plate1_vy': .* more than one foot touched"):
                build_cohort(folder / "manifest.csv")
        else:
            assert len(build_cohort(folder / "manifest.csv").cycles) == 8


def edit(name, old, new):
    def change(folder):
        path = folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def halve(name):
    def change(folder):
        raw = (folder / name).read_bytes()
        (folder / name).write_bytes(raw[: len(raw) // 2])

    return change


def cut_between_rows(name):
    def change(folder):
        lines = (folder / name).read_text().split("\n")
        (folder / name).write_text("\n".join(lines[:500]) + "\n")

    return change


def later(folder):
    store(folder / "emg.sto", ("sol", "ta"), np.ones((len(TIME), 2)), TIME + 100)


def forces(folder):
    store(folder / "sim.sto", ("soleus_r", "tib_ant_r"), np.full((len(TIME), 2), 900.0))


def excitations(folder):
    store(folder / "sim.sto", ("/forceset/soleus_r",), np.ones((len(TIME), 1)))


def twice(folder):
    store(folder / "sim.sto", ("soleus_r", "soleus_r.activation"), np.ones((len(TIME), 2)))


BAD = [
    (
        lambda f: (f / "manifest.csv").unlink(),
        "manifest.csv: expected a manifest, found no such file",
    ),
    (
        lambda f: (f / "channels.csv").unlink(),
        "channels.csv: expected a channel map, found no such file",
    ),
    (lambda f: (f / "emg.sto").unlink(), "emg.sto: expected a storage file, found no such file"),
    (halve("sim.sto"), "sim.sto"),
    (halve("emg.sto"), "emg.sto"),
    (cut_between_rows("emg.sto"), "emg.sto: expected 1001 rows (nRows), found 493"),
    (cut_between_rows("sim.sto"), "the file seems truncated"),
    (cut_between_rows("grf.mot"), "the file seems truncated"),
    (later, "simulation and EMG that overlap in time, found 0 to 10 s and 100 to 110 s"),
    (forces, "expected activations from 0 to 1, found 900; does the file contain forces?"),
    (excitations, "found 1 excitations; give the states file"),
    (twice, "expected each muscle once, found 'soleus_r.activation' and 'soleus_r'"),
    (
        edit("sim.sto", "soleus_r\tsoleus_l\ttib_ant_r\ttib_ant_l", "a\tb\tc\td"),
        "none in 5 columns",
    ),
    (
        edit("channels.csv", "tib_ant", "tib_snt"),
        "line 3: muscle 'tib_snt': expected a known muscle; did you mean tibant",
    ),
    (
        edit("channels.csv", "tib_ant", "soleus"),
        "line 3: expected each muscle once, found soleus again",
    ),
    (
        edit("channels.csv", "tib_ant", "vaslat"),
        "line 3: expected simulated counterparts, found vaslat_ipsi",
    ),
    (edit("channels.csv", "ta,", ","), "line 3, column column: expected a value"),
    (edit("channels.csv", "ta,", "tta,"), "line 3: expected EMG column 'tta'"),
    (
        edit("channels.csv", "muscle", "muscel"),
        "expected a column 'muscle', found column, muscel; did you mean muscel?",
    ),
    (
        edit("channels.csv", MAP, "column,muscle,electrode\nsol,soleus,a\nsol,tibant,b\n"),
        "line 3, column electrode: expected 'a'",
    ),
    (
        edit("manifest.csv", "side", "leg"),
        "manifest.csv, line 1: expected a column 'side', found subject, condition",
    ),
    (
        edit("manifest.csv", ",plate\n", ",board\n"),
        "or markers, heel and pelvis, or events, or start and end, found no plate",
    ),
    (edit("manifest.csv", ",ground_reaction,plate\n", ",a,b\n"), "or start and end, found none"),
    (edit("manifest.csv", ROW, ""), "expected a manifest with at least one row, found none"),
    (edit("manifest.csv", HEADER + ROW, ""), "found an empty file"),
    (edit("manifest.csv", ROW, ROW + ROW), "line 3: expected each trial once, found"),
    (edit("manifest.csv", "1.2", "fast"), "line 2, column speed: expected a number, found 'fast'"),
    (edit("manifest.csv", "1.2", "nan"), "line 2, column speed: expected a number, found 'nan'"),
    (edit("manifest.csv", "1.2", "-1"), "line 2, column speed: expected m/s of 0 or more"),
    (edit("manifest.csv", ",r,", ",x,"), "line 2, column side: expected r or l, found 'x'"),
    (edit("manifest.csv", "s1", ""), "line 2, column subject: expected a value"),
    (edit("manifest.csv", "plate1\n", "\n"), "line 2, column plate: expected a value"),
    (edit("manifest.csv", "plate1\n", "plate2\n"), "line 2, column plate: "),
    (edit("manifest.csv", "plate1\n", "plate2\n"), "vertical force plate2_vy, found plate1_vy"),
    (edit("manifest.csv", "plate1\n", "plate1,more\n"), "line 2: expected 8 cells, found 9"),
    (
        edit("manifest.csv", "grf.mot", ""),
        "line 2: expected either ground_reaction and plate, or markers, heel and pelvis, or events",
    ),
    (
        edit("manifest.csv", "plate\ns1", "plate,emg\ns1"),
        "expected one column 'emg', found two",
    ),
    (edit("grf.mot", "700.0", "7.0"), "0 foot contacts above 30 N in plate1_vy"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_bad_input_is_one_line_and_writes_nothing(folder, change, message):
    change(folder)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        build_cohort(folder / "manifest.csv")
    assert "\n" not in str(caught.value)
    result = CliRunner().invoke(
        command, ["build", str(folder / "manifest.csv"), "-o", str(folder / "cohort")]
    )
    assert isinstance(result.exception, InputError)
    assert not (folder / "cohort").exists()


def test_bad_bounds(folder):
    head = "subject,condition,speed,side,simulated,emg,start,end\n"
    for cells, message in (
        ("2,1", "expected end after start, found 2 to 1 s"),
        ("2,", "column end: expected a value"),
        ("2,x", "column end: expected a number, found 'x'"),
        ("20,21", "outside the simulation, 0 to 10 s"),
    ):
        (folder / "manifest.csv").write_text(f"{head}s,c,1,r,sim.sto,emg.sto,{cells}\n")
        with pytest.raises(InputError, match=message):
            build_cohort(folder / "manifest.csv")


def test_command_builds_and_checks(folder):
    runner = CliRunner()
    out = str(folder / "cohort")
    result = runner.invoke(command, ["build", str(folder / "manifest.csv"), "-o", out])
    assert result.exit_code == 0, result.output
    assert (
        "8 cycles of 1 subjects, 4 simulated channels, 2 muscles (soleus, tibant)" in result.stdout
    )
    assert "knee_angle_r_reserve" in result.stderr
    assert load_cohort(out).digest == build_cohort(folder / "manifest.csv").digest
    found = json.loads(runner.invoke(command, ["check", out, "--json"]).stdout)
    assert (found["cycles"], found["channels"], found["notes"]) == (8, 4, [])
    assert found["muscles"][0]["highest"] == pytest.approx(9.05)
    assert "tibant" in runner.invoke(command, ["check", out]).stdout
    np.save(folder / "cohort" / "measured.npy", np.zeros((8, 101, 2), dtype=np.float32))
    assert "digest" in runner.invoke(command, ["check", out]).stderr
    result = runner.invoke(
        command, ["build", str(folder / "manifest.csv"), "-o", out, "--json", "--name", "n"]
    )
    assert json.loads(result.stdout)["cycles_used"] == 8


def test_command_checks_a_storage_file(folder):
    keep = (TIME < 3) | (TIME > 4)
    store(folder / "gap.sto", ("soleus_r", "x"), np.ones((keep.sum(), 2)), TIME[keep])
    found = json.loads(
        CliRunner().invoke(command, ["check", str(folder / "gap.sto"), "--json"]).stdout
    )
    assert (found["rows"], found["columns"], found["activations"]) == (keep.sum(), 2, 1)
    assert found["gaps"] == [{"start": 2.99, "end": 4.01}]
    assert found["ranges"][1] == {"column": "x", "lowest": 1.0, "highest": 1.0, "not_finite": 0}
    result = CliRunner().invoke(command, ["check", str(folder / "gap.sto")])
    assert "usual step s: 0.01" in result.stdout


def test_command_makes_the_embedded_cohort(tmp_path):
    result = CliRunner().invoke(command, ["synth", "walk", "-o", str(tmp_path / "walk")])
    assert result.exit_code == 0, result.output
    cohort = load_cohort(tmp_path / "walk")
    assert cohort.simulated.shape[1:] == (101, 92)
    assert cohort.cycles["subject"].nunique() == 8
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    result = CliRunner().invoke(command, ["synth", "walk", "-o", str(tmp_path / "taken")])
    assert isinstance(result.exception, InputError)
    assert "found thesis.txt" in str(result.exception)


@pytest.fixture
def treadmill(shared_data, tmp_path):
    source = (shared_data / "treadmill_walk").resolve()
    (tmp_path / "manifest.csv").write_text(
        f"{HEADER}s1,walk,1.25,l,{source}/so_activation.sto,{source}/emg.sto,{source}/grf.mot,"
        "1_ground_force\n"
    )
    names = ("soleus", "gasmed", "gaslat", "vasmed", "vaslat", "recfem")
    rows = "".join(f"{name}_{{side}}_activation,{name}\n" for name in names)
    (tmp_path / "channels.csv").write_text("column,muscle\n" + rows)
    return tmp_path


@pytest.mark.shared_data
def test_treadmill_gives_the_published_errors(treadmill):
    cohort = build_cohort(treadmill / "manifest.csv")
    report = cohort.report
    assert cohort.simulated.shape == (53, 101, 80)
    assert cohort.measured.shape == (53, 101, 6)
    assert any("vasint_l_activation" in line for line in report.columns_left_out)
    assert any("lumbar_ext" in line for line in report.columns_left_out)
    assert any("121120 rows" in note for note in report.notes)
    at = np.linspace(0, 100, 20)

    def thin(array):
        return np.apply_along_axis(lambda curve: np.interp(at, np.arange(101), curve), 1, array)

    def error(estimate, truth):
        return np.sqrt(((estimate - truth) ** 2).mean(axis=1))

    simulated = thin(cohort.simulated[:, :, [index[0] for index in cohort.counterparts]])
    measured = thin(cohort.measured)
    edges = np.linspace(0, 53, 6).round().astype(int)
    by_mean = np.empty((53, 6))
    for start, end in pairwise(edges):
        training = np.r_[0:start, end:53]
        by_mean[start:end] = error(measured[training].mean(axis=0), measured[start:end])
    # The shared data's README, at most 1 % or .0001 away, whichever is larger.
    for found, expected in (
        (error(simulated, measured).mean(axis=0), [0.1473, 0.3319, 0.1324, 0.0105, 0.0126, 0.0652]),
        (by_mean.mean(axis=0), [0.0176, 0.0210, 0.0230, 0.0015, 0.0056, 0.0014]),
    ):
        assert (np.abs(found - expected) <= np.maximum(0.01 * np.array(expected), 1e-4)).all()


@pytest.mark.shared_data
def test_treadmill_with_the_other_leg_is_shouted_about(treadmill):
    path, out = treadmill / "manifest.csv", str(treadmill / "cohort")
    right = CliRunner().invoke(command, ["build", str(path), "-o", out])
    assert "53 cycles" in right.stdout
    assert "WARNING" not in right.stderr
    channels = treadmill / "channels.csv"
    channels.write_text(channels.read_text().replace("{side}", "l"))
    path.write_text(path.read_text().replace(",1.25,l,", ",1.25,r,"))
    wrong = CliRunner().invoke(command, ["build", str(path), "-o", out])
    assert "WARNING: s1, walk, so_activation, r: EMG fits the OTHER LEG" in wrong.stderr


@pytest.mark.shared_data
@pytest.mark.parametrize("name", ["so_activation.sto", "emg.sto", "grf.mot"])
def test_treadmill_file_cut_in_half(treadmill, shared_data, name):
    raw = (shared_data / "treadmill_walk" / name).read_bytes()
    (treadmill / name).write_bytes(raw[: len(raw) // 2])
    text = (treadmill / "manifest.csv").read_text()
    source = (shared_data / "treadmill_walk").resolve()
    (treadmill / "manifest.csv").write_text(text.replace(f"{source}/{name}", name))
    with pytest.raises(InputError, match="the file seems truncated"):
        build_cohort(treadmill / "manifest.csv")


@pytest.mark.shared_data
def test_treadmill_published_stance_holds_no_whole_cycle(treadmill, shared_data):
    path = treadmill / "manifest.csv"
    path.write_text(path.read_text().replace("so_activation", "published_so_states"))
    with pytest.raises(
        InputError, match=r"at least one complete cycle.*outside the simulation, 10\.9"
    ):
        build_cohort(path)
