"""Whether an exported file does the same as the refiner it came from, on real cycles."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError


@dataclass(frozen=True)
class Limits:
    """How far a file may differ.

    Parameters
    ----------
    difference : float
        Largest difference of a sample, as a share of the muscle's range.
    rmse : float
        Relative change of the task's error (against measured EMG).
    negligible : float
        A change of the error by less than this share of the muscle's range passes: a perfect
        refiner's error is rounding, and so is its change.
    """

    difference: float
    rmse: float
    negligible: float = 1e-5


# What refiners of the zoo stay under, measured with some margin, but for int8, where the change of
# the error is what one may lose and still have the refiner that was evaluated.
LIMITS = {
    "float32": Limits(difference=1e-5, rmse=1e-4, negligible=1e-5),
    "float16": Limits(difference=5e-3, rmse=5e-3, negligible=1e-4),
    "dynamic": Limits(difference=0.05, rmse=0.01, negligible=5e-4),
    "int8": Limits(difference=0.15, rmse=0.03, negligible=1e-3),
}


@dataclass(frozen=True)
class MuscleParity:
    """How one muscle of a file compares with the refiner.

    Attributes
    ----------
    muscle : str
    range : float
        Range over all reference cycles: the refiner's output's, or that of the measured EMG where
        it is larger (a refiner that hardly moves is held to what it should have done).
    difference : float
        Largest difference of a sample, as a share of the range.
    rms_difference : float
        Root mean square difference, as a share of the range.
    worst_cycle : int
        Reference cycle of the largest difference.
    rmse_refiner, rmse_file : float or None
        The task's error of the refiner and of the file: root mean square over a cycle's samples
        against measured EMG, averaged over cycles. None where no cycle has measured EMG.
    n_cycles : int
        Cycles that the task's error was taken on.
    rmse_mean_pattern : float or None
        The same error of the training cycles' mean EMG pattern; None where that is not known.
    """

    muscle: str
    range: float
    difference: float
    rms_difference: float
    worst_cycle: int
    rmse_refiner: float | None
    rmse_file: float | None
    n_cycles: int
    rmse_mean_pattern: float | None = None

    @property
    def skill_refiner(self) -> float | None:
        """How much smaller the refiner's error is than the mean pattern's: 1 - refiner / pattern.

        Over single cycles, not over conditions as an evaluation's.
        """
        return self._skill(self.rmse_refiner)

    @property
    def skill_file(self) -> float | None:
        """The same of the file."""
        return self._skill(self.rmse_file)

    def _skill(self, rmse: float | None) -> float | None:
        if rmse is None or not self.rmse_mean_pattern:
            return None
        return 1 - rmse / self.rmse_mean_pattern

    @property
    def rmse_change(self) -> float:
        """Relative change of the task's error; 0 where there is none to compare."""
        if self.rmse_refiner is None or self.rmse_file is None or self.rmse_refiner == 0:
            return 0.0
        return self.rmse_file / self.rmse_refiner - 1

    def to_json(self) -> dict[str, Any]:
        """Give a dictionary for the metadata, the change of the error and the skills included."""
        return {
            **asdict(self),
            "rmse_change": self.rmse_change,
            "skill_refiner": self.skill_refiner,
            "skill_file": self.skill_file,
        }


def compare(
    refiner: NDArray[Any],
    file: NDArray[Any],
    measured: NDArray[Any],
    *,
    muscles: Sequence[str],
    scored: NDArray[np.bool_],
    mean_pattern: NDArray[Any] | None = None,
) -> tuple[MuscleParity, ...]:
    """Compare a file's output with the refiner's.

    Parameters
    ----------
    refiner, file : array [cycle, sample, muscle]
        What each gave for the same reference cycles.
    measured : array [cycle, sample, muscle]
        Normalised EMG; a cycle with NaN is left out of that muscle's error (counted in
        ``n_cycles``).
    muscles : sequence of str
        Names of the last axis.
    scored : bool array [cycle]
        Cycles to take the task's error on.
    mean_pattern : array [sample, muscle], optional
        Mean EMG of the training cycles; NaN for a muscle that had none.

    Returns
    -------
    tuple of MuscleParity

    Raises
    ------
    ExportError
        The file gives NaN or infinity.
    """
    found = []
    for index, muscle in enumerate(muscles):
        ours, theirs = refiner[:, :, index].astype(float), file[:, :, index].astype(float)
        bad = np.flatnonzero(~np.isfinite(theirs).all(axis=1))
        if len(bad):
            raise ExportError(
                f"{muscle}: expected finite output, found NaN or infinity in cycle {bad[0]}"
            )
        seen = measured[:, :, index][np.isfinite(measured[:, :, index])]
        # without any movement there is no range; the size of the output is the next best scale
        scale = max(np.ptp(ours), np.ptp(seen) if seen.size else 0.0) or np.abs(ours).max() or 1.0
        difference = np.abs(theirs - ours) / scale
        use = scored & np.isfinite(measured[:, :, index]).all(axis=1)
        truth = measured[use, :, index].astype(float)
        found.append(
            MuscleParity(
                muscle=muscle,
                range=float(scale),
                difference=float(difference.max()),
                rms_difference=float(np.sqrt(np.mean(difference**2))),
                worst_cycle=int(difference.max(axis=1).argmax()),
                rmse_refiner=_rmse(ours[use], truth),
                rmse_file=_rmse(theirs[use], truth),
                n_cycles=int(use.sum()),
                rmse_mean_pattern=_rmse_of_pattern(mean_pattern, index, truth),
            )
        )
    return tuple(found)


def _rmse(curves: NDArray[Any], truth: NDArray[Any]) -> float | None:
    if not len(truth):
        return None
    return float(np.sqrt(np.mean((curves - truth) ** 2, axis=1)).mean())


def _rmse_of_pattern(
    mean_pattern: NDArray[Any] | None, index: int, truth: NDArray[Any]
) -> float | None:
    if mean_pattern is None or not np.isfinite(mean_pattern[:, index]).all():
        return None
    return _rmse(mean_pattern[None, :, index].astype(float), truth)


def check(found: Sequence[MuscleParity], limits: Limits, *, name: str) -> None:
    """Hold a file to its limits.

    Parameters
    ----------
    found : sequence of MuscleParity
        From `compare`.
    limits : Limits
        For the file's precision.
    name : str
        What to call the file in messages.

    Raises
    ------
    ExportError
        A limit is exceeded; the worst muscle and cycle are named.
    """
    worst = max(found, key=lambda item: item.difference)
    if worst.difference > limits.difference:
        raise ExportError(
            f"{name}: expected to differ from the refiner by at most {limits.difference:.0e} of "
            f"the range, found {worst.difference:.1e} (muscle {worst.muscle}, reference "
            f"cycle {worst.worst_cycle})"
        )
    for item in sorted(found, key=lambda item: abs(item.rmse_change), reverse=True):
        change = abs(item.rmse_change)
        size = change * (item.rmse_refiner or 0.0)
        if change > limits.rmse and size > limits.negligible * item.range:
            raise ExportError(
                f"{name}: expected the error against measured EMG to change by at most "
                f"{limits.rmse:.2%}, found {item.rmse_change:+.2%} (muscle {item.muscle}, most in "
                f"reference cycle {item.worst_cycle})"
            )
