"""Parity: on real cycles, an exported file must compute what the refiner computes.

A file that passes is sealed with the result of the comparison in its metadata.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import ExportError
from nem2e_tf.export.context import Export, Job, Limits
from nem2e_tf.export.file.audit import ATTENTION, RECORDING, Audit
from nem2e_tf.export.file.metadata import describe
from nem2e_tf.export.graph.pieces import Piece
from nem2e_tf.export.runtime.refiner_file import RefinerFile, Stream
from nem2e_tf.refiners.patterns import SAMPLES, resample

# Recordings of this many rows are the points of a cohort, and resampling leaves them unchanged.
_POINTS = 101


@dataclass(frozen=True)
class MuscleParity:
    """How one muscle of a file compares with the refiner.

    Attributes
    ----------
    muscle : str
    range : float
        Range over all reference cycles, of the refiner's output or of the measured EMG, whichever
        is larger (so that the limits of a nearly constant output are those of its target).
    difference : float
        Largest difference of a sample, as a fraction of the range.
    rms_difference : float
        Root mean square difference, as a fraction of the range.
    worst_cycle : int
        Reference cycle with the largest difference.
    rmse_refiner, rmse_file : float or None
        Error of the refiner and of the file: root mean square over the samples of a cycle against
        measured EMG, averaged over cycles. None if no cycle has measured EMG.
    n_cycles : int
        Cycles with measured EMG.
    rmse_mean_pattern : float or None
        The same error of the mean pattern; None if the refiner has no mean pattern.
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
        """Skill of the refiner: 1 - its error / the error of the mean pattern.

        Averaged over cycles; an evaluation averages over conditions.
        """
        return self._skill(self.rmse_refiner)

    @property
    def skill_file(self) -> float | None:
        """Skill of the file."""
        return self._skill(self.rmse_file)

    def _skill(self, rmse: float | None) -> float | None:
        if rmse is None or not self.rmse_mean_pattern:
            return None
        return 1 - rmse / self.rmse_mean_pattern

    @property
    def rmse_change(self) -> float:
        """Relative change of the error against EMG; 0 if no cycle has measured EMG."""
        if self.rmse_refiner is None or self.rmse_file is None or self.rmse_refiner == 0:
            return 0.0
        return self.rmse_file / self.rmse_refiner - 1

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary, including the change of the error and the skills."""
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
        Outputs for the same reference cycles.
    measured : array [cycle, sample, muscle]
        Normalised EMG; a cycle with NaN does not count towards that muscle's error.
    muscles : sequence of str
        Names along the last axis.
    scored : bool array [cycle]
        Cycles that count towards the error.
    mean_pattern : array [sample, muscle], optional
        Mean EMG of the training cycles; NaN for a muscle without EMG.

    Returns
    -------
    tuple of MuscleParity

    Raises
    ------
    ExportError
        The file's output contains NaN or infinity.
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
        # a constant output has no range: its size is the next best scale
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


def check_limits(found: Sequence[MuscleParity], limits: Limits, *, name: str) -> None:
    """Check that a file stays within its limits.

    Raises
    ------
    ExportError
        A limit is exceeded; the message names the worst muscle and cycle.
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


def compare_piece(
    run: Export, piece: Piece, curves: NDArray[np.float32]
) -> tuple[MuscleParity, ...]:
    """Compare the output [cycle, 20, muscle] of one piece with the refiner's; see `compare`."""
    reference, places = run.refiner.reference, list(piece.places)
    pattern = reference.mean_pattern
    return compare(
        run.refined[:, :, places],
        curves,
        reference.measured[:, :, places],
        muscles=piece.composition.muscles,
        scored=reference.scored,
        mean_pattern=None if pattern is None else pattern[:, places],
    )


@dataclass(frozen=True)
class Checked:
    """A converted file that passed every check.

    Attributes
    ----------
    content : bytes
        The sealed file.
    metadata : dict
        Its embedded metadata.
    audit : Audit
        Its operators and signatures.
    parity : tuple of MuscleParity
        How it compares with the refiner.
    """

    content: bytes
    metadata: dict[str, Any]
    audit: Audit
    parity: tuple[MuscleParity, ...]


def check_and_seal(
    run: Export,
    piece: Piece,
    job: Job,
    *,
    audit: Audit,
    embed: Callable[[bytes, dict[str, Any]], bytes],
    packages: Sequence[str],
    **more: Any,
) -> Checked:
    """Compare a converted file with the refiner, and seal it with its metadata and the result.

    The file is run as a user would run it, and once more after it was sealed.

    Parameters
    ----------
    run : Export
    piece : Piece
        What was converted.
    job : Job
        How; its target is the converted file.
    audit : Audit
        Operators and signatures of the file.
    embed : callable
        Puts metadata into a file of this format.
    packages : sequence of str
        Packages whose versions go into the metadata.
    **more
        Further metadata.

    Raises
    ------
    ExportError
        The file differs from the refiner by more than the limits of its precision.
    """
    content, name, reference = job.target.read_bytes(), job.target.name, run.refiner.reference
    limits = run.choices.limits[job.precision]
    simulated = reference.simulated[:, :, list(piece.columns)]
    info, part = run.refiner.info, piece.composition
    complete = {
        **describe(info, part, recurrence=job.recurrence, precision=job.precision),
        **more,
        "versions": {**info.versions, **{package: version(package) for package in packages}},
        "n_parameters": int(piece.model.count_params()),
        "operators": audit.operators,
    }
    unchecked = RefinerFile(embed(content, complete), source=name)
    refined = unchecked.predict(simulated)
    compared = compare_piece(run, piece, refined)
    check_limits(compared, limits, name=name)
    complete["parity"] = {
        "cycles": len(simulated),
        "held_out": bool(reference.held_out.any()),
        "muscles": [item.to_json() for item in compared],
    }
    if len(job.signatures) > 1:
        complete["parity"]["signatures"] = {
            signature: _check_signature(run, unchecked, signature, limits)
            for signature in job.signatures[1:]
        }
    sealed = embed(content, complete)
    last = RefinerFile(sealed, source=name)
    if not np.array_equal(last.predict(simulated), refined):
        raise ExportError(f"{name}: expected the same output after sealing, found another")
    return Checked(sealed, last.metadata, audit, compared)


def _check_signature(run: Export, file: RefinerFile, signature: str, limits: Limits) -> float:
    """Compare a further signature on the reference cycles; return its largest difference."""
    refiner, part = run.refiner, file.composition
    channels = [refiner.info.composition.channels.index(name) for name in part.channels]
    muscles = [refiner.muscles.index(name) for name in part.muscles]
    simulated, measured = refiner.reference.simulated, refiner.reference.measured
    expected = run.refined
    if signature == RECORDING:
        recorded = resample(simulated, _POINTS)
        expected = resample(refiner.predict(resample(recorded, SAMPLES)), _POINTS)
        measured = resample(measured, _POINTS)
        found = np.stack([file.refine_recording(cycle[:, channels]) for cycle in recorded])
    elif signature == ATTENTION:
        found, _ = file.refine_with_attention(simulated[:, :, channels])
    else:
        stream, refined = Stream([file], channels=part.channels), []
        for cycle in simulated[:, :, channels]:
            stream.reset()
            refined.append([stream.step(sample) for sample in cycle])
        found = np.asarray(refined, dtype=np.float32)
    compared = compare(
        expected[:, :, muscles],
        found,
        measured[:, :, muscles],
        muscles=part.muscles,
        scored=refiner.reference.scored,
    )
    check_limits(compared, limits, name=f"{file.source}, signature {signature}")
    return max(item.difference for item in compared)
