"""On shuffled cohorts skill must be falsely positive no more often than chance allows."""

import pandas as pd
import pytest

from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.controls.shuffle import ALL, false_positives, positive_skill, shuffled
from nem2e_tf.training.chunk import Workshop
from nem2e_tf.training.cross_validation import write_results
from nem2e_tf.training.plan import Settings, make_plan
from nem2e_tf.training.recipe import recipe
from nem2e_tf.training.run_folder import create_run

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
