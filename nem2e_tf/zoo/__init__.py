"""The model zoo: refiners as Keras functional models behind one registry.

Importing it loads no Keras; making a model does.
"""

from nem2e_tf.zoo.registry import OUTPUTS, PATTERNS, Entry, create, entry, list_models, register

from nem2e_tf.zoo import (  # isort: skip  (the order is that of the list of models)
    opensim,
    mean_pattern,
    affine,
    shift,
    linear,
    rnn,
    lstm,
    gru,
    bilstm,
    tcn,
    transformer,
    seq2seq,
    stdr_net,
)
from nem2e_tf.zoo.forms import set_recurrence_form, with_attention

__all__ = [
    "OUTPUTS",
    "PATTERNS",
    "Entry",
    "create",
    "entry",
    "list_models",
    "register",
    "set_recurrence_form",
    "with_attention",
]
