"""The oracles: how much of each entry's gain over the simulation is merely scaling."""

import os
from typing import Any

import numpy as np
import pandas as pd

from nem2e_tf.controls.folder import refuse_foreign_files, write_control
from nem2e_tf.controls.source import Source
from nem2e_tf.evaluation.oracles import split_gain, summarise_split
from nem2e_tf.evaluation.results import SETTINGS
from nem2e_tf.training.predictions import Curves, Prediction, held_out_curves, read_predictions

MEAN_PATTERN, MEASURED = "mean-pattern", "measured"
NOTES = (
    "Amplitude is what one gain and one offset for each muscle and group left out would gain if "
    "the refined curves were known, timing what one shift would; shape is the rest: the form of "
    "the curve, and what changes from cycle to cycle.",
    "The entry 'measured' is a refiner without error: its parts are those of the simulation's "
    "whole error.",
)


def control_oracle(source: Source, path: "str | os.PathLike[str]") -> dict[str, pd.DataFrame]:
    """Split every entry's gain over the simulation, and write the folder of the control.

    Nothing is trained: the predictions of the run are read.

    Parameters
    ----------
    source : Source
    path : path-like
        Where to write.

    Returns
    -------
    dict of str to DataFrame
        ``groups``: one row an entry, seed, muscle and group (`split_gain`); ``summary``:
        `summarise_split`. Besides the entries of the run there are the mean EMG pattern (where the
        run has none) and ``measured``, a refiner without error.
    """
    refuse_foreign_files(path)
    curves = held_out_curves(source.run, source.cohort)
    predictions = [
        one
        for one in read_predictions(source.run, source.cohort)
        if one.entry["model"] in source.models
    ]
    others = {MEAN_PATTERN: curves.mean_pattern, MEASURED: curves.measured}
    names = {one.entry["model"] for one in predictions}
    for name, refined in others.items():
        if name not in names:
            entry = dict.fromkeys(SETTINGS, "") | {"model": name, "seed": "0"}
            predictions.append(Prediction(entry, np.asarray(refined, np.float32)))
    groups = pd.DataFrame([row for one in predictions for row in _split(one, curves)])
    tables = {"summary": summarise_split(groups), "groups": groups}
    write_control(path, "oracle", about=source.about, settings={}, notes=NOTES, tables=tables)
    return tables


def _split(one: Prediction, curves: Curves) -> list[dict[str, Any]]:
    rows = []
    for group in dict.fromkeys(curves.groups.tolist()):
        own = curves.groups == group
        parts = split_gain(
            curves.measured[own],
            simulated=curves.simulated_fine[own],
            refined=one.refined[own],
            conditions=curves.conditions[own].tolist(),
        )
        for muscle, part in zip(curves.muscles, parts, strict=True):
            rows.append({"by": curves.by, **one.entry, "muscle": muscle, "group": group, **part})
    return rows
