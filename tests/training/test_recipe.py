"""Recipes and what follows from them."""

import math

import pytest

from nem2e_tf.errors import InputError
from nem2e_tf.training.recipe import RECIPES, Recipe, recipe


def test_the_papers_recipe():
    paper = recipe("paper")
    assert (paper.units, paper.batch_size, paper.epochs, paper.patience) == (700, 1, 700, 0)
    assert paper.epochs_without_validation == 700
    assert paper.learning_rate_at(0, 700) == paper.learning_rate_at(699, 700) == 1e-3


def test_a_changed_recipe_is_noted():
    assert recipe("fast") is RECIPES["fast"]
    assert recipe("fast", epochs=None, units=None).name == "fast"
    assert recipe("fast", epochs=RECIPES["fast"].epochs).name == "fast"
    changed = recipe("fast", epochs=7, units=8)
    assert (changed.name, changed.epochs, changed.units) == ("fast+", 7, 8)
    assert changed.learning_rate == RECIPES["fast"].learning_rate


@pytest.mark.parametrize("name", list(RECIPES))
@pytest.mark.parametrize("epochs", [1, 5])
def test_epochs_asked_for_are_never_exceeded(name, epochs):
    """Also where there are too few groups to set any aside."""
    assert recipe(name, epochs=epochs).epochs_without_validation <= epochs


def test_more_epochs_do_not_prolong_fits_that_cannot_stop_by_themselves():
    assert recipe("fast", epochs=1000).epochs_without_validation == 100
    assert recipe("fast", epochs=50, epochs_without_validation=20).epochs_without_validation == 20


def test_cosine_falls_to_nothing():
    falling = Recipe(schedule="cosine", learning_rate=0.1, epochs=10)
    assert falling.learning_rate_at(0, 10) == 0.1
    assert falling.learning_rate_at(5, 10) == pytest.approx(0.05)
    assert falling.learning_rate_at(9, 10) == pytest.approx(0.05 * (1 + math.cos(0.9 * math.pi)))
    rates = [falling.learning_rate_at(epoch, 10) for epoch in range(10)]
    assert rates == sorted(rates, reverse=True)


def test_entries_get_only_what_they_know():
    given = Recipe(units=8, dropout=0.25)
    assert given.model_options({"units": 64, "feeding": "free"}) == {"units": 8}
    assert given.model_options({"dropout": 0, "units": 64}) == {"units": 8, "dropout": 0.25}
    assert given.model_options({}) == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": 0},
        {"batch_size": 0},
        {"epochs": 0},
        {"epochs_without_validation": 0},
        {"patience": -1},
        {"weight_decay": -0.1},
        {"weight_decay": math.nan},
        {"learning_rate": 0},
        {"learning_rate": math.nan},
        {"learning_rate": math.inf},
        {"dropout": 1},
        {"dropout": -0.5},
        {"dropout": math.nan},
        {"schedule": "cosin"},
    ],
    ids=str,
)
def test_refuses_values_out_of_range(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))) as caught:
        recipe("fast", **wrong)
    assert "\n" not in str(caught.value)


def test_unknown_names_get_near_ones():
    with pytest.raises(InputError, match="did you mean fast"):
        recipe("fats")
    with pytest.raises(InputError, match="did you mean units"):
        recipe("fast", unit=3)


def test_survives_json():
    given = recipe("paper", dropout=0.5)
    assert Recipe(**given.as_dict()) == given
