"""Foot contacts and gait cycles, from force or from markers, and signals cut into cycles."""

from nem2e_tf.gait.cycles import LONGEST, SHORTEST, cycles_between, cycles_from_contacts
from nem2e_tf.gait.force import RELEASE, THRESHOLD, contacts, stances
from nem2e_tf.gait.markers import contacts_from_markers
from nem2e_tf.gait.outliers import Outlier, outlier_cycles
from nem2e_tf.gait.plates import refuse_shared_plate, several_feet
from nem2e_tf.gait.resampling import POINTS, resample_cycle

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
