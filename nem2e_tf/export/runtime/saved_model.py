"""Run exported SavedModels, with TensorFlow, as `nem2e_tf.export.runtime` runs exported files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.refiners.refiner import load_keras


class SavedModel:
    """Runs the signatures of a SavedModel; an `nem2e_tf.export.runtime.interpreters.Interpreter`.

    Parameters
    ----------
    folder : Path
        What TensorFlow wrote.

    Raises
    ------
    InputError
        TensorFlow cannot load it.
    """

    def __init__(self, folder: Path) -> None:
        load_keras()  # quiet
        import tensorflow as tf

        self.held = 0
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # TensorFlow's errors have no base of their own
            first = str(error).strip().splitlines()[:1]
            raise InputError(
                f"{folder}: expected a SavedModel, cannot load it ({''.join(first)[:200]})"
            ) from None
        self.signatures = tuple(self._loaded.signatures)

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what goes into a signature; 0 where a dimension is open."""
        _, inputs = self._loaded.signatures[signature].structured_input_signature
        return {
            name: tuple(size or 0 for size in item.shape.as_list()) for name, item in inputs.items()
        }

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a signature."""
        import tensorflow as tf

        given = {name: tf.constant(value) for name, value in inputs.items()}
        found = self._loaded.signatures[signature](**given)
        return {name: np.asarray(value) for name, value in found.items()}
