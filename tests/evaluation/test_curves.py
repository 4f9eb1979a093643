"""Peaks, bursts and the table of all metrics, worked out by hand."""

import numpy as np
import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.evaluation.curves import METRICS, curve_metrics, group_metrics, muscle_metrics
from nem2e_tf.evaluation.metrics import determination, main_burst, normalised_rmse, timing_error

PHASE = np.linspace(0.0, 100.0, 20)


def burst(centre, *, width=8.0, height=1.0, floor=0.0):
    """A Gaussian burst around the closed cycle."""
    distance = (PHASE - centre + 50.0) % 100.0 - 50.0
    return floor + height * np.exp(-0.5 * (distance / width) ** 2)


@pytest.mark.parametrize("centre", [30.0, 52.3, 71.0])
@pytest.mark.parametrize("floor", [0.0, 0.4])
def test_a_gaussian_burst(centre, floor):
    found = main_burst(burst(centre, floor=floor)[None])
    reach = 8.0 * np.sqrt(2 * np.log(5))
    assert found.peak[0] == pytest.approx(centre, abs=0.2)
    assert found.onset[0] == pytest.approx(centre - reach, abs=0.3)
    assert found.offset[0] == pytest.approx(centre + reach, abs=0.3)


def test_a_burst_over_the_end_of_the_cycle_is_one():
    found = main_burst(burst(97.0)[None])
    assert found.peak[0] == pytest.approx(97.0, abs=0.5)
    assert found.onset[0] == pytest.approx(97.0 - 14.35, abs=0.5)
    assert found.offset[0] == pytest.approx(11.35, abs=0.5)
    error = timing_error(burst(97.0)[None], burst(3.0)[None])
    assert [part[0] for part in error] == pytest.approx([6.0, 6.0, 6.0], abs=0.6)


def test_the_threshold_is_a_share_of_the_range():
    half = main_burst(burst(50.0)[None], threshold=0.5)
    assert half.offset[0] - half.onset[0] == pytest.approx(2 * 8 * np.sqrt(2 * np.log(2)), abs=0.3)
    for wrong in (0.0, 1.0):
        with pytest.raises(InputError, match="threshold"):
            main_burst(burst(50.0)[None], threshold=wrong)
    with pytest.raises(InputError, match="4 samples"):
        main_burst(np.zeros((2, 3)))


def test_the_higher_of_two_bursts_counts():
    found = main_burst((burst(25.0, width=5) + burst(70.0, width=5, height=0.8))[None])
    assert found.peak[0] == pytest.approx(25.0, abs=0.5)
    assert found.offset[0] < 45.0


def test_nan_and_constant_curves_have_no_burst(recwarn):
    curves = np.stack([burst(40.0), np.full(20, 0.3), burst(40.0)])
    curves[2, 4] = np.nan
    found = main_burst(curves)
    assert np.isfinite(found.peak).tolist() == [True, False, False]
    assert main_burst(np.zeros((0, 20))).peak.shape == (0,)
    assert not recwarn


def test_normalised_error_and_determination_by_hand():
    measured = np.array([[0.0, 1.0, 2.0, 1.0]])
    estimate = measured + np.array([[0.5, -0.5, 0.5, -0.5]])
    assert normalised_rmse(measured, estimate) == pytest.approx([0.25])
    assert determination(measured, estimate) == pytest.approx([1 - 1.0 / 2.0])
    assert np.isnan(determination(np.ones((1, 4)), estimate)).all()
    assert np.isnan(normalised_rmse(np.ones((1, 4)), estimate)).all()


def table_of_three():
    measured = np.stack([burst(50.0), burst(50.0), burst(50.0)])[:, :, None]
    estimate = np.stack([burst(54.0), burst(56.0), 0.5 * burst(50.0)])[:, :, None]
    return curve_metrics(
        measured,
        estimate,
        muscles=["soleus"],
        groups=["a", "a", "b"],
        conditions=["slow", "fast", "slow"],
        durations=[1.0, 1.2, 1.0],
    )


def test_the_table_of_cycles():
    table = table_of_three()
    assert table["lag_percent"].to_list() == pytest.approx([4.0, 6.0, 0.0], abs=0.2)
    assert table["lag_ms"].to_list() == pytest.approx([40.0, 72.0, 0.0], abs=3)
    for name in ("peak", "onset", "offset"):
        assert table[f"{name}_percent"].to_list() == pytest.approx([4.0, 6.0, 0.0], abs=0.4)
        assert table[f"{name}_ms"][1] == pytest.approx(12.0 * table[f"{name}_percent"][1])
    half = 0.5 * burst(50.0)
    assert table["rmse"][2] == pytest.approx(np.sqrt(np.mean(half**2)))
    assert table["nrmse"][2] == pytest.approx(table["rmse"][2] / np.ptp(burst(50.0)))
    assert table["r"][2] == pytest.approx(1.0)


def test_groups_weigh_conditions_alike_and_muscles_groups():
    random = np.random.default_rng(1)
    measured = random.random((6, 20, 2)).cumsum(axis=1)
    estimate = measured + random.normal(size=measured.shape)
    groups, conditions = list("aaabbb"), ["x", "x", "y", "x", "y", "y"]
    table = curve_metrics(
        measured,
        estimate,
        muscles=["m", "n"],
        groups=groups,
        conditions=conditions,
        durations=np.ones(6),
    )
    own = table[table["muscle"] == "n"]["rmse"].to_numpy()
    by_group = group_metrics(table).set_index(["group", "muscle"])
    assert by_group.loc[("a", "n"), "rmse"] == pytest.approx((own[:2].mean() + own[2]) / 2)
    assert by_group.loc[("b", "n"), "rmse"] == pytest.approx((own[3] + own[4:].mean()) / 2)
    assert by_group["n_cycles"].to_list() == [3, 3, 3, 3]
    means = muscle_metrics(group_metrics(table)).set_index(["muscle", "metric"])
    assert means.loc[("overall", "rmse"), "mean"] == pytest.approx(by_group["rmse"].mean())
    assert means.loc[("n", "rmse"), "n"] == 2
    assert (means["low"] < means["mean"]).loc[("n", "rmse")]


def test_tables_of_little():
    one = muscle_metrics(group_metrics(table_of_three().query("group == 'b'")))
    assert set(one["n"]) <= {0, 1}
    assert one["low"].isna().all()
    assert "one group" in one.loc[one["metric"] == "rmse", "notes"].iloc[0]
    blocks = muscle_metrics(group_metrics(table_of_three()), by="block").set_index("metric")
    errors = group_metrics(table_of_three())["rmse"]
    assert blocks.loc["rmse", "low"].tolist() == pytest.approx([errors.min()] * 2)
    assert blocks.loc["rmse", "high"].tolist() == pytest.approx([errors.max()] * 2)
    nothing = curve_metrics(
        np.full((2, 20, 1), np.nan),
        np.zeros((2, 20, 1)),
        muscles=["m"],
        groups=["a", "b"],
        conditions=["x", "x"],
        durations=[1, 1],
    )
    assert nothing[list(METRICS)].isna().all(axis=None)
    assert (group_metrics(nothing)["n_cycles"] == 0).all()


def test_shapes_that_do_not_fit():
    given = {"muscles": ["m"], "groups": ["a"], "conditions": ["x"], "durations": [1.0]}
    with pytest.raises(InputError, match="estimated: expected"):
        curve_metrics(np.zeros((1, 20, 1)), np.zeros((1, 19, 1)), **given)
    with pytest.raises(InputError, match="durations: expected"):
        curve_metrics(np.zeros((1, 20, 1)), np.zeros((1, 20, 1)), **(given | {"durations": []}))
