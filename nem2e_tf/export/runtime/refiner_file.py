"""One exported model in memory: checked, loaded, ready to run."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file import metadata as tflite_metadata
from nem2e_tf.export.file import onnx_file
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.export.file.endpoints import ATTENTION, RECORDED, RECORDING, WEIGHTS
from nem2e_tf.export.runtime.interpreters import Interpreter, LiteRT, ONNXRuntime
from nem2e_tf.refiners.patterns import Composition, compose


class Exported:
    """One exported model.

    Parameters
    ----------
    metadata : dict
        What the export says of it.
    interpreter : Interpreter
        What runs it.
    source : path-like
        What to call it in messages.

    Attributes
    ----------
    composition : Composition
        Its channels and muscles.

    Raises
    ------
    InputError
        The metadata is not whole.
    """

    def __init__(
        self,
        metadata: dict[str, Any],
        interpreter: Interpreter,
        *,
        source: "str | os.PathLike[str]",
    ) -> None:
        self.metadata = metadata
        self.composition = composition_of(metadata, source=source)
        self.interpreter = interpreter
        self.source = source

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
        del name  # there is one model in it
        outputs = [self.interpreter.run(SIGNATURE, **{INPUT: row[None]})[OUTPUT] for row in rows]
        return np.concatenate(outputs) if outputs else np.empty((0, 0, 0), np.float32)

    def attend(self, simulated: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Refine cycles and give the attention weights as well.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]

        Returns
        -------
        float32 arrays [cycle, 20, muscle] and [row, model_samples, token]
            A cycle is one row, or four under ``one-quarter``.
        """
        self.require(ATTENTION)
        weights: list[NDArray[np.float32]] = []

        def apply(name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
            del name
            found = [self.interpreter.run(ATTENTION, **{INPUT: row[None]}) for row in rows]
            weights.extend(one[WEIGHTS] for one in found)
            return np.concatenate([one[OUTPUT] for one in found])

        refined = compose(simulated, self.composition, apply)
        return refined, np.concatenate(weights)

    def refine_recording(self, recording: NDArray[Any]) -> NDArray[np.float32]:
        """Refine one cycle [n, channel] to [n, muscle]; see `nem2e_tf.export.graph.raw`."""
        self.require(RECORDING)
        values = np.asarray(recording, dtype=np.float32)
        return np.asarray(self.interpreter.run(RECORDING, **{RECORDED: values})[OUTPUT])

    def require(self, signature: str) -> None:
        """Refuse a file that was exported without a signature.

        Raises
        ------
        InputError
            It lacks it; how to export it is told.
        """
        if signature not in self.interpreter.signatures:
            raise InputError(
                f"{self.source}: expected the signature {signature}, found "
                f"{', '.join(self.interpreter.signatures)}; export it again as .tflite "
                f"with signatures=[{signature!r}]"
            )


class RefinerFile(Exported):
    """One exported ``.tflite`` or ``.onnx``.

    Parameters
    ----------
    content : bytes
        The whole file. Where it does not begin as a TFLite file does, `source` decides.
    source : path-like
        What to call it in messages.
    shared_weights : bool
        Run a ``.tflite`` as `nem2e_tf.export.runtime.shared_weights.SharedWeights` does.

    Raises
    ------
    InputError
        The file is damaged, is not one of ours, or cannot share its weights.
    """

    def __init__(
        self,
        content: bytes,
        *,
        source: "str | os.PathLike[str]",
        shared_weights: bool = False,
    ) -> None:
        metadata = read_metadata(content, source=source)
        library: type[LiteRT | ONNXRuntime] = LiteRT
        if is_onnx(content, source):
            library = ONNXRuntime
            if shared_weights:
                raise InputError(f"{source}: expected a .tflite to share weights in, found ONNX")
        elif shared_weights:
            from nem2e_tf.export.runtime.shared_weights import SHAREABLE, SharedWeights

            library = SharedWeights
            if metadata.get("precision") not in SHAREABLE:
                raise InputError(
                    f"{source}: expected precision {' or '.join(SHAREABLE)} to share weights, "
                    f"found {metadata.get('precision')}"
                )
        super().__init__(metadata, library(content, source=source), source=source)


def composition_of(metadata: dict[str, Any], *, source: "str | os.PathLike[str]") -> Composition:
    """Read from a file's metadata how its channels and muscles belong together.

    Raises
    ------
    InputError
        The metadata is not whole.
    """
    try:
        return Composition(
            pattern=metadata["pattern"],
            targets=metadata["targets"],
            channels=tuple(metadata["channels"]),
            muscles=tuple(item["name"] for item in metadata["muscles"]),
            counterparts=tuple(tuple(item["counterparts"]) for item in metadata["muscles"]),
            model_samples=metadata["model_samples"],
        )
    except (KeyError, TypeError, InputError) as error:
        raise InputError(f"{source}: expected complete metadata, found {error}") from None


def is_onnx(content: bytes, source: "str | os.PathLike[str]") -> bool:
    """Whether a file is to be read as ONNX, which has no mark of its own, rather than TFLite."""
    return content[4:8] != tflite_metadata.IDENTIFIER and Path(source).suffix == ".onnx"


def read_metadata(content: bytes, *, source: "str | os.PathLike[str]") -> dict[str, Any]:
    """Check a file byte for byte and give its metadata.

    Raises
    ------
    InputError
        It is damaged, or is not one of ours.
    """
    if is_onnx(content, source):
        return onnx_file.read(content, source=source)
    return tflite_metadata.read(content, source=source)


def read_content(path: "str | os.PathLike[str]") -> bytes:
    """Read a whole file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    kind = "an ONNX file" if Path(path).suffix == ".onnx" else "a TFLite file"
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: expected {kind}, found no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected {kind}, found a folder") from None
    except OSError as error:
        raise InputError(f"{path}: expected {kind}, cannot read ({error})") from None
