"""The gradient that an entry is trained with against that of its plain form, for every entry.

Differences are norms of tensors, relative to the plain gradient's.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.plain_keras import (
    TRAINED,
    WITHOUT_GRADIENT,
    cycles,
    in_training,
    make,
    plain_form,
    tensors,
)

from nem2e_tf import zoo
from nem2e_tf.zoo.layers import SelfAttention, supplied_noise
from nem2e_tf.zoo.models import calibrate

ROWS = 4
CASES = [
    (name, feeding)
    for name in TRAINED
    for feeding in (
        ("free", "teacher", "scheduled") if "feeding" in zoo.entry(name).options else ("",)
    )
]


def trained_model(name, feeding):
    """With weights away from where they start, biases above all, and some dropout."""
    options = {"feeding": feeding} if feeding else {}
    if "dropout" in zoo.entry(name).options:
        options["dropout"] = 0.3
    keras.utils.set_random_seed(4)
    model = make(name, **options)
    x, y = cycles()
    calibrate(model, x, y, np.ones((len(y), y.shape[2]), bool))
    random = np.random.default_rng(6)
    for variable in model.trainable_variables:
        variable.assign_add(0.3 * random.standard_normal(variable.shape).astype("f4"))
    return model, in_training(name, **options)(model)


def gradient(model, run, *, fed):
    """Gradient of a squared error by tensor, and the output."""
    random = np.random.default_rng(7)
    x, y = (values[:ROWS] for values in cycles())
    given = [x, y] if fed else x

    def noise(shape):
        return random.random((ROWS, *shape[1:])).astype("f4")

    with tf.GradientTape() as tape, supplied_noise(noise):
        refined = run(given)
        loss = tf.reduce_mean((refined - y) ** 2)
    found = tape.gradient(loss, [v.value for v in model.trainable_variables])
    by_variable = dict(zip(map(id, model.trainable_variables), found, strict=True))
    values = [by_variable.get(id(v), v) for v in model.weights]
    return tensors(model, values), np.asarray(refined)


def plain(training_model):
    # The model called as a function would tell all its layers that they train.
    return plain_form(training_model).call


@pytest.mark.parametrize(("name", "feeding"), CASES, ids=[f"{n} {f}".strip() for n, f in CASES])
def test_gradient_in_training_equals_that_of_the_plain_form(name, feeding):
    model, training_model = trained_model(name, feeding)
    fast, refined = gradient(
        model, lambda given: training_model(given, training=True), fed=training_model is not model
    )
    slow, expected = gradient(model, plain(training_model), fed=training_model is not model)
    np.testing.assert_allclose(refined, expected, atol=1e-6 * np.ptp(expected))
    norms = {path: np.linalg.norm(value) for path, value in slow.items()}
    tiny = {path for path, norm in norms.items() if norm < 1e-6 * max(norms.values())}
    assert tiny == slow.keys() & set(WITHOUT_GRADIENT), "what has no gradient is named"
    each = {
        path: np.linalg.norm(fast[path] - slow[path]) / norms[path] for path in slow.keys() - tiny
    }
    worst = max(each, key=each.get)
    assert each[worst] < 1e-5, f"{worst} {each[worst]:.1e}"


@pytest.mark.parametrize(("name", "feeding"), CASES, ids=[f"{n} {f}".strip() for n, f in CASES])
def test_plain_form_has_no_gradient_written_by_hand(name, feeding):
    _, training_model = trained_model(name, feeding)
    form = plain(training_model)
    shapes = [tf.TensorSpec((ROWS, *tensor.shape[1:])) for tensor in training_model.inputs]
    given = shapes if len(shapes) > 1 else shapes[0]
    graph = tf.function(form).get_concrete_function(given).graph
    by_hand = [op.name for op in graph.get_operations() if _overrides(op)]
    assert not by_hand


def _overrides(operation):
    try:
        return operation.get_attr("_gradient_op_type").startswith(b"CustomGradient")
    except ValueError:
        return False


def test_the_bias_of_keys_has_no_gradient():
    """In double precision: 0 to the last digits, while its neighbours' are not."""
    layer = SelfAttention(2, dtype="float64")
    random = np.random.default_rng(8)
    x, weigh = random.standard_normal((2, 3, 5, 8))
    layer(x)
    for variable in layer.trainable_variables:
        variable.assign(random.standard_normal(variable.shape))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layer(x) * weigh)
    queries, keys, values = np.split(np.asarray(tape.gradient(total, layer.bias.value)), 3)
    assert np.linalg.norm(keys) < 1e-12 * np.linalg.norm(values)
    assert np.linalg.norm(queries) > 1e-3 * np.linalg.norm(values)
