"""Gates and tables of finished stages; setup files of users; projects."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from support.simulating import said
from support.tiny_motion import write_markers, write_model

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage, write_storage
from nem2e_tf.simulate.opensim.chain import read_project
from nem2e_tf.simulate.opensim.dynamics import activations
from nem2e_tf.simulate.opensim.files import take_over
from nem2e_tf.simulate.opensim.stage import (
    Result,
    marker_gates,
    reserve_gate,
    residual_gates,
    tracking_gates,
    verified,
)


def test_values_and_limits_of_the_gates():
    largest, rms = marker_gates(np.array([0.01, 0.05]), np.array([0.01, 0.015]), where="R.Toe")
    assert (largest.value, largest.passed, largest.where) == (5, False, "R.Toe")
    assert (rms.value, rms.passed) == (1.5, True)
    force, moment = residual_gates(
        {"FX": np.array([10.0, -60.0]), "FY": np.array([50.0, 0.0])},
        {"MZ": np.array([9.0, -8.0])},
        external=1000.0,
        height=0.9,
    )
    assert (force.value, force.passed, force.where) == (6, False, "FX")
    assert (moment.value, moment.passed, moment.where) == (1, True, "MZ")
    (reserve,) = reserve_gate(
        {"knee": np.array([1.0, -3.0]), "lumbar": np.array([90.0]), "hip": np.array([1.0])},
        {"knee": np.array([-50.0, 20.0]), "lumbar": np.array([90.0]), "hip": np.array([100.0])},
        crossed=["knee", "hip"],
    )
    assert (reserve.value, reserve.where, reserve.passed) == (6, "knee", False)
    angle, distance = tracking_gates(
        {"knee": np.array([3.0, -4.0]), "hip": np.array([1.0, 1.0])},
        {"pelvis_tx": np.array([0.01, 0.01])},
    )
    assert angle.value == pytest.approx(np.sqrt(12.5))
    assert (angle.where, angle.passed) == ("knee", False)
    assert (distance.value, distance.passed) == (pytest.approx(1), True)


def test_tables_of_opensim_are_verified(tmp_path):
    with pytest.raises(InputError) as error:
        verified(tmp_path, "q.sto", stage="rra", span=(0, 1))
    said(error, "rra: expected OpenSim to write q.sto, found no such file")
    write_storage(
        tmp_path / "q.sto", Storage("q", ("a",), np.linspace(0, 1, 11), np.zeros((11, 1)))
    )
    assert verified(tmp_path, "q.sto", stage="rra", span=(0, 1)).n_rows == 11
    with pytest.raises(InputError) as error:
        verified(tmp_path, "q.sto", stage="rra", span=(0, 1.2))
    said(error, "rra, q.sto", "0 to 1.2 s", "0 to 1 s")


@pytest.mark.shared_data
def test_damaged_states_are_repaired(tmp_path, shared_data):
    """A file as OpenSim 4.6 leaves it at its exit, with old bytes over its start."""
    corpus = shared_data / "storage_corpus"
    damaged = [
        file
        for file in sorted(corpus.glob("*.sto"))
        if any("repaired" in note for note in _notes(file))
    ]
    assert damaged
    copy = shutil.copy(damaged[0], tmp_path / "states.sto")
    before = read_storage(copy)
    span = (float(before.time[0]), float(before.time[-1]))
    table = verified(tmp_path, "states.sto", stage="cmc", span=span)
    after = read_storage(copy)
    assert after.notes == ()
    assert after.labels == before.labels
    np.testing.assert_array_equal(after.data, table.data)


def _notes(file):
    try:
        return read_storage(file).notes
    except InputError:
        return ()


def test_activations_are_muscles_in_even_time(tmp_path):
    time = np.concatenate([np.linspace(0, 0.1, 7), [0.1], np.linspace(0.1003, 0.2, 40)])
    labels = ("/jointset/knee/value", "/forceset/b/activation", "/forceset/a/activation")
    data = np.stack([0 * time, time, 2 * time], axis=1)
    lines = ["states", "endheader", "\t".join(("time", *labels))]
    lines += ["\t".join(map(repr, row)) for row in np.column_stack([time, data]).tolist()]
    (tmp_path / "states.sto").write_text("\n".join(lines) + "\n")
    result = Result("cmc", tmp_path, {"states": tmp_path / "states.sto"}, (), (), 0)
    table = activations(result, ["a", "b"])
    np.testing.assert_allclose(table.time, 0.005 * np.arange(41), atol=1e-12)
    np.testing.assert_allclose(table.data, np.stack([2 * table.time, table.time], axis=1))
    with pytest.raises(InputError) as error:
        activations(result, ["c"])
    said(error, "activation of c")


def test_a_users_setup_gets_absolute_inputs_and_new_outputs(tmp_path):
    write_model(tmp_path / "model.osim")
    write_markers(tmp_path / "walk.trc")
    setup = tmp_path / "setup.xml"
    body = (
        "<model_file>model.osim</model_file><marker_file> walk.trc </marker_file>"
        "<time_range> 0.4 1.6 </time_range><coordinate_file/>"
        '<IKTaskSet file="none.xml"/><output_motion_file>mine.mot</output_motion_file>'
    )
    setup.write_text(
        f"<OpenSimDocument><InverseKinemtaticsTool>{body}</InverseKinemtaticsTool>"
        "</OpenSimDocument>"
    )
    own = take_over(setup, tool="InverseKinematicsTool")
    assert own.inputs == (setup, tmp_path / "model.osim", tmp_path / "walk.trc")
    assert own.numbers("time_range") == [0.4, 1.6]
    assert "none.xml" in own.notes[0]
    own.write(tmp_path / "out.xml", {"output_motion_file": "ik.mot", "report_errors": True})
    tool = ET.parse(tmp_path / "out.xml").getroot()[0]
    assert tool.findtext("marker_file") == str(tmp_path / "walk.trc")
    assert tool.findtext("output_motion_file") == "ik.mot"
    assert tool.findtext("report_errors") == "true"
    assert tool.findtext("time_range").split() == ["0.4", "1.6"]
    with pytest.raises(InputError) as error:
        take_over(setup, tool="CMCTool")
    said(error, "expected a setup file for CMCTool, found one for InverseKinematicsTool")
    (tmp_path / "walk.trc").unlink()
    with pytest.raises(InputError) as error:
        take_over(setup, tool="InverseKinematicsTool")
    said(error, "<marker_file>", "walk.trc")


PROJECT = """
model = "model.osim"
cutoff = 8
[[subject]]
name = "S1"
mass = 70.5
[[subject.trial]]
name = "walk1"
motion = "S1/walk1.trc"
forces = "S1/walk1.mot"
load = ["calcn_r=a"]
[[subject.trial]]
name = "walk2"
motion = "S1/walk2.trc"
forces = "S1/walk2.mot"
cutoff = 10.0
"""


def test_keys_of_a_project_apply_to_the_levels_below(tmp_path):
    file = tmp_path / "project.toml"
    file.write_text(PROJECT)
    first, second = read_project(file)
    assert (first.title, second.title) == ("S1/walk1", "S1/walk2")
    assert (first.settings.cutoff, second.settings.cutoff) == (8, 10)
    assert first.settings.model == second.settings.model == tmp_path / "model.osim"
    assert first.settings.motion == tmp_path / "S1" / "walk1.trc"
    assert first.settings.mass == 70.5
    assert first.settings.load == ("calcn_r=a",)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("cutoff = 8", "cutof = 8", ["top level", "'cutof'", "did you mean cutoff"]),
        ("mass = 70.5", 'mass = "70"', ["subject S1, mass", "a number", "'70'"]),
        ("mass = 70.5", "rra = 1", ["rra", "true or false"]),
        ('name = "walk2"', 'name = "walk1"', ["each trial once", "S1/walk1"]),
        ('name = "walk2"', 'name = "../walk"', ["a name valid for a folder"]),
        ('forces = "S1/walk2.mot"', "", ["trial S1/walk2", "expected forces"]),
        ("[[subject.trial]]", "[subject.trial]", ["expected a project file (TOML), found"]),
        ("cutoff = 8", "cutoff = ", ["expected a project file (TOML), found"]),
    ],
)
def test_a_wrong_project_is_refused(tmp_path, old, new, words):
    file = tmp_path / "project.toml"
    file.write_text(PROJECT.replace(old, new))
    with pytest.raises(InputError) as error:
        read_project(file)
    said(error, "project.toml", *words)


def test_no_module_imports_opensim():
    names = "chain", "kinematics", "activation", "tracking", "worker"
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module('nem2e_tf.simulate.opensim.' + name)\n"
        "print([n for n in ('opensim', 'scipy', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
