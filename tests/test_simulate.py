"""What simulation needs to know before OpenSim runs: models, loads, motion, setup files, gates."""

import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from tiny_motion import COORDINATES, MUSCLES, write_angles, write_forces, write_markers, write_model

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.activation import activations
from nem2e_tf.simulate.gates import marker_gates, reserve_gate, residual_gates, tracking_gates
from nem2e_tf.simulate.loads import Load, read_loads
from nem2e_tf.simulate.model_file import read_model
from nem2e_tf.simulate.motion import read_markers, read_motion, require_cover, span_of
from nem2e_tf.simulate.project import read_project
from nem2e_tf.simulate.setup_xml import take_over
from nem2e_tf.simulate.stage import Result, verified
from nem2e_tf.storage import Storage, read_storage, write_storage


def said(what, *words):
    """One line that holds all words."""
    text = str(what.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model.osim")
    return read_model(tmp_path / "model.osim")


def test_a_model_tells_what_is_free_driven_and_root(model):
    assert model.free == COORDINATES
    assert model.residual == ("pelvis_tilt", "pelvis_ty")
    assert model.muscles == MUSCLES
    assert model.actuated == ("pelvis_tilt",)
    assert (model.root_body, model.root_mass_center, model.mass) == ("pelvis", (-0.1, 0, 0), 30)
    held = {c.name: (c.locked, c.dependent, c.default) for c in model.coordinates}
    assert held["mtp_angle_l"] == (True, False, 0)
    assert held["knee_angle_r_beta"] == (False, True, 0)
    assert held["pelvis_ty"] == (False, False, 0.9)


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "muscles", "free", "mass"),
    [
        ("opensim_gait2354/scale/gait2354_simbody.osim", 54, 23, 75.1646),  # joints within bodies
        ("opensim_walk3d/subject_walk_scaled.osim", 80, 31, 85.2698),
        ("treadmill_walk/model.osim", 80, 21, 86.04),
    ],
)
def test_models_of_all_ages_are_read(shared_data, name, muscles, free, mass):
    found = read_model(shared_data / name)
    assert (len(found.muscles), len(found.free)) == (muscles, free)
    assert found.mass == pytest.approx(mass, rel=1e-5)
    assert found.root_body == "pelvis"
    assert len(found.residual) == 6


def test_a_model_that_cannot_be_read_is_refused(tmp_path, model):
    cut = tmp_path / "cut.osim"
    cut.write_text((tmp_path / "model.osim").read_text()[:700])
    with pytest.raises(InputError) as error:
        read_model(cut)
    said(error, "cut.osim, line", "expected an OpenSim model", "whole")
    with pytest.raises(InputError) as error:
        read_model(tmp_path / "none.osim")
    said(error, "none.osim", "no such file")
    other = tmp_path / "other.osim"
    other.write_text("<Something/>")
    with pytest.raises(InputError) as error:
        read_model(other)
    said(error, "<Something>")


@pytest.mark.parametrize(
    ("prefixes", "bodies"),
    [
        (("ground_force_r_", "ground_force_l_"), ("calcn_r", "calcn_l")),
        (("l_ground_force_", "r_ground_force_"), ("calcn_l", "calcn_r")),
        (("ground_force_", "l_ground_force_"), ("calcn_r", "calcn_l")),
        (("ground_force_", "1_ground_force_"), ("calcn_r", "calcn_l")),
    ],
)
def test_plates_are_told_by_their_names(tmp_path, model, prefixes, bodies):
    write_forces(tmp_path / "forces.mot", prefixes=prefixes)
    loads = read_loads(tmp_path / "forces.mot", model)
    assert [load.body for load in loads.loads] == list(bodies)
    assert [load.force for load in loads.loads] == [f"{prefix}v" for prefix in prefixes]
    assert bool(loads.notes) == (prefixes[1] == "1_ground_force_")
    # one foot stands until 0.2 s, then both
    assert loads.peak(0, 0.19) == 700
    assert loads.peak(0, 1) == 1400


def test_plates_that_do_not_tell_are_to_be_named(tmp_path, model):
    file = tmp_path / "forces.mot"
    write_forces(file, prefixes=("force_a_", "force_b_"))
    with pytest.raises(InputError) as error:
        read_loads(file, model)
    said(error, "left and right", "force_a_v, force_b_v", "--load BODY=PREFIX")
    loads = read_loads(file, model, given=["calcn_l=force_a_v", "calcn_r=force_b"])
    assert loads.loads == (
        Load("calcn_l", "force_a_v", "force_a_p", ""),
        Load("calcn_r", "force_b_v", "force_b_p", ""),
    )
    for text, words in (
        ("calcn_l", ["expected BODY=PREFIX"]),
        ("calcn_l=force_c_v", ["force_c_vx", "force_a_v"]),
        ("foot_l=force_a_v", ["expected a body of model.osim", "'foot_l'"]),
        ("calcn_x=force_a_v", ["did you mean", "calcn_r"]),
    ):
        with pytest.raises(InputError) as error:
            read_loads(file, model, given=[text])
        said(error, *words)


def test_a_force_that_is_nan_is_refused(tmp_path, model):
    file = tmp_path / "forces.mot"
    write_forces(file)
    file.write_text(file.read_text().replace("\t700.0\t", "\tnan\t", 1))
    with pytest.raises(InputError) as error:
        read_loads(file, model)
    said(error, "forces.mot", "ground_force_l_vy", "nan at 0 s")


@pytest.mark.shared_data
def test_loads_as_xml_are_taken_as_they_are(shared_data):
    folder = shared_data / "opensim_walk3d"
    model = read_model(folder / "subject_walk_scaled.osim")
    written, found = (read_loads(folder / f"grf_walk.{kind}", model) for kind in ("xml", "mot"))
    assert written.loads == found.loads
    assert found.loads[0] == Load(
        "calcn_r", "ground_force_r_v", "ground_force_r_p", "ground_torque_r_"
    )
    content = written.content()
    assert content.findtext("datafile") == str((folder / "grf_walk.mot").absolute())
    assert len(list(content.iter("ExternalForce"))) == 2


def test_motion_is_compared_with_the_model(tmp_path, model):
    file = tmp_path / "angles.sto"
    write_angles(file)
    motion, notes = read_motion(file, model)
    assert motion.path == file
    assert notes == ()
    write_angles(file, labels=COORDINATES[:3])
    _, notes = read_motion(file, model)
    assert "no column for 1 of 4 coordinates, such as knee_angle_l" in notes[0]
    write_angles(file, labels=("hip_l", "hip_r"))
    with pytest.raises(InputError) as error:
        read_motion(file, model)
    said(error, "joint angles of model.osim", "hip_l")


def test_paths_of_coordinates_become_names(tmp_path, model):
    labels = [f"/jointset/joint/{name}/value" for name in COORDINATES]
    write_angles(tmp_path / "angles.sto", labels=[*labels, "/jointset/joint/knee_angle_r/speed"])
    motion, _ = read_motion(tmp_path / "angles.sto", model)
    assert motion.labels == COORDINATES
    assert motion.path is None


def test_uneven_time_is_made_even(tmp_path, model):
    """As residual reduction writes it: steps of 1e-7 to 1e-2 s."""
    steps = np.tile([1e-7, 1e-4, 1e-2], 60)
    time = np.concatenate([[0.0], np.cumsum(steps)])
    write_angles(tmp_path / "angles.sto", time=time)
    motion, notes = read_motion(tmp_path / "angles.sto", model)
    step = np.diff(motion.time)
    np.testing.assert_allclose(step, step[0], rtol=1e-9)
    assert step[0] == pytest.approx(0.005, rel=0.01)
    np.testing.assert_allclose(motion.column("pelvis_tilt"), np.sin(motion.time), atol=2e-5)
    assert "resampled to" in notes[-1]


def test_rounded_time_stamps_are_even_enough(tmp_path, model):
    write_angles(tmp_path / "angles.sto", time=np.round(np.arange(60) / 60, 3))
    assert read_motion(tmp_path / "angles.sto", model)[0].path is not None


def test_markers_are_compared_with_the_model(tmp_path, model):
    file = tmp_path / "walk.trc"
    write_markers(file, names=("R.Heel", "L.Heel", "Sternum", "Extra"))
    assert read_markers(file, model)[1] == ("R.Heel", "L.Heel", "Sternum")
    with pytest.raises(InputError) as error:
        read_markers(file, model, wanted=["V.Sacral"])
    said(error, "walk.trc", "'V.Sacral'", "--skip-missing")
    with pytest.raises(InputError) as error:
        read_markers(file, model, wanted=["R.Heel", "Extra"])
    said(error, "model.osim", "'Extra'")
    write_markers(file, names=("r.heel", "l.heel", "Other"))
    with pytest.raises(InputError) as error:
        read_markers(file, model)
    said(error, "found 0 of 3", "'r.heel' is 'R.Heel' in the model")


def test_a_span_is_within_the_recording():
    time = np.linspace(1, 2, 11)
    assert span_of((None, 1.5), time, where="walk") == (1, 1.5)
    assert span_of((0.9995, 2.0005), time, where="walk") == (1, 2)
    with pytest.raises(InputError) as error:
        span_of((0.5, None), time, where="walk")
    said(error, "walk", "0.5 to 2 s", "1 to 2 s", "--start")
    with pytest.raises(InputError) as error:
        span_of((1.8, 1.2), time, where="walk")
    said(error, "start before the end")
    with pytest.raises(InputError) as error:
        require_cover(time, (1, 2.5), where="forces.mot", what="forces")
    said(error, "forces.mot: expected forces from 1 to 2.5 s, found 1 to 2 s")


def test_gates_measure_what_they_say():
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


def test_tables_that_opensim_promised_are_verified(tmp_path):
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
def test_damaged_states_are_rescued(tmp_path, shared_data):
    """A file as OpenSim 4.6 leaves it at its exit: stale bytes over its start."""
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


def test_a_users_setup_is_taken_over(tmp_path, model):
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
    assert own.span("time_range", "time_range") == (0.4, 1.6)
    assert "none.xml" in own.notes[0]
    own.write(tmp_path / "out.xml", {"output_motion_file": "ik.mot", "report_errors": True})
    tool = ET.parse(tmp_path / "out.xml").getroot()[0]
    assert tool.findtext("marker_file") == str(tmp_path / "walk.trc")
    assert tool.findtext("output_motion_file") == "ik.mot"
    assert tool.findtext("report_errors") == "true"
    assert tool.findtext("time_range").split() == ["0.4", "1.6"]
    with pytest.raises(InputError) as error:
        take_over(setup, tool="CMCTool")
    said(error, "expected a setup file of CMCTool, found one of InverseKinematicsTool")
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


def test_a_project_hands_its_keys_down(tmp_path):
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
        ("cutoff = 8", "cutof = 8", ["the top", "'cutof'", "did you mean cutoff"]),
        ("mass = 70.5", 'mass = "70"', ["subject S1, mass", "a number", "'70'"]),
        ("mass = 70.5", "rra = 1", ["rra", "true or false"]),
        ('name = "walk2"', 'name = "walk1"', ["each trial once", "S1/walk1"]),
        ('name = "walk2"', 'name = "../walk"', ["a name that can be a folder's"]),
        ('forces = "S1/walk2.mot"', "", ["trial S1/walk2", "expected forces"]),
        ("[[subject.trial]]", "[subject.trial]", ["cannot read it"]),
        ("cutoff = 8", "cutoff = ", ["cannot read it"]),
    ],
)
def test_a_wrong_project_is_refused(tmp_path, old, new, words):
    file = tmp_path / "project.toml"
    file.write_text(PROJECT.replace(old, new))
    with pytest.raises(InputError) as error:
        read_project(file)
    said(error, "project.toml", *words)


def test_nothing_of_it_imports_opensim():
    names = "chain", "project", "scale", "ik", "rra", "so", "cmc", "moco", "worker"
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n    importlib.import_module('nem2e_tf.simulate.' + name)\n"
        "print([n for n in ('opensim', 'scipy', 'pandas') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
