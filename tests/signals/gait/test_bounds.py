"""Contacts by force and by markers, cycles of both feet, shared plates, odd cycles."""

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import read_storage
from nem2e_tf.io.trc import read_trc
from nem2e_tf.signals.gait import (
    contacts,
    contacts_from_markers,
    cycles_between,
    outlier_cycles,
    refuse_shared_plate,
    several_feet,
    stances,
)

TIME = np.arange(0, 5, 0.01)


def steps(time, *, stance=0.6):
    return np.where(np.mod(time, 1.0) < stance, 700.0, 0.0)


def test_noise_between_the_levels_makes_no_contact():
    force = steps(TIME)
    # In swing the force wanders between the release level and just above the threshold.
    swing = force == 0
    force[swing] = 25.0
    force[np.flatnonzero(swing)[5::10]] = 31.0
    assert len(contacts(TIME, force)) == 0
    assert len(contacts(TIME, force, release=30.0, shortest_swing=0, shortest_stance=0)) > 4
    force[swing] = np.where(force[swing] > 30, 29.0, 15.0)
    np.testing.assert_allclose(contacts(TIME, force), [1, 2, 3, 4])


def test_a_knock_is_no_stance_and_a_cut_stance_counts():
    force = steps(TIME)
    force[180:183] = 300.0
    np.testing.assert_allclose(contacts(TIME, force), [1, 2, 3, 4])
    np.testing.assert_allclose(contacts(TIME, force, shortest_stance=0.0), [1, 1.8, 2, 3, 4])
    # The recording ends 20 ms into a stance.
    np.testing.assert_allclose(contacts(TIME[:403], force[:403]), [1, 2, 3, 4])


def test_stances_have_ends():
    found = stances(TIME, steps(TIME))
    assert np.isnan(found[0][0])
    np.testing.assert_allclose(found[1:4], [(1, 1.6), (2, 2.6), (3, 3.6)])
    assert stances([], []) == []
    with pytest.raises(InputError, match="at most the threshold"):
        stances(TIME, steps(TIME), release=40.0)


def test_right_to_left_is_a_step():
    right, left = [0.0, 1.0, 2.0, 3.0], [0.52, 1.48, 3.55]
    assert cycles_between(right, left) == [(0.0, 0.52), (1.0, 1.48), (3.0, 3.55)]
    assert cycles_between(left, right) == [(0.52, 1.0), (1.48, 2.0)]
    assert cycles_between(right, []) == []


def walk(time, *, heading=0.3, speed=1.3, treadmill=False):
    """Heel of a sawtooth gait: quick forward in swing, slow back in stance, contact at whole s."""
    phase = np.mod(time, 1.0)
    ahead = np.where(phase < 0.6, 0.35 - 0.7 * phase / 0.6, -0.35 + 0.7 * (phase - 0.6) / 0.4)
    pelvis = np.outer(0 * time if treadmill else speed * time, [np.cos(heading), np.sin(heading)])
    return pelvis + np.outer(ahead, [np.cos(heading), np.sin(heading)]), pelvis


@pytest.mark.parametrize("treadmill", [True, False])
@pytest.mark.parametrize("heading", [0.0, 1.2, np.pi, -1.6])
def test_contacts_from_markers_in_any_direction(heading, treadmill):
    time = np.arange(0.3, 6.2, 0.01)
    found = contacts_from_markers(time, *walk(time, heading=heading, treadmill=treadmill))
    np.testing.assert_allclose(found, [1, 2, 3, 4, 5, 6], atol=0.011)


def test_bad_markers_are_refused():
    time = np.arange(0, 3, 0.01)
    heel, pelvis = walk(time)
    heel[120, 0] = np.nan
    with pytest.raises(InputError, match=r"found a gap at 1\.2 s"):
        contacts_from_markers(time, heel, pelvis)
    with pytest.raises(InputError, match="evenly spaced"):
        contacts_from_markers(time**2, *walk(time))
    with pytest.raises(InputError, match=r"expected \[frame, 2\]"):
        contacts_from_markers(time, heel[:, :1], pelvis)


@pytest.mark.shared_data
def test_treadmill_has_54_left_contacts_and_one_foot_a_plate(shared_data):
    forces = read_storage(shared_data / "treadmill_walk" / "grf.mot")
    assert len(contacts(forces.time, forces.column("1_ground_force_vy"))) == 54
    for plate in ("", "1_"):
        vertical = forces.column(f"{plate}ground_force_vy")
        centre = [forces.column(f"{plate}ground_force_p{axis}") for axis in "xz"]
        refuse_shared_plate(forces.time, vertical, np.stack(centre, 1), where="grf.mot")
    # Both feet on one plate: forces added, centre of pressure weighed by them.
    both = [forces.column(f"{plate}ground_force_vy") for plate in ("", "1_")]
    total = both[0] + both[1]
    centre = np.stack(
        [
            sum(
                f * forces.column(f"{plate}ground_force_p{axis}")
                for f, plate in zip(both, ("", "1_"), strict=True)
            )
            / np.maximum(total, 1.0)
            for axis in "xz"
        ],
        axis=1,
    )
    with pytest.raises(InputError, match="several feet hit this plate"):
        refuse_shared_plate(forces.time, total, centre, where="grf.mot")


@pytest.mark.shared_data
def test_markers_alone_find_contacts_within_30_ms_of_force(shared_data):
    folder = shared_data / "opensim_walk3d"
    markers = read_trc(folder / "markers_walk.trc")
    forces = read_storage(folder / "grf_walk.mot")
    pelvis = markers.marker("S2")[:, [0, 2]]
    for side in "rl":
        by_force = contacts(forces.time, forces.column(f"ground_force_{side}_vy"))
        heel = markers.marker(f"{side.upper()}.Heel")[:, [0, 2]]
        found = contacts_from_markers(markers.time, heel, pelvis)
        assert len(by_force) >= 1
        for contact in by_force:
            assert np.abs(found - contact).min() < 0.030


def test_second_foot_on_a_plate_is_seen_overground():
    time = np.linspace(0, 1.4, 141)
    force = np.where((time > 0.1) & (time < 1.3), 700.0, 0.0)
    one = np.stack([0.2 * time, 0 * time], axis=1)
    two = one + np.where(time < 0.7, 0, 0.6)[:, None] * [1.0, 0.0]
    assert several_feet(time, force, one) == []
    assert several_feet(time, force, two) == [(0.11, 1.3)]
    with pytest.raises(InputError, match="centre of pressure"):
        several_feet(time, force, one[:, :1])


def test_odd_cycles_are_flagged_for_what_is_odd():
    rng = np.random.default_rng(0)
    shape = np.sin(np.linspace(0, np.pi, 101))
    curves = np.stack([shape, 2 * shape], axis=1) * rng.normal(1, 0.05, (20, 1, 1))
    durations = rng.normal(1.1, 0.02, 20)
    assert outlier_cycles(durations, curves) == []
    durations[3] = 1.5
    curves[7, :, 1] = curves[7, ::-1, 1] * 3
    curves[9, 5, 0] = np.nan
    found = outlier_cycles(durations, curves)
    assert [(o.cycle, o.what, o.column) for o in found] == [(3, "duration", -1), (7, "curve", 1)]
    assert all(o.deviations > 5 for o in found)
    assert outlier_cycles(durations[:4], curves[:4]) == []
    with pytest.raises(InputError, match="a duration for each cycle"):
        outlier_cycles(durations[:3], curves)


def test_marker_file(tmp_path):
    text = (
        "PathFileType\t4\t(X/Y/Z)\tx.trc\nDataRate\tUnits\n100\tmm\n"
        "Frame#\tTime\tR.Heel\t\t\tS2\t\t\n\t\tX1\tY1\tZ1\tX2\tY2\tZ2\n\n"
        "1\t0.0\t1000\t2\t3\t4\t5\t6\n2\t0.01\t\t\t\t7\t8\t9\n"
    )
    (tmp_path / "x.trc").write_text(text)
    markers = read_trc(tmp_path / "x.trc")
    assert markers.names == ("R.Heel", "S2")
    np.testing.assert_allclose(markers.marker("R.Heel"), [[1, 0.002, 0.003], [np.nan] * 3])
    with pytest.raises(InputError, match=r"did you mean R\.Heel"):
        markers.marker("R.Heal")
    for old, new, message in (
        ("mm", "inch", "expected Units"),
        ("1000", "x", "line 7, column 3"),
        ("\t9\n", "\t9\t10\n", "line 8: expected 8 cells"),
        ("PathFileType", "x", "expected a marker file"),
    ):
        (tmp_path / "y.trc").write_text(text.replace(old, new))
        with pytest.raises(InputError, match=message):
            read_trc(tmp_path / "y.trc")
