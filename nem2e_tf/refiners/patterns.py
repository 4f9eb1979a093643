"""Input patterns: from 20 samples of the simulated channels to the inputs of models, and back.

Refiners (`nem2e_tf.refiners.refiner`) and exported files (`nem2e_tf.export.runtime`) both use these
functions, so they cannot differ. NumPy is all they need.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near
from nem2e_tf.names import ALL_ENTIRE, JOINT, ONE_QUARTER, PATTERNS, QUARTERS, TARGETS

SAMPLES = 20

Apply = Callable[[str, NDArray[np.float32]], Any]


@dataclass(frozen=True)
class Composition:
    """How models, channels and muscles of a refiner belong together.

    Parameters
    ----------
    pattern : {"one-quarter", "one-entire", "all-entire"}
        Input pattern.
    targets : {"each", "joint"}
        One model per muscle, or one model for all muscles (``all-entire`` only).
    channels : tuple of str
        Names of the simulated channels, in the order of the last axis.
    muscles : tuple of str
        Names of the refined muscles, in the order of the last axis.
    counterparts : tuple of tuple of str
        For each muscle, the channels whose mean is the simulation's estimate of it.
    model_samples : int
        Samples per row of a model: 20, or 5 under ``one-quarter`` (where 20 means that each quarter
        is resampled to 20).

    Raises
    ------
    InputError
        The parts contradict each other.
    """

    pattern: str
    targets: str
    channels: tuple[str, ...]
    muscles: tuple[str, ...]
    counterparts: tuple[tuple[str, ...], ...]
    model_samples: int = SAMPLES

    def __post_init__(self) -> None:
        for value, known, what in (
            (self.pattern, PATTERNS, "pattern"),
            (self.targets, TARGETS, "targets"),
        ):
            if value not in known:
                raise InputError(f"{what}: expected {' or '.join(known)}, found {value!r}")
        if self.targets == JOINT and self.pattern != ALL_ENTIRE:
            raise InputError(f"targets joint: expected pattern all-entire, found {self.pattern}")
        allowed = (SAMPLES // QUARTERS, SAMPLES) if self.pattern == ONE_QUARTER else (SAMPLES,)
        if self.model_samples not in allowed:
            raise InputError(
                f"pattern {self.pattern}: expected a model of {' or '.join(map(str, allowed))} "
                f"samples, found {self.model_samples!r}"
            )
        for names, what in ((self.channels, "channel"), (self.muscles, "muscle")):
            if not names:
                raise InputError(f"{what}s: expected at least one, found none")
            twice = [name for name in names if names.count(name) > 1]
            if twice:
                raise InputError(f"{what} {twice[0]}: expected once, found twice")
        if len(self.counterparts) != len(self.muscles):
            raise InputError(
                f"counterparts: expected one entry for each of {len(self.muscles)} muscles, "
                f"found {len(self.counterparts)}"
            )
        for muscle, names in zip(self.muscles, self.counterparts, strict=True):
            unknown = [name for name in names if name not in self.channels]
            if unknown:
                raise InputError(f"counterpart {unknown[0]} of {muscle}: expected a channel")
            if not names and self.pattern != ALL_ENTIRE:
                raise InputError(f"muscle {muscle}: expected a counterpart, found none")

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models: ``("joint",)``, or one per muscle.

        Examples
        --------
        >>> Composition("one-entire", "each", ("a_ipsi",), ("a",), (("a_ipsi",),)).models
        ('a',)
        """
        return (JOINT,) if self.targets == JOINT else self.muscles

    @property
    def n_inputs(self) -> int:
        """Number of channels that a model takes: 1 under the One-* patterns."""
        return len(self.channels) if self.pattern == ALL_ENTIRE else 1

    def muscles_of(self, model: str) -> tuple[str, ...]:
        """Names of the muscles that a model predicts."""
        return self.muscles if model == JOINT and self.targets == JOINT else (model,)

    def part(self, model: str) -> "Composition":
        """Return the composition of one model alone, with the channels that it needs."""
        muscles = self.muscles_of(model)
        counterparts = tuple(self.counterparts[self.muscles.index(name)] for name in muscles)
        used = {name for names in counterparts for name in names}
        whole = self.pattern == ALL_ENTIRE
        channels = tuple(name for name in self.channels if whole or name in used)
        return replace(self, channels=channels, muscles=muscles, counterparts=counterparts)

    @property
    def needed(self) -> tuple[str, ...]:
        """The channels that any model uses, in order."""
        used = {name for model in self.models for name in self.part(model).channels}
        return tuple(name for name in self.channels if name in used)


def model_input(
    simulated: NDArray[Any], composition: Composition, *, muscle: str
) -> NDArray[np.float32]:
    """Return the inputs of a model.

    Parameters
    ----------
    simulated : array [cycle, 20, channel]
        Channels in the order of ``composition.channels``.
    composition : Composition
        The refiner's.
    muscle : str
        A muscle that the model predicts.

    Returns
    -------
    float32 array [row, model_samples, input]
        One row per cycle, or four under ``one-quarter``, in order of time.

    Examples
    --------
    >>> one = Composition("one-quarter", "each", ("a_ipsi",), ("a",), (("a_ipsi",),), 5)
    >>> model_input(np.arange(20.0).reshape(1, 20, 1), one, muscle="a")[2, :, 0].tolist()
    [10.0, 11.0, 12.0, 13.0, 14.0]
    """
    values = np.asarray(simulated, dtype=np.float32)
    if composition.pattern == ALL_ENTIRE:
        return values
    names = composition.counterparts[composition.muscles.index(muscle)]
    columns = [composition.channels.index(name) for name in names]
    single = values[:, :, columns].mean(axis=2, dtype=np.float64, keepdims=True)
    if composition.pattern == ONE_QUARTER:
        single = single.reshape(-1, SAMPLES // QUARTERS, 1)
        single = resample(single, composition.model_samples)
    return single.astype(np.float32)


def joined(rows: NDArray[Any], composition: Composition) -> NDArray[np.float32]:
    """Join a model's output rows into cycles.

    Parameters
    ----------
    rows : array [row, model_samples, muscle]
        Outputs for the rows of `model_input`.

    Returns
    -------
    float32 array [cycle, 20, muscle]
    """
    values = np.asarray(rows)
    if composition.pattern == ONE_QUARTER:
        values = resample(values, SAMPLES // QUARTERS)
        values = values.reshape(-1, SAMPLES, values.shape[2])
    return values.astype(np.float32)


def resample(rows: NDArray[Any], count: int) -> NDArray[Any]:
    """Interpolate rows linearly to another number of equally spaced samples, both ends included.

    Parameters
    ----------
    rows : array [row, sample, column]
        Returned unchanged if it has `count` samples already.
    count : int
        Number of samples, 2 or more.

    Returns
    -------
    array [row, count, column]

    Examples
    --------
    >>> resample(np.array([[[0.0], [1.0], [4.0]]]), 5)[0, :, 0].tolist()
    [0.0, 0.5, 1.0, 2.5, 4.0]
    """
    if rows.shape[1] == count:
        return rows
    place = np.linspace(0, rows.shape[1] - 1, count)
    before = np.minimum(place.astype(int), rows.shape[1] - 2)
    share = (place - before)[:, None]
    return rows[:, before] * (1 - share) + rows[:, before + 1] * share


def compose(simulated: NDArray[Any], composition: Composition, apply: Apply) -> NDArray[np.float32]:
    """Run every model of a refiner on cycles and concatenate the muscles.

    Parameters
    ----------
    simulated : array [cycle, 20, channel]
        Channels in the order of ``composition.channels``.
    composition : Composition
        The refiner's.
    apply : callable (model name, float32 array [row, model_samples, input]) -> array
        Runs one model; its result is [row, model_samples, muscle].

    Returns
    -------
    float32 array [cycle, 20, muscle]

    Raises
    ------
    InputError
        The array has another shape, or contains NaN or infinity.
    """
    values = np.asarray(simulated)
    expected = (SAMPLES, len(composition.channels))
    if values.ndim != 3 or values.shape[1:] != expected:
        raise InputError(
            f"simulated: expected [cycle, {expected[0]} samples, {expected[1]} channels], "
            f"found {list(values.shape)}"
        )
    if not np.isfinite(values).all():
        cycle, sample, channel = (int(axis[0]) for axis in np.nonzero(~np.isfinite(values)))
        raise InputError(
            f"simulated: expected finite numbers, found {values[cycle, sample, channel]} in "
            f"cycle {cycle}, sample {sample}, channel {composition.channels[channel]}"
        )
    parts = []
    for model in composition.models:
        muscles = composition.muscles_of(model)
        rows = np.asarray(apply(model, model_input(values, composition, muscle=muscles[0])))
        if not len(values):
            rows = np.empty((0, composition.model_samples, len(muscles)), np.float32)
        parts.append(joined(rows, composition))
    return np.concatenate(parts, axis=2)


def arrange(
    simulated: Any,
    channels: "Sequence[str] | None",
    *,
    needed: Sequence[str],
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Arrange channels by name in the order that a refiner needs.

    Parameters
    ----------
    simulated : array [..., 20, channel], DataFrame [20, channel], or mapping from channel name
        to array [..., 20]
        Simulated activation.
    channels : sequence of str, optional
        Names of the columns of an array. Without names it must have exactly the needed columns, in
        order, and a note says so.
    needed : sequence of str
        The refiner's channels.

    Returns
    -------
    array [..., 20, needed channel] and notes
        The notes list what was reordered and what was not used.

    Raises
    ------
    InputError
        A needed channel is missing, a name is given twice, or the shape is wrong.

    Examples
    --------
    >>> values, notes = arrange(np.zeros((20, 2)), ["b_ipsi", "a_ipsi"], needed=["a_ipsi"])
    >>> values.shape, notes
    ((20, 1), ('1 channel not used: b_ipsi',))
    """
    if hasattr(simulated, "columns"):  # a DataFrame, which is known without pandas
        channels = list(simulated.columns) if channels is None else channels
        simulated = simulated.to_numpy()
    if isinstance(simulated, Mapping):
        given = [str(name) for name in simulated]
        curves = [np.asarray(curve, dtype=np.float64) for curve in simulated.values()]
        odd = [i for i, curve in enumerate(curves) if curve.shape != curves[0].shape]
        if odd or not curves or curves[0].ndim == 0:
            found = f"{given[odd[0]]} of shape {list(curves[odd[0]].shape)}" if odd else "none"
            raise InputError(f"simulated: expected curves of one shape, found {found}")
        values = np.stack(curves, axis=-1)
    else:
        values = np.asarray(simulated, dtype=np.float64)
        if values.ndim < 2:
            raise InputError(
                f"simulated: expected [sample, channel] or more axes, found {list(values.shape)}"
            )
        if channels is None:
            if values.shape[-1] != len(needed):
                raise InputError(
                    f"simulated: expected {len(needed)} channels, found {values.shape[-1]}; "
                    "name them with channels="
                )
            return values, ("channels not named: taken in the refiner's own order",)
        given = [str(name) for name in channels]
        if len(given) != values.shape[-1]:
            raise InputError(
                f"channels: expected {values.shape[-1]} names for as many columns, "
                f"found {len(given)}"
            )
    twice = [name for name in given if given.count(name) > 1]
    if twice:
        raise InputError(f"channel {twice[0]}: expected once, found {given.count(twice[0])} times")
    missing = [name for name in needed if name not in given]
    if missing:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(
            f"channels: expected {missing[0]}{more}, not found among {len(given)} given"
            + near(missing[0], [name for name in given if name not in needed])
        )
    notes = []
    unused = [name for name in given if name not in needed]
    if unused:
        shown = ", ".join(unused[:3]) + (f" and {len(unused) - 3} more" if len(unused) > 3 else "")
        notes.append(f"{len(unused)} channel{'s'[: len(unused) > 1]} not used: {shown}")
    order = [given.index(name) for name in needed]
    if order != sorted(order):
        notes.append("channels reordered by name")
    return values[..., order], tuple(notes)


def as_cycles(values: NDArray[Any]) -> tuple[NDArray[Any], bool]:
    """Return one cycle or several as [cycle, 20, channel], and whether it was one.

    Raises
    ------
    InputError
        The array has another shape.
    """
    one = values.ndim == 2
    cycles = values[None] if one else values
    if cycles.ndim != 3 or cycles.shape[1] != SAMPLES:
        raise InputError(
            f"simulated: expected [{SAMPLES}, channel] or [cycle, {SAMPLES}, channel], "
            f"found {list(values.shape)}"
        )
    return cycles, one
