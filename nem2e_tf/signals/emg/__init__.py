"""EMG processing: envelopes of raw EMG by recipes, and their normalisation."""

from nem2e_tf.signals.emg.normalisation import (
    POLICIES,
    Normalised,
    Policy,
    by_reference,
    by_subject_maximum,
    per_subject,
    per_trial,
)
from nem2e_tf.signals.emg.recipes import RECIPES, Envelope, Recipe, apply, envelope, recipe

__all__ = [
    "POLICIES",
    "RECIPES",
    "Envelope",
    "Normalised",
    "Policy",
    "Recipe",
    "apply",
    "by_reference",
    "by_subject_maximum",
    "envelope",
    "per_subject",
    "per_trial",
    "recipe",
]
