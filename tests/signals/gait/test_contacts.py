"""Foot contacts by force and by markers, and shared plates, on signals with known answers."""

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.io.trc import read_trc
from nem2e_tf.signals.gait import (
    contacts,
    contacts_from_markers,
    contacts_in,
    cycles_from_contacts,
    several_feet,
    stances,
)

TIME = np.arange(0, 5, 0.01)


def steps(time, *, stance=0.6, cycle=1.0, newtons=700.0):
    return np.where(np.mod(time, cycle) < stance, newtons, 0.0)


def test_contacts_are_first_samples_above_the_threshold():
    time = np.arange(0, 5, 0.01)
    # Starts in stance at 0: no contact there.
    np.testing.assert_allclose(contacts(time, steps(time)), [1, 2, 3, 4])
    # Starts in swing at 0.7: the contact at 1.0 counts.
    np.testing.assert_allclose(contacts(time[70:], steps(time)[70:]), [1, 2, 3, 4])


def test_threshold_is_exceeded_not_reached():
    time = [0.0, 0.1, 0.2, 0.3]
    np.testing.assert_array_equal(contacts(time, [0, 30, 31, 500]), [0.2])
    np.testing.assert_array_equal(contacts(time, [0, 30, 31, 500], threshold=29.9), [0.1])
    assert contacts(time, [0, 30, 31, 500], threshold=1000.0).size == 0


def test_chatter_within_a_short_swing_makes_no_contact():
    time = np.arange(0, 3, 0.01)
    force = steps(time)
    force[130] = 0.0
    np.testing.assert_allclose(contacts(time, force), [1, 2])
    np.testing.assert_allclose(contacts(time, force, shortest_swing=0.0), [1, 1.31, 2])


def test_bad_force_is_refused():
    with pytest.raises(InputError, match=r"found nan at 0\.1 s"):
        contacts([0.0, 0.1], [1.0, np.nan])
    with pytest.raises(InputError, match="one value per time stamp"):
        contacts([0.0, 0.1], [1.0])


@pytest.mark.shared_data
def test_contacts_of_the_shared_recording(shared_data):
    from nem2e_tf.io.storage import read_storage

    storage = read_storage(shared_data / "treadmill_walk" / "grf.mot")
    times = contacts(storage.time, storage.column("1_ground_force_vy"))
    cycles = cycles_from_contacts(times)
    assert (len(times), len(cycles)) == (54, 53)
    assert cycles[0] == (0.96, 2.08)


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
        assert len(contacts_in(forces, f"{plate}ground_force_vy")) in (54, 55)
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
    with pytest.raises(InputError, match="more than one foot touched this plate"):
        contacts_in(plate_of(forces.time, total, centre), "plate_vy")


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


def plate_of(time, force, centre):
    """A file of one plate."""
    labels = ("plate_vy", "plate_px", "plate_pz")
    return Storage("", labels, time, np.column_stack([force, centre]))


def test_second_foot_on_a_plate_is_seen_overground():
    time = np.linspace(0, 1.4, 141)
    force = np.where((time > 0.1) & (time < 1.3), 700.0, 0.0)
    one = np.stack([0.2 * time, 0 * time], axis=1)
    two = one + np.where(time < 0.7, 0, 0.6)[:, None] * [1.0, 0.0]
    assert several_feet(time, force, one) == []
    assert several_feet(time, force, two) == [(0.11, 1.3)]
    with pytest.raises(InputError, match="centre of pressure"):
        several_feet(time, force, one[:, :1])
