"""Foot contacts and gait cycles, from force or markers, and signals resampled to cycles."""

from nem2e_tf.signals.gait.contacts import (
    RELEASE,
    THRESHOLD,
    contacts,
    contacts_from_markers,
    contacts_in,
    several_feet,
    stances,
    vertical_force,
)
from nem2e_tf.signals.gait.cycles import (
    LONGEST,
    POINTS,
    SHORTEST,
    Cycles,
    Outlier,
    cycles_between,
    cycles_from_contacts,
    cycles_of_plate,
    outlier_cycles,
    read_events,
    resample_cycle,
)

__all__ = [
    "LONGEST",
    "POINTS",
    "RELEASE",
    "SHORTEST",
    "THRESHOLD",
    "Cycles",
    "Outlier",
    "contacts",
    "contacts_from_markers",
    "contacts_in",
    "cycles_between",
    "cycles_from_contacts",
    "cycles_of_plate",
    "outlier_cycles",
    "read_events",
    "resample_cycle",
    "several_feet",
    "stances",
    "vertical_force",
]
