"""Stages with OpenSim itself, on recordings, compared with published results.

Tolerances are those of OpenSim's own tests (Applications/*/tests in opensim-core): inverse
kinematics 0.2 degrees; scaling 1e-6 m; residual reduction 0.5 degrees and 1e-4 m of the torso's
centre of mass; computed muscle control 0.02 rad, 0.25 rad/s and 0.02 of activation to the standard,
1.5 degrees and 5 mm to the motion tracked. All are root mean squares over time, as there.
"""

import json
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from support.simulating import call, opensim

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import read_storage
from nem2e_tf.simulate.opensim.activation import MOCO, SO, MocoSettings, SoSettings
from nem2e_tf.simulate.opensim.files import read_model
from nem2e_tf.simulate.opensim.kinematics import IK, SCALE, IkSettings, ScaleSettings
from nem2e_tf.simulate.opensim.stage import run_stage
from nem2e_tf.simulate.opensim.tracking import CMC, RRA, CmcSettings, RraSettings

__all__ = ["opensim"]

pytestmark = [
    pytest.mark.opensim,
    pytest.mark.shared_data,
    pytest.mark.usefixtures("opensim"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def gait(shared_data):
    return shared_data / "opensim_gait2354"


def differences(found, standard):
    """Root mean squared difference of each column, at the standard's times."""
    found, standard = read_storage(found), read_storage(standard)
    rows = (standard.time >= found.time[0] - 1e-9) & (standard.time <= found.time[-1] + 1e-9)
    time = standard.time[rows]
    assert len(time) > 1
    assert set(standard.labels) <= set(found.labels)
    return {
        label: rms(np.interp(time, found.time, found.column(label)) - standard.column(label)[rows])
        for label in standard.labels
    }


def rms(errors):
    return float(np.sqrt(np.mean(errors**2)))


def places(model, tag):
    return {
        one.get("name"): np.array([float(n) for n in one.findtext("location").split()])
        for one in ET.parse(model).getroot().iter(tag)
    }


@pytest.mark.parametrize("own", [True, False])
def test_scale(gait, tmp_path, own):
    folder = gait / "scale"
    settings = ScaleSettings(
        model=folder / "gait2354_simbody.osim",
        mass=72.6,
        static=folder / "subject01_static.trc",
        measurements=folder / "gait2354_Scale_MeasurementSet.xml",
        factors=folder / "subject01_Scale_ScaleSet.xml",
        marker_set=folder / "gait2354_Scale_MarkerSet.xml",
        tasks=folder / "gait2354_Scale_Tasks.xml",
        start=1,
        end=2,
    )
    result = run_stage(
        SCALE, folder / "subject01_Setup_Scale.xml" if own else settings, tmp_path / "out"
    )
    standard = folder / "std_subject01_simbody.osim"
    for tag, count in (("Marker", 39), ("PathPoint", 150)):
        found, wanted = places(result.outputs["model"], tag), places(standard, tag)
        assert set(found) == set(wanted)
        assert len(found) == count
        assert max(np.abs(found[name] - wanted[name]).max() for name in wanted) < 1e-6
    assert read_model(result.outputs["model"]).mass == pytest.approx(72.6)
    assert [gate.name for gate in result.gates] == ["largest marker error", "marker error, RMS"]


def test_scale_by_height(gait, tmp_path):
    generic = gait / "scale" / "gait2354_simbody.osim"
    result = run_stage(
        SCALE, ScaleSettings(generic, 60, height=1.62, model_height=1.8), tmp_path / "out"
    )
    found = places(result.outputs["model"], "PathPoint")
    wanted = places(generic, "PathPoint")
    for name in ("soleus_r-P1", "soleus_l-P2"):
        np.testing.assert_allclose(found[name], 0.9 * wanted[name], rtol=1e-6)
    assert read_model(result.outputs["model"]).mass == pytest.approx(60)


@pytest.mark.parametrize("kind", ["own", "files", "generated"])
def test_inverse_kinematics(gait, tmp_path, kind):
    folder = gait / "ik"
    settings = IkSettings(
        model=folder / "subject01_simbody.osim",
        markers=folder / "subject01_synthetic_marker_data.trc",
        tasks=folder / "gait2354_IK_Tasks.xml" if kind == "files" else None,
        start=0.4,
        end=1.6,
    )
    own = folder / "subject01_Setup_InverseKinematics.xml"
    result = run_stage(IK, own if kind == "own" else settings, tmp_path / "out")
    found = differences(result.outputs["motion"], folder / "std_subject01_walk1_ik.mot")
    assert len(found) == 23
    assert max(found.values()) < 0.2
    assert all(gate.passed for gate in result.gates)
    # The example does not include the tasks that its setup names.
    assert (kind == "own") == any(
        "Tasks_uniform.xml, which is missing" in note for note in result.notes
    )


@pytest.mark.parametrize("kind", ["own", "files", "generated"])
def test_residual_reduction(gait, tmp_path, kind):
    folder = gait / "rra"
    files = {
        "tasks": folder / "gait2354_RRA_Tasks.xml",
        "actuators": folder / "gait2354_RRA_Actuators.xml",
        "constraints": folder / "gait2354_RRA_ControlConstraints.xml",
    }
    settings = RraSettings(
        model=folder / "subject01_simbody.osim",
        motion=folder / "subject01_walk1_ik.mot",
        forces=folder / "subject01_externalForces.xml",
        start=0.75,
        end=0.78,
        cutoff=-1,
        **(files if kind == "files" else {}),
    )
    own = folder / "subject01_Setup_RRA.xml"
    result = run_stage(RRA, own if kind == "own" else settings, tmp_path / "out")
    assert (
        max(differences(result.outputs["motion"], folder / "expected_kinematics_q.sto").values())
        < 0.5
    )
    (torso,) = (
        body.findtext("mass_center")
        for body in ET.parse(result.outputs["model"]).getroot().iter("Body")
        if body.get("name") == "torso"
    )
    wanted = [0.00598028440188985017, 0.34551, 0.1]
    np.testing.assert_allclose([float(n) for n in torso.split()], wanted, atol=1e-4)
    assert {gate.name for gate in result.gates} == {
        "residual force",
        "residual moment",
        "tracking of angles, RMS",
        "tracking of distances, RMS",
    }


def test_computed_muscle_control(gait, tmp_path):
    """With the muscles of OpenSim's test, which renames Thelen2003Muscle to its older formula.

    With today's formula activations differ by up to 0.12 from the same standard.
    """
    folder = gait / "cmc"
    model = tmp_path / "model.osim"
    text = (folder / "subject01_simbody_adjusted.osim").read_text()
    model.write_text(text.replace("Thelen2003Muscle", "Thelen2003Muscle_Deprecated"))
    settings = CmcSettings(
        model=model,
        motion=folder / "subject01_walk1_RRA_Kinematics_initial_q.sto",
        forces=folder / "subject01_externalForces.xml",
        start=0.77,
        end=0.90,
        cutoff=-1,
        tasks=folder / "gait2354_CMC_Tasks.xml",
        actuators=folder / "gait2354_CMC_Actuators.xml",
        constraints=folder / "gait2354_CMC_ControlConstraints.xml",
    )
    result = run_stage(CMC, settings, tmp_path / "out")
    states = differences(result.outputs["states"], folder / "expected_states.sto")
    speeds = {label for label in states if label.endswith("/speed")}
    assert len(speeds) == 23
    assert max(states[label] for label in speeds) < 0.25
    assert max(states[label] for label in set(states) - speeds) < 0.02
    motion = differences(result.outputs["motion"], folder / "expected_kinematics_q.sto")
    distances = {label for label in motion if label.startswith("pelvis_t") and label[-1] in "xyz"}
    assert max(motion[label] for label in distances) < 0.005
    assert max(motion[label] for label in set(motion) - distances) < 1.5
    assert "reserve" in {gate.name for gate in result.gates}


def test_computed_muscle_control_with_a_users_setup(gait, tmp_path):
    """With today's muscles the kinematics are still within 0.02 rad of the standard."""
    folder = gait / "cmc"
    result = run_stage(CMC, folder / "subject01_Setup_CMC.xml", tmp_path / "out")
    states = differences(result.outputs["states"], folder / "expected_states.sto")
    assert max(value for label, value in states.items() if label.endswith("/value")) < 0.02
    assert 0.02 < max(v for label, v in states.items() if label.endswith("/activation")) < 0.2


def test_static_optimization_repeats_a_recording(shared_data, tmp_path):
    folder = shared_data / "treadmill_walk"
    settings = SoSettings(
        model=folder / "model.osim",
        motion=folder / "ik.sto",
        forces=folder / "grf.mot",
        start=10.9,
        end=11.7,
    )
    result = run_stage(SO, settings, tmp_path / "out")
    found = read_storage(result.outputs["activation"])
    whole = read_storage(folder / "so_activation.sto")
    rows = (whole.time > 10.899) & (whole.time < 11.701)
    assert found.labels == whole.labels
    np.testing.assert_allclose(found.time, whole.time[rows], atol=1e-6)
    np.testing.assert_allclose(found.data, whole.data[rows], atol=1e-3)
    published = read_storage(folder / "published_so_states.sto")
    for muscle in ("gasmed_l", "gaslat_l", "vasmed_l", "vaslat_l", "vasint_l"):
        theirs = published.column(f"/forceset/{muscle}/activation")
        ours = np.interp(published.time, found.time, found.column(muscle))
        assert np.corrcoef(ours, theirs)[0, 1] > 0.95, muscle
    reserve = next(gate for gate in result.gates if gate.name == "reserve")
    assert reserve.passed


OWN_MOCO = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40600">
<MocoInverse name="own">
  <initial_time>0.6</initial_time>
  <final_time>0.65</final_time>
  <mesh_interval>0.05</mesh_interval>
  <ModelProcessor name="model">
    <filepath>{folder}/subject_walk_scaled.osim</filepath>
    <operators>
      <ModOpAddExternalLoads><filepath>{folder}/grf_walk.xml</filepath></ModOpAddExternalLoads>
      <ModOpIgnoreTendonCompliance />
      <ModOpReplaceMusclesWithDeGrooteFregly2016 />
      <ModOpIgnorePassiveFiberForcesDGF />
      <ModOpScaleActiveFiberForceCurveWidthDGF>
        <scale_factor>1.5</scale_factor>
      </ModOpScaleActiveFiberForceCurveWidthDGF>
      <ModOpAddReserves>
        <optimal_force>50</optimal_force>
        <bound>1000</bound>
      </ModOpAddReserves>
    </operators>
  </ModelProcessor>
  <TableProcessor name="kinematics">
    <filepath>{motion}</filepath>
    <operators>
      <TabOpLowPassFilter><cutoff_frequency>6</cutoff_frequency></TabOpLowPassFilter>
      <TabOpUseAbsoluteStateNames />
    </operators>
  </TableProcessor>
  <kinematics_allow_extra_columns>true</kinematics_allow_extra_columns>
  <convergence_tolerance>0.001</convergence_tolerance>
  <constraint_tolerance>0.001</constraint_tolerance>
  <max_iterations>{iterations}</max_iterations>
</MocoInverse>
</OpenSimDocument>
"""


@pytest.mark.slow
def test_moco_inverse(shared_data, tmp_path):
    folder = shared_data / "opensim_walk3d"
    settings = MocoSettings(
        model=folder / "subject_walk_scaled.osim",
        motion=folder / "coordinates.sto",
        forces=folder / "grf_walk.xml",
        start=0.6,
        end=0.65,
        reserve=50,
        interval=0.05,
    )
    result = run_stage(MOCO, settings, tmp_path / "out")
    found = read_storage(result.outputs["states"])
    assert (found.time[0], found.time[-1]) == (0.6, pytest.approx(0.65))
    assert "/forceset/soleus_r/activation" in found.labels
    assert {gate.name for gate in result.gates} == {"residual force", "residual moment", "reserve"}
    # the same problem with a setup file of the user
    setup = tmp_path / "own.xml"
    given = {"folder": folder, "motion": result.folder / "motion.sto"}
    text = OWN_MOCO.format(**given, iterations=2000)
    setup.write_text(text)
    again = run_stage(MOCO, setup, tmp_path / "own")
    np.testing.assert_allclose(read_storage(again.outputs["states"]).data, found.data, atol=1e-6)
    assert [gate.value for gate in again.gates] == pytest.approx(
        [gate.value for gate in result.gates]
    )
    assert run_stage(MOCO, setup, tmp_path / "own").reused
    # without a solution, and with missing elements
    setup.write_text(OWN_MOCO.format(**given, iterations=1))
    with pytest.raises(InputError, match="MocoInverse found no solution: Maximum_Iterations"):
        run_stage(MOCO, setup, tmp_path / "own")
    setup.write_text(text.replace("ModOpAddExternalLoads", "ModOpIgnoreTendonCompliance"))
    with pytest.raises(InputError, match="expected <ModOpAddExternalLoads/filepath>, found none"):
        run_stage(MOCO, setup, tmp_path / "own")
    setup.write_text(text.replace(str(given["motion"]), str(folder / "coordinates.sto")))
    with pytest.raises(
        InputError, match=r"all free coordinates in the kinematics, found no .*would read as NaN"
    ):
        run_stage(MOCO, setup, tmp_path / "own")


def test_from_markers_to_activations_in_one_command(shared_data, tmp_path, capsys):
    folder = shared_data / "opensim_walk3d"
    arguments = ["simulate", "chain", "--model", folder / "subject_walk_scaled.osim"]
    arguments += ["--motion", folder / "markers_walk.trc", "--forces", folder / "grf_walk.mot"]
    arguments += ["--mass", 85.27, "--start", 0.9, "--end", 1.0, "-o", tmp_path / "out"]
    code, printed, _ = call(capsys, *arguments)
    assert code == 0
    assert "largest marker error" in printed
    table = read_storage(tmp_path / "out" / "activation.sto")
    assert table.labels == read_model(folder / "subject_walk_scaled.osim").muscles
    assert len(table.labels) == 80
    assert (table.data >= 0).all()
    # single stance of the right leg: its calf is active and the other is not
    assert table.column("soleus_r").mean() > table.column("soleus_l").mean() + 0.05
    stages = json.loads((tmp_path / "out" / "chain.json").read_text())["stages"]
    assert [stage["stage"] for stage in stages] == ["ik", "so"]
