"""Simulated curves that a muscle's EMG is compared with: its own leg's, and the other leg's."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def opposite(channel: str) -> str:
    """Name the same muscle of the other leg.

    Examples
    --------
    >>> opposite("soleus_ipsi"), opposite("glmax1_contra")
    ('soleus_contra', 'glmax1_ipsi')
    """
    muscle, _, side = channel.rpartition("_")
    return f"{muscle}_{'contra' if side == 'ipsi' else 'ipsi'}"


def both_legs(
    simulated: ArrayLike, channels: Sequence[str], counterparts: Sequence[Sequence[str]], /
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take the mean of each muscle's counterparts, and of the same channels of the other leg.

    Parameters
    ----------
    simulated : array [..., channel]
        Activations.
    channels : sequence of str
        Names of the channels.
    counterparts : sequence of sequence of str
        Channels that each muscle is compared with.

    Returns
    -------
    own, other : float64 array [..., muscle]
        NaN where none of the channels is simulated.
    """
    activity = np.asarray(simulated, dtype=np.float64)
    places = {name: place for place, name in enumerate(channels)}

    def mean(names: Sequence[str]) -> NDArray[np.float64]:
        present = [places[name] for name in names if name in places]
        if not present:
            return np.full(activity.shape[:-1], np.nan)
        return np.asarray(activity[..., present].mean(axis=-1))

    own = [mean(names) for names in counterparts]
    other = [mean([opposite(name) for name in names]) for names in counterparts]
    return np.stack(own, axis=-1), np.stack(other, axis=-1)
