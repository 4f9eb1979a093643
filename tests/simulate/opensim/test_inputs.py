"""Inputs that are read before OpenSim runs: models, loads, motion, markers."""

import numpy as np
import pytest
from support.simulating import said
from support.tiny_motion import (
    COORDINATES,
    MUSCLES,
    write_angles,
    write_forces,
    write_markers,
    write_model,
)

from nem2e_tf.errors import InputError
from nem2e_tf.simulate.opensim.files import read_model
from nem2e_tf.simulate.opensim.inputs import (
    Load,
    read_loads,
    read_markers,
    read_motion,
    require_cover,
    span_of,
)


@pytest.fixture
def model(tmp_path):
    write_model(tmp_path / "model.osim")
    return read_model(tmp_path / "model.osim")


def test_free_dependent_and_root_coordinates_of_a_model(model):
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
def test_models_of_all_versions_are_read(shared_data, name, muscles, free, mass):
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
    said(error, "cut.osim, line", "expected an OpenSim model", "complete")
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
def test_plates_are_assigned_by_their_names(tmp_path, model, prefixes, bodies):
    write_forces(tmp_path / "forces.mot", prefixes=prefixes)
    loads = read_loads(tmp_path / "forces.mot", model)
    assert [load.body for load in loads.loads] == list(bodies)
    assert [load.force for load in loads.loads] == [f"{prefix}v" for prefix in prefixes]
    assert bool(loads.notes) == (prefixes[1] == "1_ground_force_")
    # one foot is in contact until 0.2 s, then both
    assert loads.peak(0, 0.19) == 700
    assert loads.peak(0, 1) == 1400


def test_plates_with_ambiguous_names_must_be_assigned(tmp_path, model):
    file = tmp_path / "forces.mot"
    write_forces(file, prefixes=("force_a_", "force_b_"))
    with pytest.raises(InputError) as error:
        read_loads(file, model)
    said(error, "left and right", "force_a_v, force_b_v", "load: BODY=PREFIX")
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
def test_loads_as_xml_are_used_unchanged(shared_data):
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
    """Steps of 1e-7 to 1e-2 s, as residual reduction writes them."""
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
    said(error, "walk.trc", "'V.Sacral'", "skip missing markers")
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
    said(error, "walk", "0.5 to 2 s", "1 to 2 s", "choose start and end")
    with pytest.raises(InputError) as error:
        span_of((1.8, 1.2), time, where="walk")
    said(error, "start: expected a time before the end")
    with pytest.raises(InputError) as error:
        require_cover(time, (1, 2.5), where="forces.mot", what="forces")
    said(error, "forces.mot: expected forces from 1 to 2.5 s, found 1 to 2 s")
