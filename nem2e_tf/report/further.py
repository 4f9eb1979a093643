"""What a report tells besides means and t tests, computed once for the page and its files."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd

from nem2e_tf.evaluation.further import further_statistics
from nem2e_tf.evaluation.mixed import mixed_model
from nem2e_tf.evaluation.spread import seed_spread


@dataclass(frozen=True, eq=False)
class Further:
    """Further statistics of runs, and metrics of their curves.

    Attributes
    ----------
    effects : DataFrame
        See `nem2e_tf.evaluation.further.further_statistics`.
    seeds : DataFrame
        See `nem2e_tf.evaluation.spread.seed_spread`.
    mixed : DataFrame
        See `nem2e_tf.evaluation.mixed.mixed_model`.
    curves : DataFrame
        See `nem2e_tf.evaluation.curve_entries.entry_curves`; empty where the curves are not known.
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
        effects=further_statistics(results),
        seeds=seed_spread(results),
        mixed=mixed_model(results),
        curves=pd.DataFrame() if curves is None else curves,
        missing=tuple(missing),
    )
