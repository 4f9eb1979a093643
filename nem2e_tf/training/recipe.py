"""Recipes: the settings of the training of networks."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from nem2e_tf.errors import InputError, near

SCHEDULES = ("constant", "cosine")


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; recorded with runs and refiners.

    Attributes
    ----------
    name : str
        ``paper`` or ``fast``, with a plus sign if settings differ.
    units : int
        Size of the networks, for entries that have ``units``.
    learning_rate : float
        Of Adam (Kingma & Ba 2015), Keras' other defaults.
    schedule : {"constant", "cosine"}
        ``cosine`` lowers the rate to 0 over the epochs.
    batch_size : int
        Rows per step.
    epochs : int
        Maximum number of epochs.
    patience : int
        Epochs without a lower validation error after which a fit stops; 0 never stops early. The
        weights of the epoch with the lowest validation error are kept.
    epochs_without_validation : int
        Epochs where there is no validation set, because there are fewer than three training groups.
    dropout : float
        For entries that have ``dropout``.
    weight_decay : float
        Decoupled, as Keras' ``weight_decay``.
    """

    name: str = "fast"
    units: int = 64
    learning_rate: float = 3e-3
    schedule: str = "constant"
    batch_size: int = 16
    epochs: int = 200
    patience: int = 30
    epochs_without_validation: int = 100
    dropout: float = 0.2
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("units", "batch_size", "epochs", "epochs_without_validation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected 1 or more, found {getattr(self, name)}")
        for name in ("patience", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name}: expected 0 or more, found {getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"learning_rate: expected above 0, found {self.learning_rate}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: expected 0 to below 1, found {self.dropout}")
        if self.schedule not in SCHEDULES:
            raise InputError(
                f"schedule {self.schedule}: expected one of {', '.join(SCHEDULES)}"
                f"{near(self.schedule, SCHEDULES)}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the settings for JSON."""
        return asdict(self)

    def model_options(self, known: Mapping[str, Any]) -> dict[str, Any]:
        """Return the settings that are options of an entry too."""
        return {name: getattr(self, name) for name in ("units", "dropout") if name in known}

    def learning_rate_at(self, epoch: int, epochs: int) -> float:
        """Learning rate of an epoch, counted from 0, of a training of `epochs`."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


RECIPES = {
    "fast": Recipe(),
    "paper": Recipe(
        name="paper",
        units=700,
        learning_rate=1e-3,
        batch_size=1,
        epochs=700,
        patience=0,
        dropout=0.0,
        epochs_without_validation=700,
    ),
}


def recipe(base: "str | Recipe", **changes: Any) -> Recipe:
    """Look up a recipe and change some of its settings.

    Parameters
    ----------
    base : {"fast", "paper"} or Recipe
        ``paper``: 700 units, batch size 1, 700 epochs (Teramae et al. 2025); the paper gives no
        learning rate, so it is Keras' default. ``fast``: equal or lower error in a fraction of the
        time.
    **changes
        Settings of `Recipe` that differ; None keeps the value of the recipe. Fewer `epochs` than
        the recipe's `epochs_without_validation` lower that as well.

    Raises
    ------
    InputError
        Unknown recipe or setting, or a value out of range.

    Examples
    --------
    >>> recipe("paper", epochs=10).name
    'paper+'
    """
    if isinstance(base, str):
        if base not in RECIPES:
            raise InputError(
                f"recipe {base}: expected one of {', '.join(RECIPES)}{near(base, list(RECIPES))}"
            )
        base = RECIPES[base]
    known = {field.name for field in fields(Recipe)} - {"name"}
    for change in changes:
        if change not in known:
            raise InputError(
                f"{change}: expected a setting of a recipe, one of {', '.join(sorted(known))}"
                f"{near(change, sorted(known))}"
            )
    given = {
        key: value
        for key, value in changes.items()
        if value is not None and value != getattr(base, key)
    }
    if "epochs" in given and "epochs_without_validation" not in given:
        at_most = min(base.epochs_without_validation, max(given["epochs"], 1))
        given["epochs_without_validation"] = at_most
    return replace(base, name=f"{base.name.rstrip('+')}+", **given) if given else base
