"""The MuJoCo route with MuJoCo: energy, hand calculations, a real walk, the command."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from support.moving_legs import (
    COORDINATES,
    OPTIONS,
    PLATES,
    TIME,
    changed,
    coordinates,
    osim,
    standing,
    written,
)

from nem2e_tf.cli.simulate_stages import mujoco as command
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import read_storage
from nem2e_tf.muscles import RAJAGOPAL, parse_label
from nem2e_tf.simulate.mujoco.dynamics import frames, load_body
from nem2e_tf.simulate.mujoco.inputs import (
    SEGMENTS,
    Ground,
    ground_from,
    motion_from,
    read_sizes,
)
from nem2e_tf.simulate.mujoco.route import LOWEST, simulate

MISSING = [name for name in ("mujoco", "myo_sim") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.mujoco,
    pytest.mark.skipif(
        bool(MISSING),
        reason=f"{' and '.join(MISSING)} not installed: pip install 'nem2e-tf[mujoco]'",
    ),
]


def nothing(time=TIME):
    return Ground(time, {}, "nothing")


@pytest.fixture(scope="module")
def body():
    return load_body(mass=70.0)


@pytest.fixture(scope="module")
def swing():
    """A motion in the air with all joints moving, and its times."""
    time = np.linspace(0, 1, 201)
    return motion_from(coordinates(time), cutoff=0), np.linspace(0.1, 0.9, 33)


def test_muscles_have_known_names_and_all_are_there(body):
    assert len(body.muscles) == 80
    labels = [parse_label(name) for name in body.muscles]
    for side in "rl":
        assert {label.muscle for label in labels if label.side == side} == set(RAJAGOPAL)
    np.testing.assert_allclose(body.model.body_mass.sum(), 70)


def test_moments_do_the_work_that_changes_the_energy(body, swing):
    """Power of all moments = rate of kinetic and potential energy, couplings included."""
    import mujoco

    motion, times = swing
    energy, power = [], []
    rates = np.gradient(motion.angles, motion.time, axis=0, edge_order=2)
    for time, frame in zip(times, frames(body, motion, nothing(motion.time), times), strict=True):
        mujoco.mj_energyPos(body.model, body.data)
        mujoco.mj_energyVel(body.model, body.data)
        energy.append(body.data.energy.sum())
        speed = [np.interp(time, motion.time, column) for column in rates.T]
        power.append(frame.moment @ speed + frame.residual @ body.data.qvel[:6])
    change = np.gradient(energy, times, edge_order=2)
    # The gradient over 25 ms is the least accurate part.
    np.testing.assert_allclose(power, change, atol=0.03 * np.ptp(change))


def test_at_rest_the_trunk_carries_the_weight(body):
    motion = motion_from(coordinates(**dict.fromkeys(COORDINATES, 0.1 + 0 * TIME)), cutoff=0)
    (frame,) = frames(body, motion, nothing(), np.array([0.5]))
    np.testing.assert_allclose(frame.residual[:3], [0, 70 * 9.80665, 0], atol=0.01)
    held = ground_from(standing(70 * 9.80665), PLATES)
    (frame,) = frames(body, motion, held, np.array([0.5]))
    np.testing.assert_allclose(frame.residual[:3], 0, atol=0.01)


def test_a_force_under_the_heel_acts_with_its_lever(body):
    motion = motion_from(coordinates(**dict.fromkeys(COORDINATES, 0.0 * TIME)), cutoff=0)
    times = np.array([0.5])
    (free,) = frames(body, motion, nothing(), times)
    ankle = body.data.xpos[body.model.body("talus_r").id].copy()
    hip = body.data.xpos[body.model.body("femur_r").id].copy()
    force, place = np.array([0, 700.0, 0]), ankle + np.array([0.1, -0.1, 0])
    wrench = np.concatenate([force, np.cross(place, force)])
    loaded_ground = Ground(TIME, {"r": np.tile(wrench, (len(TIME), 1))}, "made")
    (loaded,) = frames(body, motion, loaded_ground, times)
    change = loaded.moment - free.moment
    axis = body.model.jnt_axis[body.joints["ankle_angle_r"]]
    lever = np.cross(place - ankle, force)
    np.testing.assert_allclose(change[4], -lever @ axis, rtol=1e-6)
    np.testing.assert_allclose(change[0], -np.cross(place - hip, force)[2], rtol=1e-6)
    assert not change[5:].any()


def test_muscles_pull_the_way_they_do(body, swing):
    motion, times = swing
    frame = next(iter(frames(body, motion, nothing(motion.time), times)))
    of = {
        (joint, muscle): frame.strength[i, j]
        for i, joint in enumerate(motion.joints)
        for j, muscle in enumerate(body.muscles)
    }
    for side in "rl":
        for joint, muscle, sign in (
            ("ankle_angle", "soleus", -1),
            ("ankle_angle", "tibant", 1),
            ("knee_angle", "vaslat", -1),
            ("knee_angle", "bfsh", 1),
            ("hip_flexion", "iliacus", 1),
            ("hip_flexion", "glmax2", -1),
            ("hip_adduction", "glmed2", -1),
            ("hip_adduction", "addlong", 1),
        ):
            assert sign * of[f"{joint}_{side}", f"{muscle}_{side}"] > 1
    for joint in ("ankle_angle_l", "hip_flexion_r"):
        assert abs(of[joint, "soleus_r"]) < 1e-9


def test_a_scaled_person_has_longer_levers_and_as_strong_muscles(tmp_path, body):
    own = {}
    for segment in SEGMENTS:
        child = next(
            i
            for i in range(body.model.nbody)
            if body.model.body_parentid[i] == body.model.body(segment).id
        )
        own[segment] = body.model.body_pos[child]
    joints = {
        segment: (joint, " ".join(repr(float(v)) for v in 1.1 * own[segment]))
        for segment, (joint, _) in SEGMENTS.items()
    }
    (tmp_path / "big.osim").write_text(osim(joints))
    big = load_body(mass=70.0, sizes=read_sizes(tmp_path / "big.osim"))
    motion = motion_from(coordinates(**dict.fromkeys(COORDINATES, 0.3 + 0 * TIME)), cutoff=0)
    (small_frame,) = frames(body, motion, nothing(), np.array([0.5]))
    (big_frame,) = frames(big, motion, nothing(), np.array([0.5]))
    # With all lengths 1.1 times as long, so are the moments of gravity and of muscles.
    np.testing.assert_allclose(big_frame.moment, 1.1 * small_frame.moment, rtol=1e-6)
    np.testing.assert_allclose(big_frame.strength, 1.1 * small_frame.strength, atol=0.01)


def test_another_model_is_refused(tmp_path):
    path = tmp_path / "other.xml"
    path.write_text(
        "<mujoco><worldbody><body><freejoint/><geom size='1'/></body></worldbody></mujoco>"
    )
    with pytest.raises(InputError, match=r"other.xml: expected the myoLegs model, found no "):
        load_body(mass=70.0, path=path)
    path.write_text("<mujoco>")
    with pytest.raises(InputError, match=r"other.xml: expected the myoLegs model, cannot read"):
        load_body(mass=70.0, path=path)
    with pytest.raises(InputError, match=r"none.xml: expected the myoLegs model"):
        load_body(mass=70.0, path=tmp_path / "none.xml")


def test_the_sign_of_the_knee_does_not_change_the_activation(tmp_path):
    run = {"plates": PLATES, "mass": 70.0, "rate": 20.0}
    plain = simulate(*map(Path, written(tmp_path)), **run)
    made = coordinates()
    for side in "rl":
        made = changed(made, f"knee_angle_{side}", -made.column(f"knee_angle_{side}"))
    other = simulate(*map(Path, written(tmp_path, made)), **run)
    np.testing.assert_allclose(
        other.activation.data[:, :80], plain.activation.data[:, :80], atol=1e-6
    )
    for label, sign in (("knee_angle_r", -1), ("hip_flexion_r", 1)):
        np.testing.assert_allclose(
            other.moments.column(f"{label}_moment"),
            sign * plain.moments.column(f"{label}_moment"),
            atol=1e-6,
        )


def test_the_command_writes_opensims_format_and_reports_quality(tmp_path):
    out, moments = tmp_path / "a.sto", tmp_path / "m.sto"
    arguments = [*written(tmp_path), *OPTIONS, "--rate", "20", "--moments", str(moments)]
    done = CliRunner().invoke(command, [*arguments, "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    reported = json.loads(done.stdout)
    found = read_storage(out)
    assert found.n_rows == 21
    assert found.labels[80:82] == ("hip_flexion_r_reserve", "hip_adduction_r_reserve")
    assert found.data[:, :80].min() >= LOWEST
    assert found.data[:, :80].max() <= 1
    peaks = np.abs(read_storage(moments).column("ankle_angle_l_moment")).max()
    ankle = next(row for row in reported["reserves"] if row["coordinate"] == "ankle_angle_l")
    np.testing.assert_allclose(ankle["moment"], peaks)
    reserve = np.abs(found.column("ankle_angle_l_reserve")).max()
    np.testing.assert_allclose(ankle["reserve"], reserve)
    assert any("masses of myoLegs multiplied by" in note for note in reported["notes"])
    again = CliRunner().invoke(command, [*arguments, "-o", str(out)])
    assert f"{out}: 21 rows, " in again.stdout


def test_frames_cover_the_time_of_both_motion_and_forces(tmp_path):
    forces = standing()
    part = (TIME > 0.195) & (TIME < 0.805)
    short = replace(forces, time=TIME[part], data=forces.data[part])
    run = {"plates": PLATES, "mass": 70.0, "rate": 10.0}
    found = simulate(*map(Path, written(tmp_path, forces=short)), **run)
    np.testing.assert_allclose(found.activation.time, np.arange(0.2, 0.81, 0.1))
    assert any("frames from 0.2 to 0.8 s of 0 to 1 s" in note for note in found.notes)
    with pytest.raises(InputError, match=r"from 0.1 to 0.8 s, found 0.2 to 0.8 s"):
        simulate(*map(Path, written(tmp_path, forces=short)), start=0.1, **run)


def test_forces_that_do_not_balance_the_weight_are_reported(tmp_path):
    arguments = [*OPTIONS, "--rate", "5", "-o", str(tmp_path / "a.sto")]
    done = CliRunner().invoke(command, [*written(tmp_path, forces=standing(300.0)), *arguments])
    assert "of the body weight is not balanced" in done.stderr
    still = coordinates(**dict.fromkeys(COORDINATES, 0.1 + 0 * TIME))
    carried = written(tmp_path, still, standing(70 * 9.80665))
    done = CliRunner().invoke(command, [*carried, *arguments])
    assert done.exit_code == 0, done.output
    assert "not balanced" not in done.stderr.replace("held at 0 and not balanced", "")
    assert "0.0 N (0% of the weight)" in done.stdout


def test_a_motion_too_demanding_for_the_muscles_is_reported(tmp_path):
    arguments = [*written(tmp_path, forces=standing(20000.0)), *OPTIONS, "--rate", "5"]
    done = CliRunner().invoke(command, [*arguments, "-o", str(tmp_path / "a.sto")])
    assert done.exit_code == 0, done.output
    assert "warning: reserves above 10% of the moment (and 1 N m) in" in done.stderr
    assert "too much" in done.stdout


@pytest.mark.shared_data
def test_a_real_walk_agrees_with_opensim(shared_data):
    """Moments against OpenSim's inverse dynamics, activations against MocoInverse."""
    folder = shared_data / "opensim_walk3d"
    # The coordinates are smooth already.
    found = simulate(
        folder / "coordinates.sto",
        folder / "grf_walk.mot",
        plates=PLATES,
        scaled_model=folder / "subject_walk_scaled.osim",
        cutoff=0.0,
        rate=50.0,
        start=0.5,
        end=1.75,
    )
    reference = read_storage(folder / "id_walk.sto")
    for label in found.moments.labels:
        ours, theirs = _both(found.moments, label, reference, label)
        assert np.corrcoef(ours, theirs)[0, 1] > 0.98, label
        assert np.sqrt(np.mean((ours - theirs) ** 2)) < 0.06 * np.ptp(theirs), label
    moco = read_storage(folder / "moco_inverse_states.sto")
    agreement = [
        np.corrcoef(*_both(found.activation, name, moco, f"/forceset/{name}/activation"))[0, 1]
        for name in found.activation.labels[:80]
    ]
    assert np.median(agreement) > 0.85
    assert all(gate.passed and gate.reserve < 0.1 for gate in found.gates)


@pytest.mark.shared_data
def test_without_segment_lengths_moments_are_similar_but_worse(shared_data):
    folder = shared_data / "opensim_walk3d"
    options = {"plates": PLATES, "cutoff": 0.0, "rate": 25.0, "start": 0.5, "end": 1.75}
    files = (folder / "coordinates.sto", folder / "grf_walk.mot")
    found = simulate(*files, mass=85.27, **options)
    reference = read_storage(folder / "id_walk.sto")
    for joint in ("hip_flexion", "knee_angle", "ankle_angle"):
        for side in "rl":
            label = f"{joint}_{side}_moment"
            assert np.corrcoef(*_both(found.moments, label, reference, label))[0, 1] > 0.9


def _both(ours, label, theirs, other):
    return ours.column(label), np.interp(ours.time, theirs.time, theirs.column(other))
