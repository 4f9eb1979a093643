import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.scoring import (
    SCORE_COLUMNS,
    group_error,
    mean_pattern,
    mean_pattern_per_condition,
    score,
)


def level(*values):
    """Cycles [cycle, 20, 1] that lie at one level each."""
    return np.repeat(np.array(values, dtype=float)[:, None, None], 20, axis=1)


def score_levels(measured, simulated, pattern, refined, conditions):
    return score(
        level(*measured),
        simulated=level(*simulated),
        mean_pattern=level(pattern)[0],
        refined=level(*refined),
        conditions=conditions,
        durations=np.ones(len(measured)),
    )[0]


def test_group_error_weighs_conditions_not_cycles():
    error = np.array([[1.0, 0.0], [3.0, 0.0], [10.0, 8.0]])
    np.testing.assert_allclose(group_error(error, ["a", "a", "b"]), [6.0, 4.0])


def test_group_error_leaves_out_only_the_cycles_not_kept():
    error = np.array([1.0, np.nan, 10.0])
    assert np.isnan(group_error(error, [1, 1, 2]))
    assert group_error(error, [1, 1, 2], keep=np.array([True, False, True])) == 5.5
    assert group_error(error, [1, 1, 2], keep=np.array([True, False, False])) == 1.0
    assert np.isnan(group_error(error, [1, 1, 2], keep=np.zeros(3, dtype=bool)))


def test_score_by_hand():
    found = score_levels([0, 0, 0], [4, 2, 5], 2, [1, 1, 3], ["slow", "slow", "fast"])
    # simulated: mean(mean(4, 2), 5) = 4; mean pattern: 2; refined: mean(1, 3) = 2
    assert found["n_cycles"] == 3
    assert found["rmse_simulated"] == 4.0
    assert found["rmse_mean_pattern"] == 2.0
    assert found["rmse_refined"] == 2.0
    assert found["rate"] == -0.5
    assert found["skill"] == 0.0
    assert np.isnan(found["r"])
    assert np.isnan(found["lag_ms"])
    assert tuple(found) == SCORE_COLUMNS


def test_score_leaves_out_and_counts_cycles_without_emg(recwarn):
    measured = np.zeros((3, 20, 2))
    measured[0, 7, 0] = np.nan
    measured[:, 0, 1] = np.nan
    simulated = np.stack([level(9, 1, 3)[..., 0]] * 2, axis=-1)
    rows = score(
        measured,
        simulated=simulated,
        mean_pattern=np.ones((20, 2)),
        refined=0.5 * simulated,
        conditions=["a", "a", "b"],
        durations=[1, 1, 1],
    )
    assert rows[0]["n_cycles"] == 2
    assert rows[0]["rmse_simulated"] == 2.0  # mean(1, 3): the cycle at 9 is left out
    assert rows[0]["rate"] == -0.5
    assert rows[1]["n_cycles"] == 0
    assert all(np.isnan(rows[1][name]) for name in SCORE_COLUMNS[1:])
    assert not recwarn


def test_score_does_not_hide_a_refiner_that_gives_nan():
    found = score_levels([0, 0], [1, 1], 1, [0.5, np.nan], ["a", "a"])
    assert found["n_cycles"] == 2
    assert np.isnan(found["rmse_refined"])
    assert np.isnan(found["rate"])
    assert np.isnan(found["skill"])
    assert found["rmse_simulated"] == 1.0


def test_score_of_a_perfect_simulation_and_pattern_has_no_rate_and_no_skill(recwarn):
    found = score_levels([1, 1], [1, 1], 1, [2, 2], ["a", "a"])
    assert np.isnan(found["rate"])
    assert np.isnan(found["skill"])
    assert not recwarn


def test_score_gives_r_and_lag_in_milliseconds():
    phase = np.linspace(0, 1, 20)
    measured = np.stack([np.exp(-((phase - 0.4) ** 2) / 0.02)] * 2)[..., None]
    refined = np.stack([np.exp(-((phase - 0.4 - late) ** 2) / 0.02) for late in (0.05, 0.10)])[
        ..., None
    ]
    found = score(
        measured,
        simulated=measured + 1,
        mean_pattern=measured[0] + 1,
        refined=refined,
        conditions=["a", "b"],
        durations=[1.0, 1.2],
    )[0]
    assert found["lag_ms"] == pytest.approx((50 + 120) / 2, abs=1)
    expected = np.mean([np.corrcoef(measured[i, :, 0], refined[i, :, 0])[0, 1] for i in (0, 1)])
    assert found["r"] == pytest.approx(expected)


def test_mean_pattern_may_differ_by_cycle():
    both = {"simulated": level(1, 1), "refined": level(1, 1), "conditions": ["a", "b"]}
    found = score(level(0, 0), mean_pattern=level(2, 6), durations=[1, 1], **both)[0]
    assert found["rmse_mean_pattern"] == 4.0


def test_mean_pattern_leaves_out_cycles_with_nan_by_muscle(recwarn):
    measured = np.array([[[1.0, np.nan]] * 20, [[3.0, np.nan]] * 20, [[9.0, 4.0]] * 20])
    measured[2, 5, 0] = np.nan
    measured[2, 6, 1] = np.nan
    found = mean_pattern(measured)
    np.testing.assert_array_equal(found[:, 0], 2.0)
    assert np.isnan(found[:, 1]).all()
    assert not recwarn


def test_mean_pattern_per_condition_notes_where_all_conditions_are_used():
    measured = np.concatenate([level(1, 3, 8), level(1, 3, np.nan)], axis=2)
    patterns, pooled = mean_pattern_per_condition(
        measured, conditions=["slow", "slow", "fast"], wanted=["fast", "slow", "sprint"]
    )
    np.testing.assert_array_equal(patterns[:, 0, :], [[8.0, 2.0], [2.0, 2.0], [4.0, 2.0]])
    np.testing.assert_array_equal(pooled, [[False, True], [False, False], [True, True]])


def test_many_cycles_are_scored_some_at_a_time(monkeypatch):
    random = np.random.default_rng(0)
    measured, simulated, refined = random.uniform(0, 1, (3, 10, 20, 2))
    measured[4, 3, 1] = np.nan
    rows = np.array([9, 0, 4, 5, 7, 2, 1])
    given = {
        "simulated": simulated,
        "refined": refined,
        "conditions": ["a", "b"] * 5,
        "durations": random.uniform(1, 2, 10),
    }
    expected = score(measured, mean_pattern=mean_pattern(measured), **given)
    pattern = mean_pattern(measured[rows])
    for size in (1, 3, 10):
        monkeypatch.setattr("nem2e_tf.evaluation.scoring.CYCLES_AT_A_TIME", size)
        found = score(measured, mean_pattern=mean_pattern(measured), **given)
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-12)
        np.testing.assert_allclose(mean_pattern(measured, rows=rows), pattern, rtol=1e-12)


def test_wrong_shapes_are_refused():
    with pytest.raises(InputError, match="one per cycle"):
        group_error([1.0, 2.0], ["a"])
    with pytest.raises(InputError, match=r"\[cycle, sample, muscle\]"):
        score_levels_of_two_dimensions()
    with pytest.raises(InputError, match="durations"):
        score(
            level(0, 0),
            simulated=level(0, 0),
            mean_pattern=level(0)[0],
            refined=level(0, 0),
            conditions=["a", "a"],
            durations=[1.0],
        )


def score_levels_of_two_dimensions():
    flat = np.zeros((2, 20))
    score(
        flat, simulated=flat, mean_pattern=flat, refined=flat, conditions=[1, 1], durations=[1, 1]
    )
