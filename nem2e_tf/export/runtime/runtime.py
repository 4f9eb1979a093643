"""Run exported files with numpy and ai-edge-litert alone.

Examples
--------
>>> from nem2e_tf.export.runtime.runtime import load
>>> runtime = load("exported")  # doctest: +SKIP
>>> refined = runtime.refine(cycle, channels=names)  # doctest: +SKIP
>>> runtime.notes  # doctest: +SKIP
('channels reordered by name', '12 channels not used: addbrev_ipsi, addlong_ipsi and 10 more')
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.endpoints import STEP
from nem2e_tf.export.file.index import read_index
from nem2e_tf.export.graph.raw import FEWEST_ROWS
from nem2e_tf.export.runtime.refiner_file import Exported, RefinerFile, read_content
from nem2e_tf.export.runtime.stream import Stream
from nem2e_tf.refiners.patterns import SAMPLES, arrange

__all__ = ["RefinerFile", "Runtime", "load", "read_content"]


class Runtime:
    """One or more exported files that together give the muscles of a refiner.

    Parameters
    ----------
    files : sequence of Exported
        Their muscles are put side by side, in this order.
    channels : sequence of str, optional
        Order of the channels that `refine` needs; default: as the files name them first.

    Attributes
    ----------
    notes : tuple of str
        What the last `refine` did with the channels.
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
        """Metadata of the files, in order."""
        return [file.metadata for file in self.files]

    def refine(
        self,
        simulated: "NDArray[Any] | Mapping[str, Any]",
        *,
        channels: "Sequence[str] | None" = None,
    ) -> NDArray[np.float32]:
        """Refine one cycle or several.

        Parameters
        ----------
        simulated : array [20, channel] or [cycle, 20, channel], or mapping from name to curve
            Activation at 20 equally spaced samples of a cycle, both ends included. NaN is refused.
        channels : sequence of str, optional
            Names of the columns. Wrong names are refused, right ones reordered; `notes` says so.

        Returns
        -------
        float32 array [20, muscle] or [cycle, 20, muscle]
            Muscles in the order of `muscles`.

        Raises
        ------
        InputError
            A channel is missing or comes twice, a shape is wrong, or a value is not finite.
        """
        cycles, one = self._cycles(simulated, channels)
        before = self._held()
        refined = np.concatenate([file.predict(own) for file, own in cycles], axis=2)
        held = self._held() - before
        if held:
            count = f"{held} number{'s'[: held > 1]}"
            self.notes += (f"{count} held at the bounds of the file's integers",)
        return refined[0] if one else refined

    def refine_with_attention(
        self,
        simulated: "NDArray[Any] | Mapping[str, Any]",
        *,
        channels: "Sequence[str] | None" = None,
    ) -> tuple[NDArray[np.float32], list[NDArray[np.float32]]]:
        """Refine one cycle or several, and give the attention weights; see `refine`.

        Returns
        -------
        refined, and for each file its weights
            float32 array [20, muscle] or [cycle, 20, muscle]; float32 arrays
            [row, sample, token] in the order of `files`, tokens being samples (temporal) or
            channels (spatial). A cycle is one row, or four under ``one-quarter``.

        Raises
        ------
        InputError
            As `refine`; or a file was exported without it.
        """
        cycles, one = self._cycles(simulated, channels)
        found = [file.attend(own) for file, own in cycles]
        refined = np.concatenate([curves for curves, _ in found], axis=2)
        return refined[0] if one else refined, [weights for _, weights in found]

    def refine_recording(
        self,
        recording: "NDArray[Any] | Mapping[str, Any]",
        *,
        channels: "Sequence[str] | None" = None,
    ) -> NDArray[np.float32]:
        """Refine one cycle as it was recorded, at evenly spaced times.

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
            As `refine`; there are too few rows; or a file was exported without it.
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
        """Start refining sample by sample; see `nem2e_tf.export.runtime.stream.Stream`.

        Raises
        ------
        InputError
            A file was exported without it.
        """
        for file in self.files:
            file.require(STEP)
        parts = [(file.composition, file.interpreter) for file in self.files]
        return Stream(parts, channels=self.channels)

    def _cycles(
        self, simulated: "NDArray[Any] | Mapping[str, Any]", channels: "Sequence[str] | None"
    ) -> tuple[list[tuple[Exported, NDArray[Any]]], bool]:
        """Lay out what each file takes of the cycles, and tell whether there is only one."""
        values, notes = arrange(simulated, channels, needed=self.channels)
        one = values.ndim == 2
        cycles = values[None] if one else values
        if cycles.ndim != 3 or cycles.shape[1] != SAMPLES:
            raise InputError(
                f"simulated: expected [{SAMPLES}, channel] or [cycle, {SAMPLES}, channel], "
                f"found {list(values.shape)}"
            )
        self.notes = notes
        return [(file, cycles[:, :, self._columns(file)]) for file in self.files], one

    def _held(self) -> int:
        return sum(file.interpreter.held for file in self.files)

    def _columns(self, file: Exported) -> list[int]:
        return [self.channels.index(name) for name in file.composition.channels]


def load(
    path: "str | os.PathLike[str]",
    *,
    precision: str | None = None,
    shared_weights: bool = False,
) -> Runtime:
    """Load an exported ``.tflite`` or ``.onnx``, or a whole export folder.

    Parameters
    ----------
    path : path-like
        A file, or the folder that ``nem2e-tf export`` wrote, of which the ``.tflite`` files are
        taken, or the ``.onnx`` files where it has no others.
    precision : str, optional
        Which files of a folder that has several precisions; default: float32, or the only one.
    shared_weights : bool
        Keep one copy of each weight: for files with unrolled recurrence at float32 or float16,
        which run up to some two times faster, with the same numbers; see
        `nem2e_tf.export.runtime.shared_weights`.

    Returns
    -------
    Runtime

    Raises
    ------
    InputError
        There is no such file, it is damaged, it is not one of ours, it has not that precision, or
        it cannot share its weights.
    """
    place = Path(path)
    if place.is_dir():
        return _load_folder(place, precision, shared_weights)
    if precision is not None:
        raise InputError(f"{path}: expected a folder to choose precision {precision} from")
    return Runtime([_file(place, shared_weights)])


def _load_folder(folder: Path, precision: str | None, shared_weights: bool) -> Runtime:
    listed, channels = read_index(folder, precision=precision)
    names = listed["tflite"] or listed["onnx"]
    if not names:
        raise InputError(
            f"{folder}: expected a .tflite, found other formats only; "
            "make one with 'nem2e-tf export --tflite'"
        )
    return Runtime([_file(folder / name, shared_weights) for name in names], channels=channels)


def _file(path: Path, shared_weights: bool) -> RefinerFile:
    return RefinerFile(read_content(path), source=path, shared_weights=shared_weights)
