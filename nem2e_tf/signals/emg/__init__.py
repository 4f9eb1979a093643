"""From raw EMG to envelopes, and from envelopes to normalised ones."""

from nem2e_tf.signals.emg.filters import envelope
from nem2e_tf.signals.emg.normalisation import (
    POLICIES,
    Normalised,
    Policy,
    by_reference,
    by_subject_maximum,
    per_subject,
    per_trial,
)
from nem2e_tf.signals.emg.recipes import RECIPES, Envelope, Recipe, apply, recipe

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
