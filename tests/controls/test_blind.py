"""The mean pattern against every entry: by hand, and in sentences."""

import warnings

import numpy as np
import pandas as pd
import pytest
from support.made_results import made, row

from nem2e_tf.controls.blind import input_blind, sentences


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_input_blind_by_hand():
    rows = [row("good", "soleus", g, 0.40 + 0.01 * g) for g in range(4)]
    rows += [row("bad", "soleus", g, 0.60 + 0.01 * g) for g in range(4)]
    rows += [row("even", "soleus", g, 0.5 + 0.05 * (-1) ** g) for g in range(4)]
    rows += [row("worse", "soleus", g, 1.2 + 0.01 * g) for g in range(4)]
    rows += [row("mean-pattern", "soleus", g, 0.5) for g in range(4)]
    table = input_blind(pd.DataFrame(rows)).query("muscle == 'overall'").set_index("model")
    assert table["mean_pattern_rate"].tolist() == pytest.approx([-0.5] * 5)
    assert table.loc["good", "share"] == pytest.approx(0.5 / (1 - 0.415))
    assert table.loc["bad", "share"] == pytest.approx(0.5 / (1 - 0.615))
    assert np.isnan(table.loc["worse", "share"])
    assert table["verdict"].to_dict() == {
        "good": "adds",
        "bad": "worse",
        "even": "unclear",
        "worse": "worse",
        "mean-pattern": "unknown",
    }
    text = "\n".join(sentences(input_blind(pd.DataFrame(rows)), by="subject"))
    assert "has a rate of -0.50" in text
    assert "Skill over the mean pattern with a 95 % interval above 0: good." in text
    assert "Worse than the mean pattern with a 95 % interval below 0: bad, worse." in text
    assert "good 85 %, even 100 %, bad 130 %" in text
    assert "mean-pattern" not in text


def test_rounding_is_no_gain_to_have_a_share_of():
    rows = [row("opensim", "soleus", f"s{g}", 1.0 - 1e-9, blind=0.5 + 0.1 * g) for g in range(4)]
    assert input_blind(pd.DataFrame(rows))["share"].isna().all()


def test_input_blind_distinguishes_entries_of_one_model():
    rows = pd.concat([made(("lstm",)), made(("lstm",), seed=1, pattern="all-entire")])
    text = "\n".join(sentences(input_blind(rows), by="subject"))
    assert "lstm (one-entire)" in text
    assert "lstm (all-entire)" in text


def test_an_entry_alone_under_its_verdict_is_still_distinguished_from_its_namesake():
    rows = [row("lstm", "soleus", g, 0.40 + 0.01 * g) for g in range(4)]
    other = [row("lstm", "soleus", g, 0.60 + 0.01 * g) for g in range(4)]
    table = pd.DataFrame(rows + [one | {"pattern": "all-entire"} for one in other])
    text = "\n".join(sentences(input_blind(table), by="subject"))
    assert "above 0: lstm (one-entire)." in text
    assert "below 0: lstm (all-entire)." in text
    text = "\n".join(sentences(input_blind(table.assign(run="first")), by="subject"))
    assert "above 0: lstm (one-entire)." in text, "the run only where nothing else differs"
    runs = [pd.DataFrame(one).assign(run=run) for one, run in ((rows, "x"), (other, "y"))]
    text = "\n".join(sentences(input_blind(pd.concat(runs)), by="subject"))
    assert "above 0: lstm (x)." in text
    assert "below 0: lstm (y)." in text
