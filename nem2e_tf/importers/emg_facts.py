"""What rate and unit the EMG of a trial has: as stated, as the file says, or as its times say."""

import math

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.importers.trials import UNITS, Trial
from nem2e_tf.storage import Storage

_UNIT_NAMES = {"volt": "v", "volts": "v", "millivolt": "mv", "microvolt": "uv"}
_SAME_RATE = 0.01


def rate_of(trial: Trial, emg: Storage) -> tuple[float, str]:
    """Find the samples a second, and say how they are known.

    Raises
    ------
    InputError
        Another rate is stated than the times have, or steps are uneven and there is to be a filter.
    """
    steps = np.diff(emg.time)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if usual <= 0:
        raise InputError(f"{emg.path}: expected EMG at several times, found one")
    if trial.recipe and (steps.min() < usual / 2 or steps.max() > 1.5 * usual):
        worst = int(np.argmax(np.abs(steps - usual)))
        raise InputError(
            f"{emg.path}: expected raw EMG in even steps of {usual:.6g} s, found one of "
            f"{steps[worst]:.6g} s at {emg.time[worst]:.6g} s; a filter needs even steps"
        )
    found = len(steps) / float(emg.time[-1] - emg.time[0]) if trial.recipe else 1 / usual
    if not math.isnan(trial.rate) and abs(found / trial.rate - 1) > _SAME_RATE:
        raise InputError(
            f"{trial.where}, column rate: expected the rate of {emg.path}, which is {found:.5g} Hz "
            f"by its times, found {trial.rate:g}"
        )
    stated = "by its times" if math.isnan(trial.rate) else "as stated"
    return found, f"{found:.5g} Hz ({stated})"


def unit_of(
    trial: Trial, emg: Storage, labels: list[str]
) -> tuple[NDArray[np.float64], str, str, list[str]]:
    """Find the factors to volts or shares.

    Returns
    -------
    factors : float64 array [column]
    unit : str
        What they lead to: ``V``, ``share``, or empty where nobody said.
    fact : str
        How it is known.
    notes : list of str

    Raises
    ------
    InputError
        Another unit is stated than the file says, or columns have different kinds of units.
    """
    in_file = [emg.header.get(f"unit {label}", "") for label in labels]
    known = [_UNIT_NAMES.get(unit.lower(), unit.lower()) for unit in in_file]
    if trial.unit:
        for label, unit in zip(labels, known, strict=True):
            if unit in UNITS and UNITS[unit] != UNITS[trial.unit]:
                raise InputError(
                    f"{trial.where}, column unit: expected {unit}, as {emg.path} says of "
                    f"{label!r}, found {trial.unit}"
                )
        known, how = [trial.unit] * len(labels), "as stated"
    else:
        how = "as the file says"
    odd = sorted({unit for unit in known if unit and unit not in UNITS})
    notes = [f"{emg.path}: unit {unit!r} is not known; numbers kept" for unit in odd]
    if not any(unit in UNITS for unit in known):
        return np.ones(len(labels)), "", "unit not stated", notes
    kinds = {"share" if unit in ("%", "1") else "V" if unit in UNITS else "" for unit in known}
    if len(kinds) > 1:
        raise InputError(
            f"{emg.path}: expected EMG columns of one unit, found {', '.join(sorted(set(known)))}"
        )
    factors = np.array([UNITS[unit] for unit in known])
    return factors, kinds.pop(), f"unit {'/'.join(dict.fromkeys(known))} ({how})", notes
