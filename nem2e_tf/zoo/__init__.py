"""The model zoo: refiners as Keras functional models behind one registry.

Importing it loads no Keras; making a model does.
"""

from nem2e_tf.zoo import linear, seq2seq, tcn, transformer
from nem2e_tf.zoo import recurrent as bilstm
from nem2e_tf.zoo import recurrent as gru
from nem2e_tf.zoo import recurrent as lstm
from nem2e_tf.zoo import recurrent as rnn
from nem2e_tf.zoo import references as affine
from nem2e_tf.zoo import references as mean_pattern
from nem2e_tf.zoo import references as opensim
from nem2e_tf.zoo import references as shift
from nem2e_tf.zoo import seq2seq as stdr_net
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
