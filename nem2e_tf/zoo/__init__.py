"""The model zoo: refiners as Keras functional models, by name.

One file per family of refiners; `layers` holds what they are built from. Importing the zoo loads
neither Keras nor TensorFlow; `create` does.
"""

# The order of these imports is that of `list_models`: from simple to complex.
from nem2e_tf.zoo import references  # isort: skip
from nem2e_tf.zoo import linear, recurrent, tcn, transformer  # isort: skip
from nem2e_tf.zoo import seq2seq  # isort: skip
from nem2e_tf.zoo.models import framed_input, framed_model, set_recurrence_form, with_attention
from nem2e_tf.zoo.registry import (
    AnyModel,
    Entry,
    add_source,
    create,
    entry,
    list_models,
    names_and_sources,
    register,
)
from nem2e_tf.zoo.source import Source

__all__ = [
    "AnyModel",
    "Entry",
    "Source",
    "add_source",
    "create",
    "entry",
    "framed_input",
    "framed_model",
    "linear",
    "list_models",
    "names_and_sources",
    "recurrent",
    "references",
    "register",
    "seq2seq",
    "set_recurrence_form",
    "tcn",
    "transformer",
    "with_attention",
]
