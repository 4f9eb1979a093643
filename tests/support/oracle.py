"""The skill score that the truth of a synthetic cohort allows."""

import numpy as np

from nem2e_tf.cohorts.cohort import POINTS


def oracle_skill(synthetic):
    """Return the skill score of the oracle for each measured muscle.

    With 20 samples per cycle: root mean square error of a cycle, averaged over the cycles of a
    condition, then over conditions; skill = 1 - oracle / mean pattern for each subject, averaged
    over subjects. The mean pattern is the mean of all cycles of the other subjects.
    """
    cohort = synthetic.cohort
    subject = cohort.cycles["subject"].to_numpy()
    condition = cohort.cycles["condition"].to_numpy()
    target, oracle = _thin(cohort.measured), _thin(synthetic.truth.oracle)
    skills = []
    for name in dict.fromkeys(subject):
        own = subject == name
        pattern = target[~own].mean(axis=0)
        error = {
            which: np.sqrt(np.mean((estimate - target[own]) ** 2, axis=1))
            for which, estimate in (("oracle", oracle[own]), ("pattern", pattern))
        }
        mean = {
            which: np.mean(
                [values[condition[own] == one].mean(axis=0) for one in set(condition[own])], axis=0
            )
            for which, values in error.items()
        }
        skills.append(1.0 - mean["oracle"] / mean["pattern"])
    values = np.mean(skills, axis=0)
    return {name: float(values[i]) for i, name in enumerate(cohort.muscle_names)}


def _thin(values):
    at = np.linspace(0.0, 100.0, 20)
    low = np.minimum(at.astype(int), POINTS - 2)
    rest = (at - low)[None, :, None]
    return values[:, low] * (1.0 - rest) + values[:, low + 1] * rest
