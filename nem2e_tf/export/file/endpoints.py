"""Further entrances of an exported model, beside ``refine``; they share its weights.

`nem2e_tf.export.graph.raw` and `nem2e_tf.export.graph.streaming` make the other two kinds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nem2e_tf.export.file.audit import INPUT, OUTPUT

ATTENTION = "refine_with_attention"
WEIGHTS = "weights"
RECORDING = "refine_recording"
RECORDED = "recording"
STEP = "step"
SAMPLE = "sample"


@dataclass(frozen=True)
class Endpoint:
    """An entrance that is exported beside ``refine``.

    Parameters
    ----------
    name : str
        Of the signature.
    inputs : mapping of str to shape
        Names and shapes of what goes in, None where a dimension is open; float32 all.
    function : callable
        Tensors, in the order of `inputs`, to a dictionary of tensors by name. It must reach its
        weights through the model's own layers: that is how they are shared, and saved.
    """

    name: str
    inputs: Mapping[str, tuple[int | None, ...]]
    function: Callable[..., dict[str, Any]]


def attention_endpoint(model: Any) -> Endpoint:
    """Make the entrance that gives the attention weights as well.

    Parameters
    ----------
    model : keras.Model
        One of the zoo's attention entries.

    Returns
    -------
    Endpoint
        ``simulated`` [1, sample, input] to ``refined`` [1, sample, muscle] and ``weights``
        [1, sample, token]: each output sample's share of attention for every sample (temporal) or
        channel (spatial).

    Raises
    ------
    ValueError
        The model has no attention; see `nem2e_tf.zoo.Entry.attention`.
    """
    from nem2e_tf.zoo import with_attention

    both = with_attention(model)

    def refine_with_attention(simulated: Any) -> dict[str, Any]:
        refined, weights = both(simulated, training=False)
        return {OUTPUT: refined, WEIGHTS: weights}

    return Endpoint(ATTENTION, {INPUT: (1, *model.input_shape[1:])}, refine_with_attention)
