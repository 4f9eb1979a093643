"""What may be wrong with recordings and cohorts: arrays in, findings out."""

from nem2e_tf.checks.alignment import Alignment, align, judge
from nem2e_tf.checks.checked import Checked
from nem2e_tf.checks.cohorts import check_cohort, odd_cycles
from nem2e_tf.checks.cycles import align_cycles, align_subjects, check_alignment
from nem2e_tf.checks.findings import Finding
from nem2e_tf.checks.legs import both_legs
from nem2e_tf.checks.recordings import align_storages, check_storage, is_emg

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
