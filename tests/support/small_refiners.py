"""Small refiners whose output is known by hand, and small untrained ones of the zoo."""

from dataclasses import replace

import numpy as np

from nem2e_tf.refiners.info import Muscle, Reference, RefinerInfo
from nem2e_tf.refiners.refiner import Refiner, load_keras

CHANNELS = ("soleus_ipsi", "glmed1_ipsi", "glmed2_ipsi", "soleus_contra")
MUSCLES = (
    Muscle("soleus", ("soleus_ipsi",), "soleus"),
    Muscle("glmed1", ("glmed1_ipsi", "glmed2_ipsi"), "glmed"),
)


def reference(*, cycles=7, seed=0):
    random = np.random.default_rng(seed)
    simulated = random.random((cycles, 20, 4)).astype(np.float32)
    measured = np.stack([simulated[..., 0] / 2, simulated[..., 1] / 4 + 0.1], axis=-1)
    return Reference(simulated, measured, np.arange(cycles) >= 3)


def info(pattern, targets, **more):
    return RefinerInfo(
        **{
            "model": "by-hand",
            "pattern": pattern,
            "targets": targets,
            "output": "direct",
            "channels": CHANNELS,
            "muscles": MUSCLES,
            "model_samples": 5 if pattern == "one-quarter" else 20,
            "cohort": "walk",
            "cohort_digest": "ab" * 32,
            "licence": "CC0-1.0",
            "normalisation": "EMG over the subject's maximum",
            "recipe": {"name": "fast"},
            "metrics": {"skill": 0.25},
            **more,
        }
    )


def affine(samples, weights, bias):
    """Model: sample by sample, matrix [input, muscle] and bias [muscle]."""
    keras = load_keras()
    weights = np.asarray(weights, np.float32)
    given = keras.Input((samples, weights.shape[0]))
    dense = keras.layers.Dense(weights.shape[1])
    model = keras.Model(given, dense(given))
    dense.set_weights([weights, np.asarray(bias, np.float32)])
    return model


def ramp(samples):
    """Model: adds the sample's number within the row to its input."""
    keras = load_keras()
    given = keras.Input((samples, 1))
    flat = keras.layers.Dense(samples)
    model = keras.Model(
        given, keras.layers.Reshape((samples, 1))(flat(keras.layers.Flatten()(given)))
    )
    flat.set_weights([np.eye(samples, dtype=np.float32), np.arange(samples, dtype=np.float32)])
    return model


def by_hand(**more):
    """One-Entire refiner: soleus is twice its channel, glmed1 the mean of two plus one."""
    models = {"soleus": affine(20, [[2]], [0]), "glmed1": affine(20, [[1]], [1])}
    return Refiner(info("one-entire", "each", **more), models, reference())


def joint(entry, **options):
    """All-Entire refiner for both muscles, an untrained entry of the zoo with normalisation set."""
    load_keras().utils.set_random_seed(1)
    from nem2e_tf import zoo
    from nem2e_tf.zoo.models import calibrate

    cycles = reference()
    model = zoo.create(
        entry, n_samples=20, n_channels=4, n_targets=2, counterparts=[[0], [1, 2]], **options
    )
    calibrate(model, cycles.simulated, cycles.measured, np.ones((7, 2), bool))
    return Refiner(info("all-entire", "joint", model=entry), {"joint": model}, cycles)


def with_training_cycles(refiner):
    """The refiner, with cycles to calibrate on and a mean pattern that it is compared with."""
    random = np.random.default_rng(1)
    reference = replace(
        refiner.reference,
        calibration=random.random((12, 20, 4), dtype=np.float32),
        mean_pattern=np.full((20, 2), 0.25, np.float32),
    )
    return Refiner(refiner.info, refiner.models, reference)
