"""The methods paragraphs of a paper, written from the settings and versions in runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from nem2e_tf.evaluation.results import BLOCK

_NAMES = {
    "python": "Python",
    "tensorflow": "TensorFlow",
    "keras": "Keras",
    "numpy": "NumPy",
    "scipy": "SciPy",
    "scikit-learn": "scikit-learn",
    "pandas": "pandas",
}
_OUTPUTS = {
    "direct": "muscle activity",
    "residual": "its difference from the mean pattern of the training cycles",
}
_TARGETS = {"each": "one model per muscle", "joint": "one model for all muscles"}


def methods(headers: Sequence[Mapping[str, Any]], results: pd.DataFrame, /) -> list[str]:
    """Return the methods of one or several runs of one cohort, one paragraph per item.

    Parameters
    ----------
    headers : sequence of mapping
        ``run.json`` of each run. Unknown settings are left out.
    results : DataFrame
        Rows of ``results.csv`` of all of them.

    Returns
    -------
    list of str
        Data and cross-validation, training, and scores.
    """
    first = headers[0]
    tools = f"Refiners of simulated muscle activity were evaluated with {versions_text(first)}."
    return [
        " ".join((tools, _on_what(first, results), _split(results))),
        " ".join(_training(header, several=len(headers) > 1) for header in headers),
        _scores(results),
    ]


def versions_text(header: Mapping[str, Any], /) -> str:
    """Return the versions that the results of a run depend on, in words.

    Examples
    --------
    >>> versions_text({"versions": {"nem2e-tf": "0.1.0", "python": "3.12.1"}})
    'nem2e-tf 0.1.0 (Python 3.12.1)'
    """
    found = header.get("versions", {})
    words = [f"{name} {found[key]}" for key, name in _NAMES.items() if key in found]
    if "machine" in found:
        words.append(f"{found.get('platform', '')} {found['machine']}".strip())
    return f"nem2e-tf {found.get('nem2e-tf', '(version unknown)')}" + (
        f" ({', '.join(words)})" if words else ""
    )


def _on_what(header: Mapping[str, Any], results: pd.DataFrame) -> str:
    cohort = header.get("cohort", {})
    digest = cohort.get("digest") or header.get("digest")
    words = [
        f"{cohort[name]} {what}"
        for name, what in (("cycles", "cycles"), ("channels", "simulated channels"))
        if name in cohort
    ]
    words.append(f"{results['muscle'].nunique()} measured muscles")
    text = f"The cohort {cohort.get('name', '(name unknown)')} contains {' and '.join(words)}"
    return f"{text} (SHA-256 {digest})." if digest else f"{text}."


def _split(results: pd.DataFrame) -> str:
    sentences = []
    for by, rows in results.groupby("by", sort=False):
        n = rows["group"].nunique()
        what = f"{n} blocks of one person's consecutive cycles" if by == BLOCK else f"{n} {by}s"
        sentences.append(
            f"Each of {what} was left out in turn; weights, normalisation, mean patterns and the "
            "epoch of early stopping were determined from the others only."
        )
    return " ".join(sentences)


def _training(header: Mapping[str, Any], *, several: bool) -> str:
    settings = header.get("settings")
    if not settings:
        return "The training settings are not recorded in the run."
    recipe = settings.get("recipe", {})
    text = (
        f"{'In one run, the' if several else 'The'} refiners {', '.join(settings['models'])} used "
        f"the input pattern{'s'[: len(settings['patterns']) > 1]} "
        f"{', '.join(settings['patterns'])}, with {_TARGETS.get(settings['targets'], '')} "
        f"that predicted {_OUTPUTS.get(settings['output'], '')}. Networks were trained with the "
        f"recipe {recipe.get('name')}: {recipe.get('units')} units, Adam with learning rate "
        f"{recipe.get('learning_rate'):g} ({recipe.get('schedule')}), batches of "
        f"{recipe.get('batch_size')}, at most {recipe.get('epochs')} epochs"
    )
    if recipe.get("patience"):
        text += f", early stopping with a patience of {recipe['patience']} epochs"
    text += f", dropout {recipe.get('dropout'):g}, weight decay {recipe.get('weight_decay'):g}; "
    seeds = int(settings.get("seeds", 1))
    text += (
        "seed 0."
        if seeds == 1
        else f"seeds 0 to {seeds - 1}, with scores averaged over seeds before all statistics."
    )
    if settings.get("options"):
        given = [
            f"{model}.{name}={value}"
            for model, options in settings["options"].items()
            for name, value in options.items()
        ]
        text += f" Options: {', '.join(given)}."
    return text


def _scores(results: pd.DataFrame) -> str:
    text = (
        "The error is the root-mean-square error (RMSE) over 20 samples of a cycle, averaged over "
        "the cycles of a condition and then over conditions. The improvement rate is (refined - "
        "simulated) / simulated error; the skill is 1 - refined / mean-pattern error, where the "
        "mean pattern is the mean EMG of the training cycles, which does not depend on the input. "
    )
    if (results["by"] == BLOCK).all():
        return (
            text + "Blocks of one person allow no inference about other people; ranges are given."
        )
    return text + (
        "Means over groups are given with 95 % t intervals and two-sided t tests, Holm-adjusted "
        "over the muscles of an entry and over the entries of an input pattern. Folds share "
        "training data and are therefore not fully independent."
    )
