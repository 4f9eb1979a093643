"""Checks by planted faults, and on real recordings: the right leg passes, the other does not."""

from dataclasses import replace

import numpy as np
import pytest

from nem2e_tf.cohorts.checks import signals as checks
from nem2e_tf.cohorts.checks.alignment import align, judge
from nem2e_tf.cohorts.checks.recordings import align_storages, check_storage, name_and_side, seen_by
from nem2e_tf.errors import InputError
from nem2e_tf.io.storage import Storage, read_storage
from nem2e_tf.muscles import RAJAGOPAL

TIME = np.arange(0, 6, 0.01)
WALK = "opensim_walk3d"


def bursts(time, *places, width=0.08):
    phase = np.mod(time, 1.1) / 1.1
    return 0.05 + sum(np.exp(-0.5 * ((phase - place) / width) ** 2) for place in places)


def pair(late=0.0):
    """Simulation of both legs and EMG of one; the simulation is late by so many seconds."""
    places = [(0.3,), (0.1, 0.8), (0.5,)]
    own = np.stack([bursts(TIME - late, *p) for p in places], axis=1)
    other = np.stack([bursts(TIME - late - 0.55, *p) for p in places], axis=1)
    emg_time = np.arange(-1, 7, 0.002)
    emg = np.stack([bursts(emg_time, *p) for p in places], axis=1) * [1, 5, 0.01]
    return own, other, emg_time, emg


@pytest.mark.parametrize("late", [-0.2, -0.033, 0.0, 0.06, 0.2])
def test_lag_is_found_with_its_sign(late):
    own, other, emg_time, emg = pair(late)
    found = align(TIME, own, other, emg_time, emg, muscles=("a", "b", "c"))
    np.testing.assert_allclose(found.lag, late, atol=0.002)
    assert found.mean_lag == pytest.approx(late, abs=0.002)
    np.testing.assert_allclose(found.best_r, 1, atol=5e-3)
    assert [f.kind for f in judge(found)] == (["clock"] if abs(late) > 0.1 else [])


def test_the_other_leg_is_shouted_at():
    own, other, emg_time, emg = pair()
    found = judge(align(TIME, other, own, emg_time, emg, muscles=("a", "b", "c")))
    assert [(f.kind, f.severity) for f in found] == [("other leg", "wrong")]
    assert "OTHER LEG" in found[0].message
    assert judge(align(TIME, own, None, emg_time, emg, muscles=("a", "b", "c"))) == []


@pytest.mark.parametrize(("late", "reported"), [(-0.07, True), (-0.05, False), (0.07, False)])
def test_an_implausible_lag_is_reported_though_r_gains_little(late, reported):
    """A cosine of 1.1 s loses only 0.08 of r by 70 ms."""
    names, phases = ("a", "b", "c"), np.array([0.3, 0.6, 0.9])
    own, emg = (1 + np.cos(2 * np.pi * (t[:, None] / 1.1 - phases)) for t in (TIME - late, TIME))
    found = align(TIME, own, None, TIME, emg, muscles=names)
    assert found.mean_best_r - found.mean_r < 0.1
    assert [f.kind for f in judge(found)] == (["clock"] if reported else [])
    # One muscle may lag, alone or among others.
    assert judge(align(TIME, own[:, :1], None, TIME, emg[:, :1], muscles=("a",))) == []
    own[:, 1:] = emg[:, 1:]
    assert judge(align(TIME, own, None, TIME, emg, muscles=names)) == []


def test_gaps_and_dead_muscles_do_not_spoil_the_others():
    own, other, emg_time, emg = pair(0.05)
    emg[1000:1500] = np.nan
    emg[:, 2] = 3.0
    found = align(TIME, own, other, emg_time, emg, muscles=("a", "b", "c"))
    assert np.isnan(found.r[2])
    assert found.mean_lag == pytest.approx(0.05, abs=0.003)


def test_what_cannot_be_compared_is_refused():
    own, other, emg_time, emg = pair()
    with pytest.raises(InputError, match=r"overlap by at least 0\.3 s"):
        align(TIME, own, other, emg_time + 100, emg, muscles=("a", "b", "c"))
    with pytest.raises(InputError, match="of 2 muscles"):
        align(TIME, own, other, emg_time, emg, muscles=("a", "b"))


@pytest.mark.parametrize(
    ("simulated", "measured", "right_side", "r"),
    [
        (f"{WALK}/moco_inverse_states.sto", f"{WALK}/electromyography.sto", "r", (0.54, -0.24)),
        (
            f"{WALK}/left_leg_18_muscles/moco_inverse_states.sto",
            f"{WALK}/left_leg_18_muscles/emg.sto",
            "l",
            (0.61, -0.15),
        ),
    ],
)
@pytest.mark.shared_data
def test_real_recordings(shared_data, simulated, measured, right_side, r):
    simulation, emg = read_storage(shared_data / simulated), read_storage(shared_data / measured)
    found = align_storages(simulation, emg, side=right_side)
    assert judge(found) == []
    np.testing.assert_allclose((found.mean_r, found.mean_other_r), r, atol=0.01)
    wrong = align_storages(simulation, emg, side="l" if right_side == "r" else "r")
    assert [f.kind for f in judge(wrong)] == ["other leg"]
    for shift in (0.15, -0.15):
        shifted = align_storages(simulation, replace(emg, time=emg.time + shift), side=right_side)
        # EMG that is later makes the simulation earlier.
        assert found.mean_lag - shifted.mean_lag == pytest.approx(shift, abs=0.010)
        assert [f.kind for f in judge(shifted)] == ["clock"]


@pytest.mark.shared_data
def test_treadmill_recording(shared_data):
    folder = shared_data / "treadmill_walk"
    simulation, emg = read_storage(folder / "so_activation.sto"), read_storage(folder / "emg.sto")
    found = align_storages(simulation, emg)
    # The published correlations of this pair, muscle by muscle.
    known = {"gasmed": 0.89, "vasmed": 0.83, "gaslat": 0.81, "vaslat": 0.81, "soleus": 0.65}
    for muscle, r in known.items():
        at = found.muscles.index(f"{muscle}_l_activation")
        assert found.r[at] == pytest.approx(r, abs=0.015)
    assert judge(found) == []
    for shift, late in ((0.15, "130 ms early"), (-0.15, "170 ms late")):
        reported = judge(align_storages(simulation, replace(emg, time=emg.time + shift)))
        assert [f.kind for f in reported] == ["clock"]
        assert late in reported[0].message
    assert [f.where for f in check_storage(emg, emg=True) if f.kind == "duplicate"] == [
        "vaslat_l_activation, vasint_l_activation"
    ]
    assert check_storage(simulation, emg=False) == []


def test_signals_by_planted_faults():
    rng = np.random.default_rng(0)
    good = rng.normal(size=(1000, 1))
    labels = ("good", "twin", "dead", "clipped", "absent")
    data = np.concatenate(
        [good, good, np.full((1000, 1), 0.3), np.clip(3 * good[::-1], -1, 1), good * np.nan], axis=1
    )
    # Clipping shows where several samples in a row stay at the limit.
    data[100:140, 3] = 1.0
    data[300:340, 3] = -1.0
    assert [f.where for f in checks.duplicated(labels, data)] == ["good, twin"]
    assert [f.where for f in checks.dead(labels, data)] == ["dead", "absent"]
    assert [f.where for f in checks.clipped(labels, data)] == ["clipped", "clipped"]
    assert [f.where for f in checks.missing(labels, data)] == ["absent"]
    time = np.concatenate([np.arange(0, 1, 0.01), np.arange(1.5, 2, 0.01)])
    assert [f.where for f in checks.gaps(time)] == ["0.99 s"]
    assert checks.gaps(np.arange(0, 1, 0.01)) == checks.gaps(np.array([1.0])) == []


def test_activations_and_reserves_have_their_measures():
    labels = (
        "soleus_r",
        "gasmed_r",
        "tibant_r",
        "hip_r_reserve",
        "knee_r_reserve",
        "pelvis_ty_reserve",
        "knee_angle",
    )
    data = np.array([[0.0, -0.1, 600.0, 0.9, 8.0, 90.0, 70.0], [1.0, 1.2, 3.0, -3.0, 0.0, 0, 0]])
    assert [(f.where, f.severity) for f in checks.activation_range(labels, data)] == [
        ("gasmed_r", "note"),
        ("tibant_r", "wrong"),
    ]
    assert [(f.where, f.severity) for f in checks.reserves(labels, data)] == [
        ("hip_r_reserve", "note"),
        ("knee_r_reserve", "wrong"),
    ]


def test_names_of_emg_channels():
    for label, expected in (
        ("soleus_l_activation", ("soleus", "l")),
        ("Rectus femoris", ("Rectus femoris", "")),
        ("tib_ant_right.emg", ("tib_ant", "r")),
    ):
        assert name_and_side(label) == expected
    assert seen_by("gluteus_maximus", RAJAGOPAL) == ("glmax1", "glmax2", "glmax3")
    assert seen_by("biceps_femoris", ["bfsh"]) == ("bfsh",)
    assert seen_by("Vastus lateralis", RAJAGOPAL) == ("vaslat",)
    assert seen_by("wrist", RAJAGOPAL) == ()
    assert seen_by("soleus", ["tibant"]) == ()


def test_a_side_and_a_known_muscle_are_needed():
    simulation = Storage("", ("soleus_r",), TIME, bursts(TIME, 0.3)[:, None])
    emg = Storage("", ("soleus",), TIME, bursts(TIME, 0.3)[:, None])
    with pytest.raises(InputError, match="side: expected left or right"):
        align_storages(simulation, emg)
    with pytest.raises(InputError, match="EMG columns that are muscles"):
        align_storages(simulation, replace(emg, labels=("wrist",)), side="r")
    assert np.isnan(align_storages(simulation, emg, side="r").other_r[0])
