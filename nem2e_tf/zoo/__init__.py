"""The model zoo: refiners as Keras functional models behind one registry.

Importing it loads no Keras; making a model does.
"""

from nem2e_tf.zoo import (  # isort: skip  (the order is that of the list of models)
    references,
    linear,
    recurrent,
    tcn,
    transformer,
    seq2seq,
)
from nem2e_tf.zoo.models import set_recurrence_form, with_attention
from nem2e_tf.zoo.registry import Entry, create, entry, list_models, register

__all__ = [
    "Entry",
    "create",
    "entry",
    "list_models",
    "register",
    "set_recurrence_form",
    "with_attention",
]
