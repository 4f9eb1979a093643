"""Pictures for the cards of the zoo: attention and coefficients of models trained on ``walk``."""

from pathlib import Path

import numpy as np
import pandas as pd

from nem2e_tf import zoo
from nem2e_tf.report.figures.attention import draw_spatial_attention, draw_temporal_attention
from nem2e_tf.report.figures.style import write_figure

COHORT = "walk"
DOTS_AN_INCH = 100


def has_picture(model: str) -> bool:
    """Return whether an entry has attention or coefficients to draw."""
    return model == "linear" or bool(zoo.entry(model).attention)


def draw(model: str, cohort: Path, cache: Path, pictures: Path) -> None:
    """Train a model on a cohort and draw its attention or coefficients.

    Parameters
    ----------
    model : str
        An entry for which `has_picture` holds.
    cohort : Path
        The cohort folder.
    cache : Path
        Where the refiner goes.
    pictures : Path
        Where the picture goes; made if it does not exist.
    """
    from nem2e_tf.cohorts.cohort import load_cohort
    from nem2e_tf.controls import control
    from nem2e_tf.refiners.refiner import load_refiner
    from nem2e_tf.training.train import train

    loaded = load_cohort(cohort)
    folder = cache / f"{model}-refiner"
    if not (folder / "refiner.json").exists():
        train(loaded, model, out=folder, targets="joint")
    refiner = load_refiner(folder)
    kind = zoo.entry(model).attention
    if kind:
        weights = control(refiner, "attention").tables["weights"]
        means = table_of(weights)
        tokens = list(means.columns)
    else:
        tokens = loaded.channel_names
        kernel = refiner.models["joint"].get_layer("regression").get_weights()[0]
        means = shares(kernel, len(tokens), len(loaded.muscles))
    pictures.mkdir(exist_ok=True)
    figure = (
        draw_temporal_attention(means)
        if kind == "temporal"
        else draw_spatial_attention(means, channels=tokens)
    )
    write_figure(figure, pictures / f"{model}.png", dots=DOTS_AN_INCH)


def table_of(weights: pd.DataFrame) -> pd.DataFrame:
    """Weights [sample, token] of the attention control's table."""
    tokens = list(dict.fromkeys(weights["token"].astype(str)))
    one = weights.assign(token=weights["token"].astype(str))
    return one.groupby(["sample", "token"])["weight"].mean().unstack()[tokens].sort_index()


def shares(kernel: np.ndarray, n_channels: int, n_targets: int) -> np.ndarray:
    """Each channel's share of the absolute coefficients of each output sample.

    Parameters
    ----------
    kernel : array [sample in x channel, sample out x target]
        Of the entry ``linear``.
    """
    size = np.abs(kernel).reshape(-1, n_channels, kernel.shape[1] // n_targets, n_targets)
    summed = size.sum(axis=(0, 3)).T
    return summed / summed.sum(axis=1, keepdims=True)
