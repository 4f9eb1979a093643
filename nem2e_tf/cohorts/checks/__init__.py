"""Plausibility checks of recordings and cohorts; each returns a list of findings."""

from nem2e_tf.cohorts.checks.alignment import (
    Alignment,
    align,
    align_cycles,
    align_subjects,
    both_legs,
    check_alignment,
    judge,
)
from nem2e_tf.cohorts.checks.cohorts import check_cohort, odd_cycles
from nem2e_tf.cohorts.checks.recordings import Checked, align_storages, check_storage, is_emg
from nem2e_tf.cohorts.checks.signals import Finding

__all__ = [
    "Alignment",
    "Checked",
    "Finding",
    "align",
    "align_cycles",
    "align_storages",
    "align_subjects",
    "both_legs",
    "check_alignment",
    "check_cohort",
    "check_storage",
    "is_emg",
    "judge",
    "odd_cycles",
]
