"""False positives and their share: by hand, and on shuffled cohorts."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from support.made_results import made, one_of, row

from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.controls.shuffle import (
    ALL,
    clopper_pearson,
    false_positives,
    positive_skill,
    shuffled,
)
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import write_results
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.run_folder import create_run


@pytest.fixture
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.usefixtures("no_warnings")
def test_false_positives_are_counted_by_hand():
    def cohort(low):
        rows = [
            row("m", muscle, g, 0.5 * (1 - low - 0.02 * g)) for g in range(4) for muscle in "ab"
        ]
        return positive_skill(pd.DataFrame(rows))

    found = pd.concat([cohort(0.1), cohort(-0.2), cohort(-0.02), cohort(-0.3)])
    assert found["false_positive"].sum() == 3
    table = false_positives(found).set_index(["model", "level"])
    for model in ("m", "all"):
        assert table.loc[(model, "overall"), ["tests", "false_positives"]].tolist() == [4, 1]
        assert table.loc[(model, "muscle"), ["tests", "false_positives"]].tolist() == [8, 2]
    low, high = stats.binomtest(1, 4).proportion_ci(method="exact")
    own = table.loc[("all", "overall")]
    assert (own["share_low"], own["share_high"]) == pytest.approx((low, high))
    assert not own["compatible"] if low > 0.025 else own["compatible"]
    blocks = positive_skill(made(by="block"))
    assert not blocks["tested"].any()
    assert np.isnan(false_positives(blocks)["share"]).all()


@pytest.mark.usefixtures("no_warnings")
def test_the_nominal_rate_is_met_where_skill_is_none_and_noticed_where_it_is_not():
    """Two hundred entries without skill, of eight people each; then with a little."""

    def found(skill):
        random = np.random.default_rng(11)
        rows = [
            row(f"m{entry}", "soleus", g, 0.5 * (1 - skill - random.normal(0, 0.05)))
            for entry in range(200)
            for g in range(8)
        ]
        table = false_positives(positive_skill(pd.DataFrame(rows)))
        return one_of(table, model="all", level="overall")

    none = found(0.0)
    assert none["tests"] == 200
    assert none["false_positives"] > 0
    assert none["compatible"]
    assert not found(0.03)["compatible"]


@pytest.mark.parametrize(
    ("k", "n", "published"),
    [(0, 10, (0.0, 0.3085)), (10, 100, (0.0490, 0.1762)), (5, 5, (0.4782, 1.0))],
)
def test_binomial_interval_of_tabulated_counts(k, n, published):
    assert clopper_pearson(k, n) == pytest.approx(published, abs=1e-4)
    assert np.isnan(clopper_pearson(0, 0)).all()


@pytest.mark.parametrize("n", [1, 5, 40, 200])
def test_binomial_interval_by_quantiles_of_the_beta_distribution(n):
    for k in range(n + 1):
        low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
        high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
        assert clopper_pearson(k, n) == pytest.approx((low, high), abs=1e-10)


SHUFFLES = 20


ENTRIES = ("affine", "shift", "linear", "rnn")


@pytest.mark.slow
def test_shuffled_cohorts_show_no_more_skill_than_chance(tmp_path):
    """Twenty cohorts, four entries: the rate's exact 95 % interval holds the nominal 2.5 %."""
    cohort = make("walk", n_subjects=6).cohort
    settings = Settings(
        models=ENTRIES,
        targets="joint",
        output="residual",
        recipe=recipe("fast", units=8, epochs=3),
    )
    plan = make_plan(cohort, settings)
    found, trainer = [], None
    for number in range(SHUFFLES):
        other = shuffled(cohort, seed=0, shuffle=number)
        run = create_run(tmp_path / str(number), other, settings, plan)
        shop = Workshop(other, settings, plan)
        for chunk in range(len(plan.chunks)):
            # Trainers hold no data: tracing one takes longer than all fits.
            shop._trainer = trainer
            run.write_chunk(chunk, shop.run(chunk))
            trainer = shop._trainer
        write_results(run, other)
        found.append(positive_skill(run.results))
    table = false_positives(pd.concat(found)).set_index(["model", "level"])
    pooled = table.loc[(ALL, "overall")]
    assert pooled["tests"] == SHUFFLES * len(ENTRIES)
    assert pooled["compatible"], pooled
    assert (table["skill"] < 0.01).all(), table["skill"]
