"""The published zoo: tables and cards agree with results and entries, and changes are seen."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(CHECKOUT / "tools"))
import zoo_pictures  # noqa: E402
import zoo_results  # noqa: E402
import zoo_table  # noqa: E402

from nem2e_tf import zoo  # noqa: E402


@pytest.fixture
def published(tmp_path):
    """A copy of the published zoo that may be changed."""
    return Path(shutil.copytree(CHECKOUT / "zoo", tmp_path / "zoo"))


def test_every_entry_has_a_complete_card(published):
    cards = {path.stem: path.read_text() for path in (published / "cards").glob("*.md")}
    built_in = [
        name for name in zoo.list_models() if zoo.entry(name).make.__module__.startswith("nem2e_tf")
    ]
    assert set(cards) == set(built_in)
    for name, card in cards.items():
        entry = zoo.entry(name)
        assert entry.summary in card
        for heading in ("Source", "Options", "Results", "Limits", "What it was trained on"):
            assert f"\n## {heading}\n" in card, name
        for option in entry.options:
            assert f"`{option}=" in card
        assert "see the code" not in card, f"{name}: every option has its advice"
        assert "tensorflow 2" in card
        assert "processor" in card
        assert f"](cards/{name}.md)" in (published / "README.md").read_text()


def test_cards_and_table_agree_with_the_results(published):
    assert zoo_table.check(published) == []
    card = published / "cards" / "linear.md"
    card.write_text(card.read_text().replace("+0.402", "+0.502"))
    assert zoo_table.check(published) == [
        "zoo/cards/linear.md does not agree with its entry and zoo/results"
    ]
    card.unlink()
    (published / "cards" / "stranger.md").touch()
    found = zoo_table.check(published)
    assert ["linear.md" in found[0], "stranger.md" in found[1]] == [True, True]
    zoo_table.write(published)
    assert not (published / "cards" / "stranger.md").exists()
    assert zoo_table.check(published) == []


def test_a_changed_result_changes_table_and_card(published):
    file = published / "results" / "walk.csv"
    rows = pd.read_csv(file)
    own = rows["model"] == "linear"
    rows.loc[own, ["rmse_refined"]] *= 2
    rows.loc[own, "skill"] = 1 - rows["rmse_refined"] / rows["rmse_mean_pattern"]
    rows.to_csv(file, index=False)
    assert zoo_table.check(published) != []
    zoo_table.write(published)
    assert zoo_table.check(published) == []
    card = (published / "cards" / "linear.md").read_text()
    assert "On `walk` it is worse than the mean EMG pattern" in card


def test_latency_is_shown_where_it_was_measured(published):
    file = published / "results" / "costs.csv"
    costs = pd.read_csv(file)
    walk = (costs["cohort"] == "walk") & (costs["model"] == "gru")
    costs.loc[walk, ["latency_ms", "latency_p99_ms", "peak_mb"]] = (0.1234, 0.2, 5.0)
    costs.to_csv(file, index=False)
    zoo_table.write(published)
    line = next(
        line
        for line in (published / "README.md").read_text().splitlines()
        if line.startswith("| [gru](cards/gru.md) | 8 |")
    )
    assert line.endswith("| 0.123 |")
    assert "| 0.123 |" in (published / "cards" / "gru.md").read_text()


def test_options_are_read_from_docstrings():
    card = (CHECKOUT / "zoo" / "cards" / "shift.md").read_text()
    assert '- `boundary=\'periodic\'` ({"periodic", "hold"}): ``periodic`` for gait' in card


def test_coefficients_become_shares_of_channels():
    kernel = np.zeros((2, 3, 2, 2))
    kernel[:, 1, 0, :] = -3.0
    kernel[0, 2, 1, 1] = 2.0
    kernel[1, 0, 1, 0] = 6.0
    found = zoo_pictures.shares(kernel.reshape(6, 4), 3, 2)
    np.testing.assert_allclose(found, [[0, 1, 0], [0.75, 0, 0.25]])


def test_pictures_are_of_entries_with_attention_or_coefficients():
    names = {name for name in zoo.list_models() if zoo_pictures.has_picture(name)}
    assert {"linear", "stdr-net-temporal", "stdr-net-spatial"} <= names
    assert "gru" not in names
    for path in (CHECKOUT / "zoo" / "pictures").iterdir():
        assert path.stem in names
        assert path.stat().st_size < 200_000
        assert (
            f"pictures/{path.name}" in (CHECKOUT / "zoo" / "cards" / f"{path.stem}.md").read_text()
        )


def test_only_known_entries_and_cohorts_are_computed():
    assert {task.model for task in zoo_results.chosen(["affine", "linear"])} == {"affine", "linear"}
    with pytest.raises(SystemExit, match="expected an entry or a cohort"):
        zoo_results.chosen(["lineer"])
