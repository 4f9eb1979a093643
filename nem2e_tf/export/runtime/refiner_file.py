"""One exported model in memory, checked and ready to run, by whole cycles or sample by sample."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import (
    ATTENTION,
    INPUT,
    OUTPUT,
    RECORDED,
    RECORDING,
    SAMPLE,
    SIGNATURE,
    STEP,
    WEIGHTS,
)
from nem2e_tf.export.file.metadata import is_onnx, read_metadata
from nem2e_tf.export.runtime.interpreters import (
    SHAREABLE,
    Interpreter,
    LiteRT,
    ONNXRuntime,
    SharedWeights,
)
from nem2e_tf.refiners.patterns import SAMPLES, Composition, arrange, compose

State = dict[str, NDArray[np.float32]]


class Exported:
    """One exported model.

    Parameters
    ----------
    metadata : dict
        Its metadata.
    interpreter : Interpreter
        Runs it.
    source : path-like
        Its name, for messages.

    Attributes
    ----------
    composition : Composition
        Its channels and muscles.

    Raises
    ------
    InputError
        The metadata are incomplete.
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
        """Refine cycles whose channels are in the order of the file.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]

        Returns
        -------
        float32 array [cycle, 20, muscle]
        """
        return compose(simulated, self.composition, self._apply)

    def _apply(self, name: str, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        del name  # there is one model
        outputs = [self.interpreter.run(SIGNATURE, **{INPUT: row[None]})[OUTPUT] for row in rows]
        return np.concatenate(outputs) if outputs else np.empty((0, 0, 0), np.float32)

    def refine_with_attention(
        self, simulated: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Refine cycles and return the attention weights as well.

        Parameters
        ----------
        simulated : array [cycle, 20, channel]

        Returns
        -------
        float32 arrays [cycle, 20, muscle] and [row, model_samples, token]
            A cycle is one row, or four with the pattern ``one-quarter``.
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
        """Refine one cycle [n, channel] to [n, muscle]; see `nem2e_tf.export.graph.signatures`."""
        self.require(RECORDING)
        values = np.asarray(recording, dtype=np.float32)
        return np.asarray(self.interpreter.run(RECORDING, **{RECORDED: values})[OUTPUT])

    def require(self, signature: str) -> None:
        """Check that the model has a signature.

        Raises
        ------
        InputError
            It was exported without this signature.
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
        The whole file. If it does not start like a TFLite file, the suffix of `source` decides.
    source : path-like
        Name of the file, for messages.
    shared_weights : bool
        Run a ``.tflite`` with one copy of each weight; see `SharedWeights`.

    Raises
    ------
    InputError
        The file is damaged, was not exported by nem2e-tf, or cannot share its weights.
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
            library = SharedWeights
            if metadata.get("precision") not in SHAREABLE:
                raise InputError(
                    f"{source}: expected precision {' or '.join(SHAREABLE)} to share weights, "
                    f"found {metadata.get('precision')}"
                )
        super().__init__(metadata, library(content, source=source), source=source)


def composition_of(metadata: dict[str, Any], *, source: "str | os.PathLike[str]") -> Composition:
    """Read the channels, muscles and input pattern from the metadata of a file.

    Raises
    ------
    InputError
        The metadata are incomplete.
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


class Stream:
    """Refines a cycle sample by sample, in real time, and keeps the state between samples.

    The samples of a cycle are taken at foot contact and every 1/19 of the cycle's duration after
    it. The twentieth is the next contact of that foot, and also the first sample of the next cycle.

    Parameters
    ----------
    files : sequence of Exported
        Models that have the signature ``step``.
    channels : sequence of str
        Channels of a sample, in order.

    Attributes
    ----------
    position : int
        Number of samples of the cycle taken so far, 0 to 20.
    notes : tuple of str
        Channels that the last `step` reordered or did not use.
    """

    def __init__(self, files: Sequence[Exported], *, channels: Sequence[str]) -> None:
        for file in files:
            file.require(STEP)
        self._files = tuple(files)
        self.channels = tuple(channels)
        self.notes: tuple[str, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Start a cycle, at foot contact."""
        self.position = 0
        self._states = [_zeros(file.interpreter) for file in self._files]

    def step(
        self,
        sample: "NDArray[Any] | Sequence[float] | Mapping[str, float]",
        *,
        channels: "Sequence[str] | None" = None,
    ) -> NDArray[np.float32]:
        """Refine the next sample.

        Parameters
        ----------
        sample : array [channel], or mapping from channel name to activation
            NaN is refused and leaves the state unchanged.
        channels : sequence of str, optional
            Names of the values; see `nem2e_tf.export.runtime.load.Runtime.refine`.

        Returns
        -------
        float32 array [muscle]
            The output of `refine` for the whole cycle, at this sample.

        Raises
        ------
        InputError
            A channel is missing or given twice, a value is not finite, or the cycle has ended.
        """
        if self.position == SAMPLES:
            raise InputError(
                f"stream: expected at most {SAMPLES} samples per cycle, found one more; "
                "call reset() at foot contact"
            )
        given: Any = sample
        if isinstance(sample, Mapping):
            given = {name: np.reshape(value, 1) for name, value in sample.items()}
        else:
            given = np.asarray(sample, dtype=np.float64)
            if given.ndim != 1:
                raise InputError(f"sample: expected [channel], found {list(given.shape)}")
            given = given[None]
        values, self.notes = arrange(given, channels, needed=self.channels)
        if not np.isfinite(values).all():
            channel = self.channels[int(np.flatnonzero(~np.isfinite(values[0]))[0])]
            raise InputError(
                f"sample {self.position}: expected finite numbers, found nan or infinity in "
                f"channel {channel}"
            )
        refined = []
        for number, file in enumerate(self._files):
            plan, interpreter = file.composition, file.interpreter
            if self.position % plan.model_samples == 0:
                # each quarter is a row of its own
                self._states[number] = _zeros(interpreter)
            columns = [self.channels.index(name) for name in plan.channels]
            own = values[:, columns]
            if plan.pattern != "all-entire":
                own = own.mean(axis=1, keepdims=True)
            found = interpreter.run(
                STEP, **{SAMPLE: own.astype(np.float32)}, **self._states[number]
            )
            refined.append(found.pop(OUTPUT)[0])
            self._states[number] = found
        self.position += 1
        return np.concatenate(refined)


def _zeros(interpreter: Interpreter) -> State:
    shapes = interpreter.shapes(STEP)
    del shapes[SAMPLE]
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
