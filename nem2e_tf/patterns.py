"""Input patterns: from a cohort to the rows that models are fitted on.

One-Quarter, One-Entire and All-Entire are those of the paper (Teramae et al. 2025, section 2.3).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import POINTS, Cohort
from nem2e_tf.composition import QUARTERS, SAMPLES, Composition, joined, model_input, resample


def thin(cycles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Thin cycles of 101 points to the 20 samples that models see and scores are taken on.

    Linear interpolation at ``linspace(0, 100, 20)``, the paper's thinning.

    Parameters
    ----------
    cycles : float array [cycle, 101, column]

    Returns
    -------
    float32 array [cycle, 20, column]
        A point that is NaN makes its neighbouring samples NaN.

    Examples
    --------
    >>> thin(np.linspace(0, 1, 101)[None, :, None])[0, [0, 19], 0].tolist()
    [0.0, 1.0]
    """
    values = np.asarray(cycles, dtype=np.float64)
    if values.shape[1] != POINTS:
        raise ValueError(f"Expected {POINTS} points a cycle. Received: {values.shape[1]}")
    return resample(values, SAMPLES).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Problem:
    """What models of one input pattern are fitted on.

    Attributes
    ----------
    composition : Composition
        How models, channels and muscles belong together.
    inputs : float32 array [row, sample, channel]
        Rows of all models one after the other, or one set of rows that all of them share.
    targets : float32 array [row, sample, target]
        Measured activity; NaN is replaced by 0 where not `present`.
    present : bool array [row, target]
        Whether the muscle was measured throughout the cycle of that row.
    counterparts : tuple of tuple of tuple of int
        For each model, the indices of its input channels that each target is compared with.
    n_cycles : int
        Cycles of the cohort.
    """

    composition: Composition
    inputs: NDArray[np.float32]
    targets: NDArray[np.float32]
    present: NDArray[np.bool_]
    counterparts: tuple[tuple[tuple[int, ...], ...], ...]
    n_cycles: int

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: ``joint``, or one a muscle."""
        return self.composition.models

    @property
    def rows_a_cycle(self) -> int:
        """Rows that a cycle becomes: 4 under One-Quarter, otherwise 1."""
        return QUARTERS if self.composition.pattern == "one-quarter" else 1

    def input_rows(
        self, model: int, cycles: "Sequence[int] | NDArray[np.intp]"
    ) -> NDArray[np.intp]:
        """Rows of `inputs` that a model's cycles became."""
        shared = len(self.inputs) == self.n_cycles * self.rows_a_cycle
        return self._rows(0 if shared else model, cycles)

    def target_rows(
        self, model: int, cycles: "Sequence[int] | NDArray[np.intp]"
    ) -> NDArray[np.intp]:
        """Rows of `targets` and `present` that a model's cycles became."""
        return self._rows(model, cycles)

    def _rows(self, model: int, cycles: "Sequence[int] | NDArray[np.intp]") -> NDArray[np.intp]:
        first = (model * self.n_cycles + np.asarray(cycles, np.intp)) * self.rows_a_cycle
        return (first[:, None] + np.arange(self.rows_a_cycle)).ravel()

    def joined(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Join a model's output rows into cycles [cycle, 20, target]."""
        return joined(rows, self.composition)


def composition_of(
    cohort: Cohort, *, pattern: str, targets: str, quarter_samples: int = SAMPLES // QUARTERS
) -> Composition:
    """Say how models, channels and muscles of a cohort belong together under an input pattern.

    Parameters
    ----------
    cohort : Cohort
    pattern : {"one-quarter", "one-entire", "all-entire"}
    targets : {"each", "joint"}
        One model a muscle, or one for all.
    quarter_samples : {5, 20}
        Samples of a quarter under One-Quarter: its own 5, or resampled to 20.
    """
    channels = cohort.channel_names
    return Composition(
        pattern=pattern,
        targets=targets,
        channels=tuple(channels),
        muscles=tuple(cohort.muscle_names),
        counterparts=tuple(tuple(channels[i] for i in row) for row in cohort.counterparts),
        model_samples=quarter_samples if pattern == "one-quarter" else SAMPLES,
    )


def build(cohort: Cohort, composition: Composition) -> Problem:
    """Make the rows that models are fitted on.

    Parameters
    ----------
    cohort : Cohort
    composition : Composition
        From `composition_of`.

    Returns
    -------
    Problem
    """
    simulated = thin(cohort.simulated)
    measured = thin(cohort.measured)
    whole = composition.pattern == "all-entire"
    places = {name: i for i, name in enumerate(composition.channels)}
    parts = composition.models[:1] if whole else composition.models
    inputs = [
        model_input(simulated, composition, muscle=composition.muscles_of(model)[0])
        for model in parts
    ]
    targets, present, counterparts = [], [], []
    for model in composition.models:
        columns = [composition.muscles.index(name) for name in composition.muscles_of(model)]
        wanted = measured[:, :, columns]
        seen = np.asarray(np.isfinite(wanted).all(axis=1))
        wanted = np.where(seen[:, None, :], wanted, np.float32(0))
        if composition.pattern == "one-quarter":
            wanted = wanted.reshape(-1, SAMPLES // QUARTERS, len(columns))
            wanted = resample(wanted, composition.model_samples).astype(np.float32)
            seen = np.repeat(seen, QUARTERS, axis=0)
        targets.append(wanted)
        present.append(seen)
        counterparts.append(
            tuple(tuple(places[name] for name in composition.counterparts[i]) for i in columns)
            if whole
            else ((0,),)
        )
    return Problem(
        composition=composition,
        inputs=np.concatenate(inputs),
        targets=np.concatenate(targets),
        present=np.concatenate(present),
        counterparts=tuple(counterparts),
        n_cycles=len(cohort.cycles),
    )
