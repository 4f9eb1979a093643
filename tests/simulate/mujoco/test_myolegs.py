"""The MuJoCo route without MuJoCo: sharing, motion, ground reaction, sizes and wrong use."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear
from support.moving_legs import (
    JOINTS,
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
from nem2e_tf.simulate.mujoco.inputs import (
    NEEDED,
    Ground,
    ground_from,
    motion_from,
    read_sizes,
)
from nem2e_tf.simulate.mujoco.route import LOWEST, share


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 7), st.integers(1, 40), st.integers(0, 10**6), st.floats(0, 3))
def test_sharing_agrees_with_a_general_solver(joints, muscles, seed, size):
    random = np.random.default_rng(seed)
    strength = random.normal(0, 40, (joints, muscles))
    moment = random.normal(0, 10**size, joints)
    found = share(strength, moment)
    # min |a|^2 + |moment - strength a|^2 over LOWEST <= a <= 1: the reserves are the rest.
    table = np.vstack([np.eye(muscles), strength])
    goal = np.concatenate([np.zeros(muscles), moment])
    other = lsq_linear(table, goal, bounds=(LOWEST, 1), method="bvls", tol=1e-14)
    np.testing.assert_allclose(found.activation, other.x, atol=1e-6)
    np.testing.assert_allclose(strength @ found.activation + found.reserve, moment, atol=1e-6)


def test_the_reserve_gives_the_rest_of_the_moment():
    found = share(np.array([[30.0, -20.0]]), np.array([100.0]))
    np.testing.assert_allclose(found.activation, [1, LOWEST])
    np.testing.assert_allclose(found.reserve, [100 - 30 + 20 * LOWEST])


def test_the_first_guess_does_not_change_the_solution():
    random = np.random.default_rng(1)
    strength, moment = random.normal(0, 50, (7, 40)), random.normal(0, 50, 7)
    plain = share(strength, moment)
    for guess in (plain.reserve, 100 * random.normal(size=7)):
        again = share(strength, moment, guess=guess)
        np.testing.assert_allclose(again.activation, plain.activation, atol=1e-8)


def test_nan_is_refused():
    with pytest.raises(InputError, match="expected finite moments"):
        share(np.ones((1, 2)), np.array([np.nan]))


def test_motion_keeps_names_and_numbers():
    motion = motion_from(coordinates(lumbar_extension=TIME), cutoff=0)
    assert motion.joints[:5] == tuple(f"{joint}_r" for joint in NEEDED)
    np.testing.assert_allclose(motion.pelvis[:, 4], 1 + 0.02 * np.sin(2 * np.pi * TIME))
    np.testing.assert_allclose(motion.angles[25, 3], 1)
    assert any("held at 0 and not balanced: subtalar_angle_r" in note for note in motion.notes)
    assert any(
        "not used: 1 other coordinates, such as lumbar_extension" in note for note in motion.notes
    )


def test_degrees_paths_and_negative_knees_are_equivalent():
    made = coordinates(mtp_angle_r=0.1 * TIME)
    plain = motion_from(made, cutoff=0)
    turned = made.data.copy()
    for index, label in enumerate(made.labels):
        turned[:, index] *= -1 if label.startswith(("knee", "mtp")) else 1
        turned[:, index] *= 1 if label[-3:] in ("_tx", "_ty", "_tz") else 180 / np.pi
    labels = tuple(f"/jointset/some/{label}/value" for label in made.labels)
    speeds = tuple(f"/jointset/some/{label}/speed" for label in made.labels)
    other = replace(
        made, labels=labels + speeds, data=np.hstack([turned, 9 + turned]), in_degrees=True
    )
    again = motion_from(other, cutoff=0)
    np.testing.assert_allclose(again.pelvis, plain.pelvis)
    np.testing.assert_allclose(again.angles, plain.angles, atol=1e-12)
    assert [j for j, s in zip(again.joints, again.signs, strict=True) if s < 0] == [
        *("knee_angle_r", "mtp_angle_r", "knee_angle_l")
    ]
    assert any("knee flexion is negative" in note for note in again.notes)


def test_the_unit_of_angles_can_be_given_if_the_file_has_none():
    made = replace(coordinates(), in_degrees=None)
    rad, degrees = (motion_from(made, cutoff=0, in_degrees=unit) for unit in (False, True))
    np.testing.assert_allclose(np.deg2rad(rad.angles), degrees.angles)
    np.testing.assert_array_equal(rad.pelvis[:, 3:], degrees.pelvis[:, 3:])
    with pytest.raises(InputError, match="expected angles in the stated unit, found inDegrees=no"):
        motion_from(coordinates(), in_degrees=True)


def test_only_used_coordinates_must_be_unique():
    made = coordinates(force=TIME)
    doubled = replace(
        made, labels=(*made.labels, "force"), data=np.hstack([made.data, made.data[:, :1]])
    )
    assert len(motion_from(doubled, cutoff=0).joints) == 10
    doubled = replace(doubled, labels=(*made.labels, "pelvis_tx"))
    with pytest.raises(InputError, match="expected coordinate 'pelvis_tx' once"):
        motion_from(doubled)


def test_uneven_times_are_resampled_with_a_note():
    time = TIME + 0.002 * np.sin(20 * TIME)
    motion = motion_from(coordinates(time), cutoff=0)
    expected = 1 + 0.02 * np.sin(2 * np.pi * motion.time)
    np.testing.assert_allclose(motion.pelvis[:, 4], expected, atol=1e-6)
    assert any("uneven steps" in note for note in motion.notes)


def test_the_filter_removes_high_frequencies():
    noisy = coordinates(pelvis_tx=np.sin(2 * np.pi * TIME) + 0.1 * np.sin(2 * np.pi * 40 * TIME))
    motion = motion_from(noisy, cutoff=6.0)
    middle = slice(20, 81)
    expected = np.sin(2 * np.pi * TIME)[middle]
    np.testing.assert_allclose(motion.pelvis[middle, 3], expected, atol=5e-3)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        (lambda s: replace(s, in_degrees=None), {}, "expected inDegrees=yes or no"),
        (lambda s: replace(s, labels=("tilt", *s.labels[1:])), {}, "coordinate 'pelvis_tilt'"),
        (lambda s: replace(s, time=s.time[:9], data=s.data[:9]), {}, "at least 40 frames, found 9"),
        (lambda s: replace(s, time=np.zeros_like(s.time)), {}, "expected increasing times"),
        (lambda s: s, {"cutoff": 60.0}, "expected Hz between 0 and 50"),
        (
            lambda s: changed(s, "hip_flexion_l", np.nan),
            {},
            "column hip_flexion_l: expected finite numbers, found nan",
        ),
        (lambda s: changed(s, "knee_angle_l", -1.0), {}, "negative in knee_angle_l only"),
    ],
)
def test_motions_that_cannot_be_used_are_refused(change, options, message):
    with pytest.raises(InputError, match=message):
        motion_from(change(coordinates()), **options)


def test_moments_are_about_the_origin_and_interpolated_linearly():
    ground = ground_from(standing(), PLATES)
    # 350 N up at z = 0.1 m: moment -35 N m about x.
    expected = [0, 350, 0, -35, 0, 0]
    np.testing.assert_allclose(ground.at(np.array([0.2, 0.205]))["r"], [expected, expected])


def test_a_centre_of_pressure_without_force_does_no_harm():
    made = standing()
    data = made.data.copy()
    data[50:, :3], data[50:, 3:6] = 0.0, 331.7
    ground = ground_from(replace(made, data=data), PLATES)
    between = ground.at(np.array([0.495]))["r"][0]
    np.testing.assert_allclose(between, [0, 175, 0, -17.5, 0, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, labels=("fx", *s.labels[1:])), "column 'ground_force_r_vx'"),
        (
            lambda s: changed(s, "ground_force_r_vy", -1.0),
            "expected the largest force upward along y",
        ),
        (
            lambda s: changed(s, "ground_force_l_vz", 900.0),
            "ground_force_l_v: expected the largest",
        ),
        (lambda s: changed(s, "ground_force_l_px", np.nan), "expected finite numbers, found nan"),
    ],
)
def test_forces_that_cannot_be_right_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        ground_from(change(standing()), PLATES)


def test_forces_must_cover_the_motion_without_gaps():
    ground = ground_from(standing(), PLATES)
    with pytest.raises(InputError, match=r"from 0.5 to 1.2 s, found 0 to 1 s"):
        ground.at(np.array([0.5, 1.2]))
    keep = (TIME < 0.4) | (TIME > 0.6)
    holed = Ground(TIME[keep], {"r": np.zeros((keep.sum(), 6))}, "forces")
    with pytest.raises(InputError, match=r"found a gap of 0.22 s after 0.39 s"):
        holed.at(np.array([0.3, 0.7]))


def test_sizes_are_read_from_a_model(tmp_path):
    model = tmp_path / "scaled.osim"
    joints = {**JOINTS, "femur_l": ("walker_knee_l", "0.1 -0.5 0")}
    model.write_text(osim(joints))
    sizes = read_sizes(model)
    assert sizes.mass == 18.5
    np.testing.assert_array_equal(sizes.ends["tibia_r"], [0, -0.4, 0.01])
    np.testing.assert_array_equal(sizes.ends["femur_l"], [0.1, -0.5, 0])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<OpenSimDocument>", "expected an OpenSim model"),
        ("<OpenSimDocument/>", "expected a model of OpenSim 4"),
        (osim({**JOINTS, "tibia_r": ("ankle_r", "0 0 0")}), "'ankle_r' away from the origin"),
        (osim({k: v for k, v in JOINTS.items() if k != "calcn_l"}), "expected a joint 'mtp_l'"),
        (osim({**JOINTS, "tibia_r": ("ankle_r", "0 x 0")}), "expected numbers, found '0 x 0'"),
        (osim(JOINTS).replace("mass", "weight"), "expected bodies with a mass, found 0 kg"),
    ],
)
def test_models_without_sizes_are_refused(tmp_path, text, message):
    (tmp_path / "scaled.osim").write_text(text)
    with pytest.raises(InputError, match=message):
        read_sizes(tmp_path / "scaled.osim")


def test_without_mujoco_the_error_states_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    done = CliRunner().invoke(
        command, [*written(tmp_path), *OPTIONS, "-o", str(tmp_path / "a.sto")]
    )
    assert isinstance(done.exception, InputError)
    assert "pip install 'nem2e-tf[mujoco]'" in str(done.exception)
    assert not (tmp_path / "a.sto").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mass", "-3"], "expected kg above 0, found -3"),
        (["--rate", "0"], "expected frames per second above 0"),
        (["--start", "2"], "walk.mot, found 2 to 1 s"),
        (["--model", "none.osim"], "expected an OpenSim model (.osim), found no such file"),
        (["--plate-left", "left"], "expected a column 'left_vx'"),
        (["--moments", "none/m.sto"], "expected an existing folder none"),
    ],
)
def test_wrong_options_are_one_line_and_write_nothing(tmp_path, options, message):
    out = tmp_path / "a.sto"
    arguments = [*written(tmp_path), *OPTIONS, *options, "-o", str(out)]
    done = CliRunner().invoke(command, arguments)
    assert isinstance(done.exception, InputError)
    assert message in str(done.exception)
    assert not out.exists()
