"""The description of a trained refiner, and the real cycles stored with it."""

import json
import os
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.refiners.patterns import SAMPLES, Composition

FORMAT = 1
KIND = "nem2e-tf refiner"
MARKER = "refiner.json"


@dataclass(frozen=True)
class Muscle:
    """A refined muscle.

    Parameters
    ----------
    name : str
        Canonical name.
    counterparts : tuple of str
        The simulated channels that it is compared with; their mean is the estimate of it.
    electrode : str
        Muscles with the same electrode have the same measured signal.
    """

    name: str
    counterparts: tuple[str, ...]
    electrode: str = ""


@dataclass(frozen=True)
class ModelFile:
    """The file of a model in the refiner folder, and its SHA-256."""

    file: str
    sha256: str


@dataclass(frozen=True)
class RefinerInfo:
    """Everything about a trained refiner except its weights; stored as ``refiner.json``.

    Parameters
    ----------
    model : str
        Entry of the zoo.
    pattern, targets, output : str
        Input pattern, ``each`` or ``joint``, ``direct`` or ``residual``.
    channels : tuple of str
        Simulated channels, in the order of the last axis of the models.
    muscles : tuple of Muscle
        Refined muscles, in order.
    options : dict
        Options of the zoo entry.
    model_samples : int
        Samples per row of a model: 20, or 5 for quarters.
    recipe : dict
        The recipe of the training.
    seed : int
        The seed of the training.
    cohort, cohort_digest : str
        Name and digest of the training cohort.
    normalisation : str
        How the measured activity was normalised, hence the unit of the refined activity.
    licence : str
        Licence of the weights, as the licence of the data requires.
    metrics : dict
        Evidence: numbers by name, or by muscle and name.
    n_parameters : int
        Number of weights of all models; counted on saving.
    versions : dict
        Of nem2e-tf, keras, tensorflow, numpy and python; recorded on saving.
    files : dict of str to ModelFile
        The file of each muscle, or of ``joint``; recorded on saving.
    source : dict
        ``file``, ``function`` and ``sha256`` of the source of a refiner of the user's own; also
        ``copy``, a file in the refiner folder, if that source defines layers of the model.
    samples : int
        Samples of a cycle: 20.
    """

    model: str
    pattern: str
    targets: str
    output: str
    channels: tuple[str, ...]
    muscles: tuple[Muscle, ...]
    options: dict[str, Any] = field(default_factory=dict)
    model_samples: int = SAMPLES
    recipe: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    cohort: str = ""
    cohort_digest: str = ""
    normalisation: str = ""
    licence: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    n_parameters: int = 0
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, ModelFile] = field(default_factory=dict)
    source: dict[str, str] = field(default_factory=dict)
    samples: int = SAMPLES

    @cached_property
    def composition(self) -> Composition:
        """How models, channels and muscles belong together."""
        return Composition(
            pattern=self.pattern,
            targets=self.targets,
            channels=self.channels,
            muscles=tuple(muscle.name for muscle in self.muscles),
            counterparts=tuple(muscle.counterparts for muscle in self.muscles),
            model_samples=self.model_samples,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the description as JSON, for `from_json`."""
        return {"kind": KIND, "format": FORMAT, **json.loads(json.dumps(asdict(self)))}

    @classmethod
    def from_json(cls, value: Any, *, source: "str | os.PathLike[str]" = MARKER) -> "RefinerInfo":
        """Read a description from `to_json`.

        Raises
        ------
        InputError
            It is no description, of another format, incomplete or contradictory.
        """
        if not isinstance(value, dict) or value.get("kind") != KIND:
            raise InputError(f"{source}: expected a {KIND}, found something else")
        if value.get("format") != FORMAT:
            raise InputError(
                f"{source}: expected refiner format {FORMAT}, found {value.get('format')}; "
                "train the refiner again with this version"
            )
        known = {item.name for item in fields(cls)}
        content = {key: item for key, item in value.items() if key in known}
        try:
            content["channels"] = tuple(str(name) for name in content["channels"])
            content["muscles"] = tuple(
                Muscle(str(m["name"]), tuple(map(str, m["counterparts"])), str(m["electrode"]))
                for m in content["muscles"]
            )
            content["files"] = {key: ModelFile(**item) for key, item in content["files"].items()}
            info = cls(**content)
            missing = [name for name in info.composition.models if name not in info.files]
        except (KeyError, TypeError, AttributeError, InputError) as error:
            raise InputError(f"{source}: expected a whole {KIND}, found {error!s}") from None
        if missing:
            raise InputError(f"{source}: expected a file for {missing[0]}, found none")
        return info


@dataclass(frozen=True, eq=False)
class Reference:
    """Real cycles on which exported files are checked.

    Parameters
    ----------
    simulated : float32 array [cycle, 20, channel]
        All channels of the refiner.
    measured : float32 array [cycle, 20, muscle]
        NaN where an electrode was bad: such a cycle is left out for that muscle.
    held_out : bool array [cycle]
        Cycles of the validation set, which the refiner was not trained on.
    calibration : float32 array [cycle, 20, channel], optional
        Simulated training cycles: the representative data set of full quantisation. None of them is
        held out, because calibration is fitting too.
    mean_pattern : float32 array [20, muscle], optional
        Mean EMG of the training cycles, to which skill refers.

    Raises
    ------
    InputError
        The shapes contradict each other, or there is no cycle.
    """

    simulated: NDArray[np.float32]
    measured: NDArray[np.float32]
    held_out: NDArray[np.bool_]
    calibration: NDArray[np.float32] | None = None
    mean_pattern: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        shapes = self.simulated.shape, self.measured.shape, self.held_out.shape
        if (
            [len(shape) for shape in shapes] != [3, 3, 1]
            or len({shape[0] for shape in shapes}) != 1
            or {shapes[0][1], shapes[1][1]} != {SAMPLES}
            or not shapes[0][0]
        ):
            raise InputError(
                f"reference: expected [cycle, {SAMPLES}, channel], [cycle, {SAMPLES}, muscle] and "
                f"[cycle] with one or more cycles, found {' '.join(str(list(s)) for s in shapes)}"
            )
        for array, expected, what in (
            (self.calibration, self.simulated.shape[1:], "calibration"),
            (self.mean_pattern, self.measured.shape[1:], "mean pattern"),
        ):
            if array is not None and array.shape[-2:] != expected:
                raise InputError(
                    f"reference: expected a {what} of {list(expected)}, found {list(array.shape)}"
                )

    @property
    def scored(self) -> NDArray[np.bool_]:
        """The cycles that errors refer to: those held out, or all if none was."""
        return self.held_out if self.held_out.any() else np.ones_like(self.held_out)
