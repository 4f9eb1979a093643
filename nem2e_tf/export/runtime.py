"""Run exported files with numpy and ai-edge-litert alone.

Examples
--------
>>> from nem2e_tf.export.runtime import load
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

from nem2e_tf.channel_order import arrange
from nem2e_tf.composition import SAMPLES, Composition, compose
from nem2e_tf.errors import InputError
from nem2e_tf.export import metadata as embedded
from nem2e_tf.export.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.files import read_json

INDEX = "index.json"
INDEX_KIND = "nem2e-tf export"
INDEX_FORMAT = 1


class RefinerFile:
    """One exported ``.tflite``: checked, loaded, ready to run.

    Parameters
    ----------
    content : bytes
        The whole file.
    source : path-like
        What to call it in messages.

    Attributes
    ----------
    metadata : dict
        What travels inside the file.
    composition : Composition
        Its channels and muscles.

    Raises
    ------
    InputError
        The file is damaged or is not one of ours.
    """

    def __init__(self, content: bytes, *, source: "str | os.PathLike[str]") -> None:
        self.metadata = embedded.read(content, source=source)
        try:
            self.composition = Composition(
                pattern=self.metadata["pattern"],
                targets=self.metadata["targets"],
                channels=tuple(self.metadata["channels"]),
                muscles=tuple(item["name"] for item in self.metadata["muscles"]),
                counterparts=tuple(
                    tuple(item["counterparts"]) for item in self.metadata["muscles"]
                ),
                model_samples=self.metadata["model_samples"],
            )
        except (KeyError, TypeError, InputError) as error:
            raise InputError(f"{source}: expected complete metadata, found {error}") from None
        self._run = _runner(content, source)

    def predict(self, simulated: NDArray[Any]) -> NDArray[np.float32]:
        """Refine cycles whose channels are in the file's order.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]

        Returns
        -------
        float32 array [cycle, 20, muscle]
        """
        return compose(simulated, self.composition, self._apply)

    def _apply(self, name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        del name  # a file holds one model
        outputs = [self._run(**{INPUT: row[None]})[OUTPUT] for row in rows]
        return np.concatenate(outputs) if outputs else np.empty((0, 0, 0), np.float32)


def _runner(content: bytes, source: "str | os.PathLike[str]") -> Any:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        raise InputError(
            "ai-edge-litert is not installed; install it with: pip install ai-edge-litert"
        ) from None
    try:
        return Interpreter(model_content=content, num_threads=1).get_signature_runner(SIGNATURE)
    except (ValueError, RuntimeError) as error:
        first = str(error).strip().splitlines()[:1]
        raise InputError(
            f"{source}: this ai-edge-litert cannot run the file ({''.join(first)[:200]}); "
            "update it with: pip install --upgrade ai-edge-litert"
        ) from None


class Runtime:
    """One or more exported files that together give the muscles of a refiner.

    Parameters
    ----------
    files : sequence of RefinerFile
        Their muscles are put side by side, in this order.
    channels : sequence of str, optional
        Order of the channels that `refine` needs; default: as the files name them first.

    Attributes
    ----------
    notes : tuple of str
        What the last `refine` did with the channels.
    """

    def __init__(
        self, files: Sequence[RefinerFile], *, channels: "Sequence[str] | None" = None
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
        values, self.notes = arrange(simulated, channels, needed=self.channels)
        one = values.ndim == 2
        cycles = values[None] if one else values
        if cycles.ndim != 3 or cycles.shape[1] != SAMPLES:
            raise InputError(
                f"simulated: expected [{SAMPLES}, channel] or [cycle, {SAMPLES}, channel], "
                f"found {list(values.shape)}"
            )
        parts = []
        for file in self.files:
            columns = [self.channels.index(name) for name in file.composition.channels]
            parts.append(file.predict(cycles[:, :, columns]))
        refined = np.concatenate(parts, axis=2)
        return refined[0] if one else refined


def load(path: "str | os.PathLike[str]") -> Runtime:
    """Load an exported ``.tflite``, or a whole export folder.

    Parameters
    ----------
    path : path-like
        A ``.tflite`` file, or the folder that ``nem2e-tf export --tflite`` wrote.

    Returns
    -------
    Runtime

    Raises
    ------
    InputError
        There is no such file, it is damaged, or it is not one of ours.
    """
    place = Path(path)
    if place.is_dir():
        return _load_folder(place)
    return Runtime([RefinerFile(read_content(place), source=place)])


def read_content(path: "str | os.PathLike[str]") -> bytes:
    """Read a whole file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: expected a TFLite file, found no such file") from None
    except OSError as error:
        raise InputError(f"{path}: expected a TFLite file, cannot read ({error})") from None


def _load_folder(folder: Path) -> Runtime:
    if not (folder / INDEX).is_file():
        raise InputError(
            f"{folder}: expected an export folder with {INDEX}, found none; "
            "make one with 'nem2e-tf export --tflite'"
        )
    index = read_json(folder / INDEX)
    if not isinstance(index, dict) or index.get("kind") != INDEX_KIND:
        raise InputError(f"{folder / INDEX}: expected the index of an export, found something else")
    if index.get("format") != INDEX_FORMAT:
        raise InputError(
            f"{folder / INDEX}: expected index format {INDEX_FORMAT}, "
            f"found {index.get('format')}; export it again with this version"
        )
    try:
        names = [str(item["file"]) for item in index["files"] if item["format"] == "tflite"]
        channels = [str(name) for name in index["channels"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / INDEX}: expected a whole index, found no {error}") from None
    if not names:
        raise InputError(
            f"{folder}: expected a .tflite, found other formats only; "
            "make one with 'nem2e-tf export --tflite'"
        )
    files = [RefinerFile(read_content(folder / name), source=folder / name) for name in names]
    return Runtime(files, channels=channels)
