"""Amplitude, timing and shape: what was planted must be found."""

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.cohorts.synthetic.distortion import Distortion
from nem2e_tf.controls.oracle import split_gain, summarise_split, with_amplitude_of, with_timing_of
from nem2e_tf.errors import InputError
from nem2e_tf.training.rows import thin

FINE = np.linspace(0.0, 1.0, 101)


def curve(shift=0.0, gain=1.0):
    """A closed curve of two waves [1, 101, 1]."""
    angle = 2 * np.pi * (FINE - shift)
    return (gain * (1 + np.cos(angle) + 0.4 * np.sin(2 * angle)))[None, :, None]


def in_emg_units(made):
    """The simulation as the electrodes would see it, in units of each subject's EMG.

    Without this the oracle undoes two things: what was planted, and the units.
    """
    truth, subjects = made.truth, made.cohort.cycles["subject"].to_numpy()
    true = truth.latent.astype(float) @ truth.electrodes.T
    seen = made.cohort.simulated.astype(float) @ truth.electrodes.T
    for subject in np.unique(subjects):
        own = subjects == subject
        seen[own] *= truth.emg[own].sum(axis=(0, 1)) / true[own].sum(axis=(0, 1))
    return seen


def as_counterparts(made):
    """The simulation as it is: the mean of each muscle's counterparts."""
    cohort = made.cohort
    return np.stack(
        [cohort.simulated[:, :, list(row)].mean(axis=2) for row in cohort.counterparts], axis=2
    )


def split(made, simulated):
    cohort = made.cohort
    subjects, conditions = (cohort.cycles[c].to_numpy() for c in ("subject", "condition"))
    measured, oracle = thin(cohort.measured), thin(made.truth.oracle)
    rows = []
    for subject in np.unique(subjects):
        own = subjects == subject
        parts = split_gain(
            measured[own],
            simulated=simulated[own],
            refined=oracle[own],
            conditions=conditions[own].tolist(),
        )
        named = {"by": "subject", "model": "oracle", "seed": "0", "group": subject}
        named |= dict.fromkeys(("pattern", "targets", "output", "recipe"), "")
        rows += [
            {**named, "muscle": muscle, **part}
            for muscle, part in zip(cohort.muscle_names, parts, strict=True)
        ]
    table = summarise_split(pd.DataFrame(rows))
    return table[table["muscle"] == "overall"].iloc[0]


@pytest.mark.parametrize("cohort", ["walk", "run"])
def test_what_was_planted_is_what_the_gain_is_made_of(cohort):
    planted = {
        "lag": Distortion.pure_lag(),
        "gain": Distortion.pure_gain(),
        "leak": Distortion.pure_leak(),
    }
    found = {}
    for name, distortion in planted.items():
        made = make(cohort, distortion=distortion)
        found[name] = split(made, in_emg_units(made))
    assert found["lag"]["amplitude_only_share"] < 0.1
    assert found["lag"]["time_only_share"] > 0.9
    assert found["gain"]["amplitude_only_share"] > 0.9
    assert found["gain"]["time_only_share"] < 0.1
    assert found["leak"]["amplitude_only_share"] < 0.5
    assert found["leak"]["time_only_share"] < 0.5
    assert found["leak"]["shape_share"] > 0.5
    for one in found.values():
        assert one[["amplitude_share", "timing_share", "shape_share"]].sum() == pytest.approx(1)


def test_a_difference_of_units_counts_as_amplitude():
    """Compared with the unscaled simulation, the oracle also gains from the EMG's units."""
    lag = make("walk", distortion=Distortion.pure_lag())
    found = split(lag, as_counterparts(lag))
    assert found["amplitude_share"] < 0.1
    assert found["timing_share"] > 0.9
    assert 0 < found["amplitude_only_share"] < 0.1


def test_a_gain_and_a_lag_by_hand():
    measured = thin(curve())
    simulated = curve(shift=0.06, gain=0.5)
    found = split_gain(measured, simulated=simulated, refined=measured, conditions=["x"])[0]
    error = np.sqrt(np.mean((thin(simulated) - measured) ** 2))
    scaled = np.sqrt(np.mean((thin(curve(shift=0.06)) - measured) ** 2))
    shifted = np.sqrt(np.mean((thin(curve(gain=0.5)) - measured) ** 2))
    assert found["gain"] == pytest.approx(error, rel=1e-4)
    assert found["amplitude_only"] == pytest.approx(error - scaled, rel=0.05)
    assert found["time_only"] == pytest.approx(error - shifted, rel=0.02)
    assert found["both"] == pytest.approx(error, rel=0.02)
    halves = (found["amplitude_only"] + found["both"] - found["time_only"]) / 2
    assert found["amplitude"] == pytest.approx(halves)
    assert found["amplitude"] + found["timing"] + found["shape"] == pytest.approx(found["gain"])


def test_one_gain_and_one_shift_for_all_cycles_of_a_group():
    """What differs from cycle to cycle is nobody's amplitude or timing."""
    measured = np.concatenate([thin(curve(gain=1.5)), thin(curve(gain=0.5))])
    simulated = np.concatenate([curve(), curve()])
    found = split_gain(measured, simulated=simulated, refined=measured, conditions=["x", "x"])[0]
    assert abs(found["amplitude_only"]) < 0.1 * found["gain"]
    assert found["shape"] > 0.9 * found["gain"]


@pytest.mark.parametrize("points", [101, 20])
def test_the_shift_that_is_found(points):
    simulated = curve(shift=0.07) if points == 101 else thin(curve(shift=0.07))
    shifted, shift = with_timing_of(simulated, thin(curve(gain=3.0)))
    assert shift == pytest.approx([-7.0], abs=0.5)
    np.testing.assert_allclose(shifted, thin(curve()), atol=0.05)


def test_constant_curves():
    flat = np.full((2, 20, 1), 0.3)
    shifted, shift = with_timing_of(flat, np.concatenate([thin(curve())] * 2))
    assert shift.tolist() == [0.0]
    np.testing.assert_allclose(shifted, flat)
    model = np.concatenate([thin(curve())] * 2)
    np.testing.assert_allclose(with_amplitude_of(flat, model), model.mean())
    np.testing.assert_allclose(with_amplitude_of(model, flat), 0.3, atol=1e-12)


def test_nothing_gained_has_no_shares():
    simulated = curve()
    same = thin(simulated)
    part = split_gain(same + 0.2, simulated=simulated, refined=same, conditions=["x"])[0]
    named = {"by": "subject", "model": "m", "seed": "0", "muscle": "soleus"}
    named |= dict.fromkeys(("pattern", "targets", "output", "recipe"), "")
    rows = [{**named, "group": group, **part} for group in "abc"]
    table = summarise_split(pd.DataFrame(rows))
    assert table["amplitude_share"].isna().all()
    assert table["notes"].str.contains("nothing is gained").all()


def test_cycles_without_emg_and_fits_that_are_missing(recwarn):
    measured = np.concatenate([thin(curve()), thin(curve())])
    simulated = np.concatenate([curve(gain=0.5), curve(gain=0.1)])
    measured[1, 3] = np.nan
    refined = np.concatenate([thin(curve())] * 2)
    found = split_gain(measured, simulated=simulated, refined=refined, conditions=["x", "x"])[0]
    assert found["n_cycles"] == 1
    assert found["gain"] == pytest.approx(np.sqrt(np.mean((0.5 * thin(curve())) ** 2)), rel=1e-4)
    lost = np.full_like(refined, np.nan)
    assert np.isnan(
        split_gain(measured, simulated=simulated, refined=lost, conditions=["x", "x"])[0]["gain"]
    )
    assert not recwarn


def test_shapes_that_do_not_fit():
    with pytest.raises(InputError, match="refined: expected shape"):
        split_gain(
            np.zeros((1, 20, 1)), simulated=curve(), refined=np.zeros((2, 20, 1)), conditions=["x"]
        )
    with pytest.raises(InputError, match="simulated: expected"):
        split_gain(
            np.zeros((1, 20, 2)), simulated=curve(), refined=np.zeros((1, 20, 2)), conditions=["x"]
        )
