"""Dense layer over samples, as one matrix product for the whole batch."""

from typing import Any

import keras
from keras import ops


def rows_times(sequence: Any, kernel: Any) -> Any:
    """Multiply each sample's features by a matrix.

    Batch and samples are laid out as the rows of one product. A broadcast product would make one
    small product a row of the batch, and its gradient one kernel a row, to be summed.

    Parameters
    ----------
    sequence : tensor [batch, sample, feature] or [batch, feature]
    kernel : tensor [feature, output]
    """
    if len(sequence.shape) == 2:
        return ops.matmul(sequence, kernel)
    _, n_samples, width = sequence.shape
    flat = ops.matmul(ops.reshape(sequence, (-1, width)), kernel)
    return ops.reshape(flat, (-1, n_samples, kernel.shape[-1]))


@keras.saving.register_keras_serializable(package="nem2e_tf")
class Dense(keras.layers.Dense):
    """Keras' dense layer with `rows_times` as its product."""

    def call(self, inputs: Any, training: Any = None) -> Any:  # noqa: ARG002
        """Apply to [batch, sample, feature] or [batch, feature]."""
        outputs = rows_times(inputs, self.kernel)
        if self.bias is not None:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)
