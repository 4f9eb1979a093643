"""Input patterns: from a cohort to the rows that models are fitted on.

One-Quarter, One-Entire and All-Entire are those of the paper (Teramae et al. 2025, section 2.3).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohort import Cohort
from nem2e_tf.composition import QUARTERS, SAMPLES, Composition, joined, model_input, resample
from nem2e_tf.thinning import Store, Thinned, blocks, in_memory


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


def build(thinned: Thinned, composition: Composition, *, store: Store = in_memory) -> Problem:
    """Make the rows that models are fitted on.

    Parameters
    ----------
    thinned : Thinned
        The cohort's cycles.
    composition : Composition
        From `composition_of`.
    store : Store
        Keeps what is a copy of the thinned cycles.

    Returns
    -------
    Problem
    """
    whole = composition.pattern == "all-entire"
    places = {name: i for i, name in enumerate(composition.channels)}
    muscles = [
        [composition.muscles.index(name) for name in composition.muscles_of(model)]
        for model in composition.models
    ]
    seen = np.concatenate(
        [
            np.isfinite(thinned.measured[rows]).all(axis=1)
            for rows in blocks(len(thinned.measured), SAMPLES * len(composition.muscles))
        ]
        or [np.zeros((0, len(composition.muscles)), bool)]
    )
    present = np.concatenate([seen[:, columns] for columns in muscles])
    if composition.pattern == "one-quarter":
        present = np.repeat(present, QUARTERS, axis=0)
    return Problem(
        composition=composition,
        inputs=thinned.simulated if whole else _single_inputs(thinned, composition, store),
        targets=_targets(thinned, composition, muscles, seen, store),
        present=present,
        counterparts=tuple(
            tuple(tuple(places[name] for name in composition.counterparts[i]) for i in columns)
            if whole
            else ((0,),)
            for columns in muscles
        ),
        n_cycles=len(thinned.measured),
    )


def _single_inputs(thinned: Thinned, composition: Composition, store: Store) -> NDArray[np.float32]:
    """Inputs of the One-* patterns: one channel, the rows of one model after the other."""
    simulated = thinned.simulated

    def parts() -> Iterator[NDArray[np.float32]]:
        for muscle in composition.muscles:
            for rows in blocks(len(simulated), SAMPLES * simulated.shape[2]):
                yield model_input(simulated[rows], composition, muscle=muscle)

    count = len(composition.muscles) * len(simulated) * SAMPLES // _row_samples(composition)
    shape = (count, composition.model_samples, 1)
    return store(f"inputs-{composition.pattern}", shape, np.float32, parts)


def _targets(
    thinned: Thinned,
    composition: Composition,
    muscles: Sequence[Sequence[int]],
    seen: NDArray[np.bool_],
    store: Store,
) -> NDArray[np.float32]:
    """Measured activity, the rows of one model after the other; 0 where it was not measured."""
    measured, row_samples = thinned.measured, _row_samples(composition)

    def parts() -> Iterator[NDArray[np.float32]]:
        for columns in muscles:
            for rows in blocks(len(measured), SAMPLES * measured.shape[2]):
                wanted = measured[rows][:, :, columns]
                wanted = np.where(seen[rows][:, None, columns], wanted, np.float32(0))
                wanted = wanted.reshape(-1, row_samples, len(columns))
                if composition.pattern == "one-quarter":
                    wanted = resample(wanted, composition.model_samples)
                yield wanted.astype(np.float32)

    count = len(muscles) * len(measured) * SAMPLES // row_samples
    shape = (count, composition.model_samples, len(muscles[0]))
    name = "quarters" if composition.pattern == "one-quarter" else composition.targets
    return store(f"targets-{name}", shape, np.float32, parts)


def _row_samples(composition: Composition) -> int:
    """Samples of a cycle that one row stands for."""
    return SAMPLES // QUARTERS if composition.pattern == "one-quarter" else SAMPLES
