"""What a report tells besides means and t tests, computed once for the page and its files.

The statistics behind a report, computed once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from nem2e_tf.evaluation.effects import effect_sizes
from nem2e_tf.evaluation.mixed import mixed_model, seed_spread
from nem2e_tf.evaluation.results import check_results, references_of
from nem2e_tf.evaluation.statistics import against_baseline, summarise, summarise_references


@dataclass(frozen=True, eq=False)
class Evidence:
    """The statistics behind a report.

    Attributes
    ----------
    summary : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise`.
    comparison : DataFrame
        See `nem2e_tf.evaluation.statistics.against_baseline`.
    references : DataFrame
        See `nem2e_tf.evaluation.statistics.summarise_references`.
    baseline : str
        The model that the comparison is with.
    """

    summary: pd.DataFrame
    comparison: pd.DataFrame
    references: pd.DataFrame
    baseline: str

    def kinds(self) -> list[str]:
        """What was left out (``by``): one table each."""
        return [str(by) for by in self.summary["by"].unique()]


def gather(
    results: pd.DataFrame, references: "pd.DataFrame | None" = None, *, baseline: str = "seq2seq"
) -> Evidence:
    """Compute what a report shows.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    references : DataFrame, optional
        Rows of ``references.csv``; without them the errors of one mean pattern a condition are
        unknown.
    baseline : str
        The model to compare with.

    Raises
    ------
    InputError
        The results lack a column or say the same thing twice.
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
    """Further statistics of runs, and metrics of their curves.

    Attributes
    ----------
    effects : DataFrame
        See `nem2e_tf.evaluation.effects.effect_sizes`.
    seeds : DataFrame
        See `nem2e_tf.evaluation.mixed.seed_spread`.
    mixed : DataFrame
        See `nem2e_tf.evaluation.mixed.mixed_model`.
    curves : DataFrame
        See `nem2e_tf.evaluation.curves.entry_curves`; empty where the curves are not known.
    missing : sequence of str
        Why there are no curves, or not all.
    """

    effects: pd.DataFrame
    seeds: pd.DataFrame
    mixed: pd.DataFrame
    curves: pd.DataFrame = field(default_factory=pd.DataFrame)
    missing: Sequence[str] = ()

    def files(self) -> dict[str, str]:
        """Name each table's CSV file, and write it; what is empty has none."""
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
    """Compute the further statistics of runs.

    Parameters
    ----------
    results : DataFrame
        Rows of ``results.csv``.
    curves : DataFrame, optional
        Metrics of the held-out curves, as above.
    missing : sequence of str
        Why there are no curves, or not all.
    """
    return Further(
        effects=effect_sizes(results),
        seeds=seed_spread(results),
        mixed=mixed_model(results),
        curves=pd.DataFrame() if curves is None else curves,
        missing=tuple(missing),
    )
