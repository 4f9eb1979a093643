"""Keras layers that the refiners are built from.

They compute what layers of Keras compute where those exist, in forms that train fast when mapped
over many fits and that export to builtin TFLite operators.
"""

from nem2e_tf.zoo.layers.attention import LayerNormalisation, SelfAttention
from nem2e_tf.zoo.layers.basic import Dense, Dropout, PositionEncoding, rows_times, supplied_noise
from nem2e_tf.zoo.layers.convolution import DilatedConvolution
from nem2e_tf.zoo.layers.decoder import LuongDecoder
from nem2e_tf.zoo.layers.linear import CounterpartMean, GainAndOffset, Regression, SampleMixing
from nem2e_tf.zoo.layers.normalisation import ChannelNormalisation, TargetScaling
from nem2e_tf.zoo.layers.recurrence import GRU, LSTM, SimpleRNN

__all__ = [
    "GRU",
    "LSTM",
    "ChannelNormalisation",
    "CounterpartMean",
    "Dense",
    "DilatedConvolution",
    "Dropout",
    "GainAndOffset",
    "LayerNormalisation",
    "LuongDecoder",
    "PositionEncoding",
    "Regression",
    "SampleMixing",
    "SelfAttention",
    "SimpleRNN",
    "TargetScaling",
    "rows_times",
    "supplied_noise",
]
