"""What may be wrong with recordings and cohorts: arrays in, findings out."""

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
from nem2e_tf.cohorts.checks.findings import Finding
from nem2e_tf.cohorts.checks.recordings import Checked, align_storages, check_storage, is_emg

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
