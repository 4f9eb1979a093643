"""Load a refiner of any kind, to run it or to inspect it.

A ``.tflite`` requires numpy and ai-edge-litert only.
"""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import FEWEST_ROWS, audit_onnx, audit_tflite
from nem2e_tf.export.file.index import INDEX, SAVED_MODELS, read_index
from nem2e_tf.export.file.metadata import is_onnx, read_content, read_metadata
from nem2e_tf.export.runtime.interpreters import SavedModel
from nem2e_tf.export.runtime.refiner_file import Exported, RefinerFile, Stream
from nem2e_tf.io.files import read_json
from nem2e_tf.refiners.info import MARKER
from nem2e_tf.refiners.patterns import arrange, as_cycles
from nem2e_tf.refiners.refiner import Refiner, load_info, load_refiner


class Runtime:
    """One or more exported models that together refine the muscles of a refiner.

    Parameters
    ----------
    files : sequence of Exported
        Their muscles are concatenated in this order.
    channels : sequence of str, optional
        Order of the channels; default: that of the files.

    Attributes
    ----------
    notes : tuple of str
        Channels that the last call reordered or did not use, and values that it clipped.
    """

    def __init__(
        self, files: Sequence[Exported], *, channels: "Sequence[str] | None" = None
    ) -> None:
        self.files = tuple(files)
        used = dict.fromkeys(name for file in files for name in file.composition.channels)
        order = list(used) if channels is None else [name for name in channels if name in used]
        self.channels: tuple[str, ...] = tuple(order)
        self.muscles: tuple[str, ...] = tuple(
            name for file in files for name in file.composition.muscles
        )
        self.notes: tuple[str, ...] = ()

    @property
    def metadata(self) -> list[dict[str, Any]]:
        """Metadata of the models, in order."""
        return [file.metadata for file in self.files]

    def refine(
        self, simulated: Any, *, channels: "Sequence[str] | None" = None
    ) -> NDArray[np.float32]:
        """Refine one cycle or several.

        Parameters
        ----------
        simulated : array [20, channel] or [cycle, 20, channel], DataFrame [20, channel], or mapping
            from channel name to array [20] or [cycle, 20]
            Activation at 20 equally spaced samples of a cycle, both ends included. NaN is refused.
        channels : sequence of str, optional
            Names of an array's columns, in any order; default: `channels`.

        Returns
        -------
        float32 array [20, muscle] or [cycle, 20, muscle]
            Muscles in the order of `muscles`.

        Raises
        ------
        InputError
            A channel is missing or given twice, a shape is wrong, or a value is not finite.
        """
        cycles, one = self._cycles(simulated, channels)
        before = self._clipped()
        refined = np.concatenate([file.predict(own) for file, own in cycles], axis=2)
        clipped = self._clipped() - before
        if clipped:
            count = f"{clipped} value{'s'[: clipped > 1]}"
            self.notes += (f"{count} clipped to the range of the quantised input",)
        return refined[0] if one else refined

    def refine_with_attention(
        self, simulated: Any, *, channels: "Sequence[str] | None" = None
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Refine one cycle or several, and return the attention weights; see `refine`.

        Returns
        -------
        float32 array [20, muscle] or [cycle, 20, muscle], list of float32 array
            Refined activity, and the weights [row, sample, token] of each model; tokens are samples
            (temporal attention) or channels (spatial attention). A cycle is one row, or four with
            the pattern ``one-quarter``.

        Raises
        ------
        InputError
            As `refine`; or a model was exported without this signature.
        """
        cycles, one = self._cycles(simulated, channels)
        found = [file.refine_with_attention(own) for file, own in cycles]
        refined = np.concatenate([curves for curves, _ in found], axis=2)
        return refined[0] if one else refined, [weights for _, weights in found]

    def refine_recording(
        self, recording: Any, *, channels: "Sequence[str] | None" = None
    ) -> NDArray[np.float32]:
        """Refine one cycle as recorded, at evenly spaced times.

        Parameters
        ----------
        recording : array [n, channel], or mapping from channel name to curve [n]
            Activation from foot contact (first row) to the next contact of that foot (last row), 11
            rows or more. NaN is refused.
        channels : sequence of str, optional
            Names of the columns; see `refine`.

        Returns
        -------
        float32 array [n, muscle]
            At the same times.

        Raises
        ------
        InputError
            As `refine`; there are too few rows; or a model was exported without this signature.
        """
        values, self.notes = arrange(recording, channels, needed=self.channels)
        if values.ndim != 2 or len(values) < FEWEST_ROWS:
            raise InputError(
                f"recording: expected one cycle [n, channel] of {FEWEST_ROWS} rows or more, found "
                f"{list(values.shape)}"
            )
        if not np.isfinite(values).all():
            row, channel = (int(axis[0]) for axis in np.nonzero(~np.isfinite(values)))
            raise InputError(
                f"recording: expected finite numbers, found {values[row, channel]} in row {row}, "
                f"channel {self.channels[channel]}"
            )
        return np.concatenate(
            [file.refine_recording(values[:, self._columns(file)]) for file in self.files], axis=1
        )

    def stream(self) -> Stream:
        """Start refining sample by sample; see `nem2e_tf.export.runtime.refiner_file.Stream`.

        Raises
        ------
        InputError
            A model was exported without the signature ``step``.
        """
        return Stream(self.files, channels=self.channels)

    def _cycles(
        self, simulated: Any, channels: "Sequence[str] | None"
    ) -> tuple[list[tuple[Exported, NDArray[Any]]], bool]:
        """Select each model's channels of the cycles; return them, and True for a single cycle."""
        values, notes = arrange(simulated, channels, needed=self.channels)
        cycles, one = as_cycles(values)
        self.notes = notes
        return [(file, cycles[:, :, self._columns(file)]) for file in self.files], one

    def _clipped(self) -> int:
        return sum(file.interpreter.clipped for file in self.files)

    def _columns(self, file: Exported) -> list[int]:
        return [self.channels.index(name) for name in file.composition.channels]


@dataclass(frozen=True)
class Found:
    """A refiner that `locate` found.

    Attributes
    ----------
    kind : {"refiner", "file", "saved-model"}
        A refiner folder, ``.tflite`` or ``.onnx`` files, or SavedModels.
    paths : tuple of Path
        The refiner folder, the files, or the SavedModels' folders.
    channels : tuple of str or None
        Order of the channels, if an export folder records it.
    """

    kind: str
    paths: tuple[Path, ...]
    channels: tuple[str, ...] | None = None


def locate(path: "str | os.PathLike[str]", *, precision: str | None = None) -> Found:
    """Find the kind of refiner at a path without loading it; see `load`.

    Raises
    ------
    InputError
        There is no refiner.
    """
    place = Path(path)
    if precision is not None and not (place / INDEX).is_file():
        raise InputError(f"precision {precision}: expected an export folder, found {path}")
    if (place / MARKER).is_file():
        return Found("refiner", (place,))
    one_format = place.name == SAVED_MODELS and (place.parent / INDEX).is_file()
    folder = place.parent if one_format else place
    if (folder / INDEX).is_file():
        listed, channels = read_index(folder, precision=precision)
        kinds = ("saved-model",) if one_format else ("tflite", "onnx", "saved-model")
        for kind in kinds:
            if listed[kind]:
                paths = tuple(folder / name for name in listed[kind])
                return Found("file" if kind != "saved-model" else kind, paths, tuple(channels))
        raise InputError(
            f"{path}: expected files of format {' or '.join(kinds)}, found other formats only; "
            "export the refiner again in one of these"
        )
    if (place / "saved_model.pb").is_file():
        return Found("saved-model", (place,))
    if place.is_file() or place.suffix in (".tflite", ".onnx"):
        return Found("file", (place,))
    raise InputError(
        f"{path}: expected a refiner folder with {MARKER}, an export folder with {INDEX}, a "
        "SavedModel or a .tflite or .onnx, found "
        f"{'another folder' if place.is_dir() else 'no such file'}"
    )


def load(
    path: "str | os.PathLike[str]",
    *,
    precision: str | None = None,
    shared_weights: bool = False,
    execute_source: bool = False,
) -> "Runtime | Refiner":
    """Load a refiner of any kind.

    Parameters
    ----------
    path : path-like
        A refiner folder, an exported ``.tflite`` or ``.onnx``, an exported SavedModel, or an export
        folder. From an export folder, the ``.tflite`` files are loaded if there are any, else the
        ``.onnx`` files, else the SavedModels.
    precision : str, optional
        Precision of the ``.tflite`` files in an export folder; default: float32, or the only one.
    shared_weights : bool
        Keep one copy of each weight. ``.tflite`` files with an unrolled recurrence at float32 or
        float16 then run up to two times faster, with the same results; see
        `nem2e_tf.export.runtime.interpreters.SharedWeights`.
    execute_source : bool
        Run the source in a refiner folder that defines layers of its own; see
        `nem2e_tf.refiners.refiner.load_refiner`.

    Returns
    -------
    Runtime or Refiner
        Both have ``channels``, ``muscles`` and ``refine(cycles)``. A refiner folder and a
        SavedModel require TensorFlow, which is imported here; a ``.tflite`` requires only
        ai-edge-litert.

    Raises
    ------
    InputError
        There is no refiner, it is damaged or was not made by nem2e-tf, it has no such precision, or
        it cannot share its weights.

    Examples
    --------
    >>> import tempfile
    >>> import nem2e_tf as nem2e
    >>> trained = nem2e.train(nem2e.synthesise("walk"), "linear")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     exported = nem2e.export(trained, f"{folder}/exported", timed=False)
    ...     refiner = load(f"{folder}/exported/joint.tflite")
    >>> cycle = np.full((20, len(refiner.channels)), 0.1)  # 20 samples of activation
    >>> refiner.refine(cycle).shape  # 20 samples of each muscle
    (20, 5)
    """
    found = locate(path, precision=precision)
    if found.kind != "file" and shared_weights:
        raise InputError(f"{path}: expected a .tflite to share weights in, found a {found.kind}")
    if found.kind == "refiner":
        return load_refiner(path, execute_source=execute_source)
    files: list[Exported]
    if found.kind == "saved-model":
        files = [_saved_model(place) for place in found.paths]
    else:
        files = [
            RefinerFile(read_content(place), source=place, shared_weights=shared_weights)
            for place in found.paths
        ]
    return Runtime(files, channels=found.channels)


def _saved_model(folder: Path) -> Exported:
    metadata = read_json(folder.with_name(f"{folder.name}.json"))
    return Exported(metadata, SavedModel(folder), source=folder)


def inspect(path: "str | os.PathLike[str]") -> list[dict[str, Any]]:
    """Describe a refiner without running it: one dictionary per model.

    Each has ``metadata``, ``signatures`` (name, inputs and outputs of each) and ``operators`` (how
    often each occurs); the last two are empty for a refiner folder and a SavedModel.

    Raises
    ------
    InputError
        As `load`; or the file is an ``.onnx``, and the package ``onnx`` is not installed.
    """
    found = locate(path)
    described = []
    for place in found.paths:
        signatures: list[dict[str, Any]] = []
        operators: dict[str, int] = {}
        if found.kind == "refiner":
            metadata = load_info(place).to_json()
        elif found.kind == "saved-model":
            metadata = read_json(place.with_name(f"{place.name}.json"))
        else:
            content = read_content(place)
            metadata = read_metadata(content, source=place)
            seen = (audit_onnx if is_onnx(content, place) else audit_tflite)(content)
            signatures, operators = [asdict(one) for one in seen.signatures], seen.operators
        described.append({"metadata": metadata, "signatures": signatures, "operators": operators})
    return described
