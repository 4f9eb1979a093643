"""Activations computed by other programs: each one's file layout, through a build, to the truth.

The files are written as the programs write them:

- AnyBody: ``AnyOutputFile`` (sections between lines of hyphens, names of variables as columns);
- SIMM: a motion file (``datacolumns``, ``datarows``, ``range``), one column per muscle;
- MyoSuite and MuJoCo: no format of their own; a CSV table of ``data.time`` and ``data.act`` under
  the actuators' names, as ``numpy.savetxt`` writes it;
- Moco: the trajectory's storage file, states and controls by path.
"""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from support.recordings import store

from nem2e_tf.cli.data import command
from nem2e_tf.cohorts.cohort import load_cohort
from nem2e_tf.cohorts.manifest.build import build_cohort
from nem2e_tf.cohorts.manifest.columns import read_simulated_map
from nem2e_tf.errors import InputError

TIME = np.arange(0, 3.001, 0.01)
MUSCLES = ("soleus_r", "tibant_r", "soleus_l", "tibant_l")
HEADER = "subject,condition,speed,side,simulated,emg,start,end"
STUDY = "Main.HumanModel.BodyModel"


def truth(time):
    """One straight line per muscle: resampling preserves it exactly."""
    return np.stack([0.1 + 0.2 * time, 0.9 - 0.1 * time, 0.3 * time, 0.5 + 0 * time], axis=-1)


def anybody(path):
    """Soleus in two branches, 0.05 above and below the truth; and a force that is no activation."""
    legs = {"r": "Right", "l": "Left"}
    names, columns = [], []
    for label, column in zip(MUSCLES, truth(TIME).T, strict=True):
        muscle, side = label.split("_")
        part = f"{STUDY}.{legs[side]}.Leg.Mus"
        if muscle == "soleus":
            names += [f"{part}.SoleusMedialis1.Activity", f"{part}.SoleusLateralis1.Activity"]
            columns += [column + 0.05, column - 0.05]
        else:
            names.append(f"{part}.TibialisAnterior1.Activity")
            columns.append(column)
    names.append(f"{STUDY}.Right.Leg.Mus.SoleusMedialis1.Fm")
    columns.append(700 * TIME)
    rule = "-" * 58
    names.insert(0, "Main.Study.t")
    lines = [
        *("", "---- AnyBody Output File ---------------------------------"),
        *("Study: Main.Study", "Operation: Main.Study.InverseDynamics", rule),
        *("Constants (Name = Value):", 'Main.Study.outputfile.FileName = "out.txt"', "", rule),
        *("Variables (Column# Name):", *(f"col{i} {name}" for i, name in enumerate(names)), rule),
        " ".join(f"{name:>22s}" for name in names),
    ]
    lines += [" ".join(f"{v:22.15e}" for v in row) for row in np.column_stack([TIME, *columns])]
    path.write_text("\n".join(lines) + "\n")
    rows = [f"{name},{muscle_of(name)}" for name in names[1:-1]]
    (path.parent / "map.csv").write_text("\n".join(["column,muscle,side", *rows]) + "\n")


def muscle_of(name):
    return f"{'soleus' if 'Soleus' in name else 'tibant'},{'r' if 'Right' in name else 'l'}"


def simm(path):
    """SIMM's names are gait2392's."""
    table = np.column_stack([TIME, truth(TIME)])
    names = ("soleus_r", "tib_ant_r", "soleus_l", "tib_ant_l")
    head = (
        f"name walk\ndatacolumns 5\ndatarows {len(TIME)}\notherdata 1\nrange 0.0 3.0\nendheader\n"
    )
    rows = ["\t".join(("time", *names)), *("\t".join(f"{v:.9f}" for v in row) for row in table)]
    path.write_text(head + "\n".join(rows) + "\n")


def mujoco(path):
    header = ",".join(("time", *MUSCLES))
    table = np.column_stack([TIME, truth(TIME)])
    np.savetxt(path, table, delimiter=",", header=header, comments="", fmt="%.9g")


def moco(path):
    names = [f"/forceset/{label}/activation" for label in MUSCLES]
    names += ["/jointset/ankle_r/ankle_angle_r/value", *(f"/forceset/{m}" for m in MUSCLES)]
    values = [truth(TIME), TIME[:, None], np.full((len(TIME), 4), 0.7)]
    table = np.column_stack([TIME, *values])
    head = "inDegrees=no\nnum_controls=4\nnum_states=5\nDataType=double\nversion=3\nendheader\n"
    rows = ["\t".join(("time", *names)), *("\t".join(f"{v:.16g}" for v in row) for row in table)]
    path.write_text(head + "\n".join(rows) + "\n")


PROGRAMS = {
    "anybody": (anybody, "out.txt", "map.csv"),
    "simm": (simm, "walk.mot", ""),
    "mujoco": (mujoco, "activation.csv", ""),
    "moco": (moco, "solution.sto", ""),
}


@pytest.fixture
def folder(tmp_path):
    store(tmp_path / "emg.sto", ("sol",), (0.4 * TIME)[:, None], TIME)
    (tmp_path / "channels.csv").write_text("column,muscle\nsol,soleus\n")
    return tmp_path


def manifest(folder, name, simulated_map):
    (folder / "manifest.csv").write_text(
        f"{HEADER},simulated_map\ns1,free,1.2,r,{name},emg.sto,0.5,1.5,{simulated_map}\n"
    )
    return folder / "manifest.csv"


@pytest.mark.parametrize("program", PROGRAMS)
def test_activations_of_other_programs_are_the_planted_ones(program, folder):
    write, name, simulated_map = PROGRAMS[program]
    write(folder / name)
    table = manifest(folder, name, simulated_map)
    done = CliRunner().invoke(
        command, ["build", str(table), "-o", str(folder / "cohort"), "--json"]
    )
    assert done.exit_code == 0, done.output
    cohort = load_cohort(folder / "cohort")
    assert cohort.channel_names == ["soleus_ipsi", "tibant_ipsi", "soleus_contra", "tibant_contra"]
    times = np.linspace(0.5, 1.5, 101)
    np.testing.assert_allclose(cohort.simulated[0], truth(times), atol=1e-6)
    np.testing.assert_allclose(cohort.measured[0, :, 0], 0.4 * times, atol=1e-6)
    notes = " ".join(json.loads(done.stdout)["notes"])
    if program == "anybody":
        assert "means of several columns: soleus_r of 2, soleus_l of 2" in notes
        assert "columns left out (1), not in map.csv" in notes
        assert "SoleusMedialis1.Fm" in notes


def test_anybody_with_semicolons_and_no_sections(folder):
    anybody(folder / "out.txt")
    lines = (folder / "out.txt").read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip().startswith("Main.Study.t "))
    short = ["---- AnyBody Output File ----", *(";".join(line.split()) for line in lines[start:])]
    (folder / "out.txt").write_text("\n".join(short) + "\n")
    cohort = build_cohort(manifest(folder, "out.txt", "map.csv"))
    np.testing.assert_allclose(cohort.simulated[0], truth(np.linspace(0.5, 1.5, 101)), atol=1e-6)


def test_anybody_cut_or_without_names_is_refused(folder):
    anybody(folder / "out.txt")
    text = (folder / "out.txt").read_text()
    (folder / "out.txt").write_text(text[:-40])
    with pytest.raises(InputError, match=r"out.txt, line \d+: expected 8 cells, found 7"):
        build_cohort(manifest(folder, "out.txt", "map.csv"))
    (folder / "out.txt").write_text(text.replace("Main.Study.t ", "Main.Study.x "))
    with pytest.raises(InputError, match=r"expected one column of times, .* found 0"):
        build_cohort(manifest(folder, "out.txt", "map.csv"))
    (folder / "out.txt").write_text(text[: text.index("---- AnyBody") + 40])
    with pytest.raises(InputError, match="expected column names and numbers, found none"):
        build_cohort(manifest(folder, "out.txt", "map.csv"))


def test_without_a_map_anybodys_names_are_not_guessed(folder):
    anybody(folder / "out.txt")
    with pytest.raises(InputError, match="expected muscle activations such as soleus_r"):
        build_cohort(manifest(folder, "out.txt", ""))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a,solus,r", "expected a known muscle; did you mean soleus"),
        ("a,soleus,x", "column side: expected r or l, found 'x'"),
        ("a,soleus,", "column side: expected r or l, found an empty cell"),
        (",soleus,r", "column column: expected a value"),
        ("a,soleus,r\na,tibant,l", "expected each column once, found 'a' again"),
    ],
)
def test_wrong_maps_are_refused(tmp_path, row, message):
    (tmp_path / "map.csv").write_text(f"column,muscle,side\n{row}\n")
    with pytest.raises(InputError, match=message):
        read_simulated_map(tmp_path / "map.csv")


def test_a_column_that_the_file_has_not_is_named(folder):
    mujoco(folder / "activation.csv")
    (folder / "map.csv").write_text("column,muscle,side\nsoleus_R,soleus,r\n")
    with pytest.raises(InputError, match=r"expected column 'soleus_R' .* did you mean soleus_r"):
        build_cohort(manifest(folder, "activation.csv", "map.csv"))
