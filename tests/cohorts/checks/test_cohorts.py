"""Checks of cohorts by planted faults: wrong leg, shifted clock, odd cycles, electrodes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from nem2e_tf.cohorts.checks.alignment import align_subjects, check_alignment, opposite
from nem2e_tf.cohorts.checks.cohorts import check_cohort, odd_cycles
from nem2e_tf.cohorts.cohort import Cohort
from nem2e_tf.cohorts.synthetic.cohorts import make


def bursts(time, place):
    return 0.05 + np.exp(-0.5 * ((np.mod(time, 1.1) / 1.1 - place) / 0.08) ** 2)


def cohort(**changes):
    """Twelve cycles of one recording, two muscles."""
    time = np.linspace(0, 1.1, 101)
    rng = np.random.default_rng(0)
    gain = rng.uniform(0.9, 1.1, (12, 1, 1))
    own = np.stack([bursts(time, 0.3), bursts(time, 0.6)], axis=1) / 2
    other = np.stack([bursts(time, 0.8), bursts(time, 0.1)], axis=1) / 2
    fields = {
        "name": "c",
        "simulated": (np.concatenate([own, other], axis=1)[None] * gain).astype(np.float32),
        "measured": (own[None] * gain[::-1]).astype(np.float32),
        "cycles": pd.DataFrame(
            {
                "subject": "s1",
                "condition": "free",
                "speed": 1.2,
                "side": "r",
                "trial": "t",
                "cycle": range(1, 13),
                "start": np.arange(12) * 1.1,
                "end": np.arange(1, 13) * 1.1,
            }
        ),
        "channels": pd.DataFrame(
            {"name": ["soleus_ipsi", "tibant_ipsi", "soleus_contra", "tibant_contra"], "source": ""}
        ),
        "muscles": pd.DataFrame(
            {
                "name": ["soleus", "tibant"],
                "electrode": ["e1", "e2"],
                "counterparts": ["soleus_ipsi", "tibant_ipsi"],
            }
        ),
    }
    return Cohort(**{**fields, **changes})


def with_late_emg(cohort, seconds, *, rows=None):
    """The cohort as if the clock of the EMG were late, each cycle taken as one of many alike."""
    measured = np.array(cohort.measured)
    share = np.linspace(0, 1, measured.shape[1])
    length = (cohort.cycles["end"] - cohort.cycles["start"]).to_numpy()
    for row in range(len(measured)) if rows is None else rows:
        at = np.mod(share - seconds / length[row], 1)
        measured[row] = np.stack([np.interp(at, share, curve) for curve in measured[row].T], axis=1)
    return replace(cohort, measured=measured)


def with_legs_swapped(cohort):
    names = cohort.channel_names
    swapped = [names.index(opposite(name)) for name in names]
    return replace(cohort, simulated=np.array(cohort.simulated)[:, :, swapped])


@pytest.fixture(scope="module", params=["walk", "run"])
def embedded(request):
    return make(request.param, n_subjects=3).cohort


def kinds(findings):
    return {(finding.kind, finding.severity) for finding in findings}


def test_embedded_cohorts_are_in_order_but_for_one_leg(embedded):
    assert check_cohort(embedded) == check_alignment(embedded) == []
    reported = check_alignment(with_legs_swapped(embedded))
    assert ("other leg", "wrong") in kinds(reported)
    assert {f.kind for f in reported} == {"other leg"}
    assert len(reported) == len(embedded.cycles.groupby(["subject", "condition"]))


@pytest.mark.parametrize("late", [0.15, -0.15])
def test_a_shifted_clock_is_found_in_every_subject_and_recording(embedded, late):
    """Recordings of this cohort are too short to prove it alone, but for the slowest walking."""
    shifted = with_late_emg(embedded, late)
    lags = [
        [alignment.mean_lag for _, alignment in align_subjects(cohort)]
        for cohort in (embedded, shifted)
    ]
    np.testing.assert_allclose(np.subtract(*lags), late, atol=0.01)
    reported = check_alignment(shifted)
    assert "clock" in {f.kind for f in reported}
    subjects = {f.where.partition(",")[0] for f in reported if f.severity == "wrong"}
    assert subjects == set(embedded.cycles["subject"])
    assert len(reported) == len(embedded.cycles.groupby(["subject", "condition"]))


def test_one_recording_with_a_shifted_clock_is_named(embedded):
    first = embedded.cycles[["subject", "condition"]].iloc[0]
    same = (embedded.cycles[["subject", "condition"]] == first).all(axis=1)
    reported = check_alignment(with_late_emg(embedded, 0.15, rows=np.flatnonzero(same)))
    assert [(f.kind, f.severity) for f in reported] == [("clock", "wrong")]
    assert reported[0].where.startswith(f"{first['subject']}, {first['condition']}, ")


def test_single_short_cycles_are_judged_together_for_a_subject():
    """Pauses between the cycles must not count as time in which the curves overlap."""
    right = cohort()
    trials = right.cycles.assign(trial=[f"t{n}" for n in range(12)])
    for late, expected in ((0.0, []), (0.15, ["clock"]), (-0.15, ["clock"])):
        reported = check_alignment(with_late_emg(replace(right, cycles=trials), late))
        assert [f.kind for f in reported] == expected
        assert [f.where for f in reported] == ["s1"] * len(expected)
    alone = with_late_emg(replace(right, cycles=trials), 0.15, rows=[4])
    (hint,) = check_alignment(alone)
    assert (hint.where, hint.severity) == ("s1, free, t4, r", "note")
    assert hint.message.endswith("the recording is short, so this may be chance")


def test_of_a_motion_without_a_side_only_the_clock_is_checked():
    swing = replace(cohort(), cycles=cohort().cycles.assign(side=""))
    assert check_alignment(with_legs_swapped(swing))[0].kind != "other leg"
    assert check_alignment(swing) == []


def test_cohort_of_the_wrong_leg():
    assert check_alignment(cohort()) == []
    (reported,) = check_alignment(with_legs_swapped(cohort()))
    assert (reported.kind, reported.where) == ("other leg", "s1, free, t, r")


def test_cohort_by_planted_faults():
    right = cohort()
    measured = right.measured.copy()
    measured[5, :, 0] = measured[5, ::-1, 0] * 4
    (found,) = odd_cycles(cohort(measured=measured))
    assert (found.kind, found.where, found.rows) == ("odd cycle", "s1, free, t, r, cycle 6", (5,))
    assert "unlike the others: soleus by " in found.message
    assert odd_cycles(right) == check_cohort(cohort(measured=measured)) == []
    twins = right.measured.copy()
    twins[:, :, 1] = twins[:, :, 0]
    found = check_cohort(cohort(measured=twins))
    assert [(f.kind, f.severity) for f in found] == [("duplicate", "wrong")]
    one = right.muscles.assign(electrode="e1")
    assert check_cohort(cohort(measured=twins, muscles=one)) == []
    simulated = right.simulated.copy()
    simulated[0, 0, 0] = 1.5
    simulated[0, 1, 0] = np.nan
    kinds = [f.kind for f in check_cohort(cohort(simulated=simulated))]
    assert kinds == ["range", "missing"]
    empty = right.measured.copy()
    empty[:, :, 0] = np.nan
    assert [f.kind for f in check_cohort(cohort(measured=empty))] == ["dead"]
