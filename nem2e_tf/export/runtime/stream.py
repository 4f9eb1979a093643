"""Refine a cycle sample by sample, while it happens."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import OUTPUT
from nem2e_tf.export.file.endpoints import SAMPLE, STEP
from nem2e_tf.export.runtime.interpreters import Interpreter
from nem2e_tf.refiners.patterns import SAMPLES, Composition, arrange

State = dict[str, NDArray[np.float32]]


class Stream:
    """Carries the state of ``step`` from sample to sample.

    A cycle's samples come at foot contact and every 1/19 of the cycle's duration after it; the
    twentieth is the next contact of that foot, which is the first sample of the next cycle as well.

    Parameters
    ----------
    parts : sequence of (Composition, Interpreter)
        Files that have the signature ``step``.
    channels : sequence of str
        What a sample needs, in order.

    Attributes
    ----------
    position : int
        How many samples of the cycle were taken, 0 to 20.
    notes : tuple of str
        What the last `step` did with the channels.
    """

    def __init__(
        self,
        parts: Sequence[tuple[Composition, Interpreter]],
        *,
        channels: Sequence[str],
    ) -> None:
        self._parts = tuple(parts)
        self.channels = tuple(channels)
        self.notes: tuple[str, ...] = ()
        self.reset()

    def reset(self) -> None:
        """Start a cycle: foot contact."""
        self.position = 0
        self._states = [_zeros(interpreter) for _, interpreter in self._parts]

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
            NaN is refused, and leaves the stream where it was.
        channels : sequence of str, optional
            Names of the values; see `nem2e_tf.export.runtime.load.Runtime.refine`.

        Returns
        -------
        float32 array [muscle]
            What `refine` gives at this sample for the whole cycle.

        Raises
        ------
        InputError
            A channel is missing or comes twice, a value is not finite, or the cycle is over.
        """
        if self.position == SAMPLES:
            raise InputError(
                f"stream: expected at most {SAMPLES} samples a cycle, found one more; "
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
        for number, (plan, interpreter) in enumerate(self._parts):
            if self.position % plan.model_samples == 0:
                # a quarter of a cycle is a row of its own
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
