"""The statistics of a report, computed once for its tables, its page and its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from nem2e_tf.evaluation.effects import effect_sizes
from nem2e_tf.evaluation.mixed import mixed_model, seed_spread
from nem2e_tf.evaluation.results import check_results, references_of
from nem2e_tf.evaluation.statistics import against_baseline, summarise, summarise_references


@dataclass(frozen=True, eq=False)
class Evidence:
    """Means, intervals, tests and references of all entries.

    Attributes
    ----------
    summary : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise`.
    comparison : DataFrame
        See `nem2e_tf.evaluation.statistics.against_baseline`.
    references : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise_references`.
    baseline : str
        The model that the others are compared with.
    """

    summary: pd.DataFrame
    comparison: pd.DataFrame
    references: pd.DataFrame
    baseline: str

    def kinds(self) -> list[str]:
        """Kinds of groups that were left out (``by``); each has its own table."""
        return [str(by) for by in self.summary["by"].unique()]


def gather(
    results: pd.DataFrame, references: "pd.DataFrame | None" = None, *, baseline: str = "seq2seq"
) -> Evidence:
    """Compute the statistics of results.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    references : DataFrame, optional
        Rows of ``references.csv``; without them the errors of one mean pattern per condition are
        unknown.
    baseline : str
        The model that the others are compared with.

    Raises
    ------
    InputError
        A column is missing, or two rows are of the same fit, muscle and group.
    """
    table = check_results(results)
    if references is None or references.empty:
        references = references_of(table)
    return Evidence(
        summary=summarise(table),
        comparison=against_baseline(table, baseline=baseline),
        references=summarise_references(references),
        baseline=baseline,
    )


@dataclass(frozen=True, eq=False)
class Further:
    """Statistics beyond means and t tests, and metrics of the curves.

    Attributes
    ----------
    effects : DataFrame
        See `nem2e_tf.evaluation.effects.effect_sizes`.
    seeds : DataFrame
        See `nem2e_tf.evaluation.mixed.seed_spread`.
    mixed : DataFrame
        See `nem2e_tf.evaluation.mixed.mixed_model`.
    curves : DataFrame
        See `nem2e_tf.evaluation.curves.entry_curves`; empty if the curves are unknown.
    missing : sequence of str
        Why curves are missing.
    """

    effects: pd.DataFrame
    seeds: pd.DataFrame
    mixed: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: Sequence[str] = ()

    def files(self) -> dict[str, str]:
        """Text of one CSV file per table that is not empty, by file name."""
        tables = {
            "effects.csv": self.effects,
            "seeds.csv": self.seeds,
            "mixed-models.csv": self.mixed,
            "curves.csv": self.curves,
        }
        return {
            name: table.to_csv(index=False, lineterminator="\n")
            for name, table in tables.items()
            if not table.empty
        }


def gather_further(
    results: pd.DataFrame, curves: "pd.DataFrame | None" = None, *, missing: Sequence[str] = ()
) -> Further:
    """Compute the statistics beyond means and t tests.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    curves : DataFrame, optional
        See `Further`.
    missing : sequence of str
        Why curves are missing.
    """
    return Further(
        effects=effect_sizes(results),
        seeds=seed_spread(results),
        mixed=mixed_model(results),
        curves=pd.DataFrame() if curves is None else curves,
        missing=tuple(missing),
    )
