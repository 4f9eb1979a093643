"""Foot contacts and gait cycles, from force or from markers, and signals cut into cycles."""

from nem2e_tf.signals.gait.contacts import (
    RELEASE,
    THRESHOLD,
    contacts,
    contacts_from_markers,
    refuse_shared_plate,
    several_feet,
    stances,
)
from nem2e_tf.signals.gait.cycles import (
    LONGEST,
    POINTS,
    SHORTEST,
    Outlier,
    cycles_between,
    cycles_from_contacts,
    outlier_cycles,
    resample_cycle,
)

__all__ = [
    "LONGEST",
    "POINTS",
    "RELEASE",
    "SHORTEST",
    "THRESHOLD",
    "Outlier",
    "contacts",
    "contacts_from_markers",
    "cycles_between",
    "cycles_from_contacts",
    "outlier_cycles",
    "refuse_shared_plate",
    "resample_cycle",
    "several_feet",
    "stances",
]
