"""From a trained refiner to a file that runs: SavedModel and TFLite, each checked before it exists.

``metadata``, ``audit``, ``parity`` and ``runtime`` need no TensorFlow; ``saved_model`` and
``tflite`` load it inside their functions.
"""

from nem2e_tf.errors import InputError


class ExportError(InputError):
    """An exported file did not pass a check, or could not be made; nothing was written."""
