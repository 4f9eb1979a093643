"""The statistics behind a report, computed once."""

from dataclasses import dataclass

import pandas as pd

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
