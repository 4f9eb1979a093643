"""The model zoo: refiners as Keras functional models, by name.

One file per family of refiners; `layers` holds what they are built from. Importing the zoo loads
neither Keras nor TensorFlow; `create` does.
"""

# The order of these imports is that of `list_models`: from simple to complex.
from nem2e_tf.zoo import references  # isort: skip
from nem2e_tf.zoo import linear, recurrent, tcn, transformer  # isort: skip
from nem2e_tf.zoo import seq2seq  # isort: skip
from nem2e_tf.zoo.models import set_recurrence_form, with_attention
from nem2e_tf.zoo.registry import Entry, create, entry, list_models, register

__all__ = [
    "Entry",
    "create",
    "entry",
    "linear",
    "list_models",
    "recurrent",
    "references",
    "register",
    "seq2seq",
    "set_recurrence_form",
    "tcn",
    "transformer",
    "with_attention",
]
