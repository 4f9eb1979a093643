"""Ground reaction as forces and moments about the laboratory's origin."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.storage import Storage

_LARGEST_GAP = 0.05


@dataclass(frozen=True, eq=False)
class Ground:
    """What the ground does to each foot.

    Attributes
    ----------
    time : float64 array [sample]
        s.
    wrenches : dict of str to float64 array [sample, 6]
        Of each side (``r``, ``l``): force (N), then moment about the origin (N m). Centres of
        pressure mean nothing while there is no force; these moments are 0 then, so that straight
        lines between samples are right at contact, too.
    where : str
        The file, for messages.
    """

    time: NDArray[np.float64]
    wrenches: dict[str, NDArray[np.float64]]
    where: str

    def at(self, times: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Interpolate straight between samples.

        Parameters
        ----------
        times : float64 array [frame]
            s.

        Returns
        -------
        dict of str to float64 array [frame, 6]

        Raises
        ------
        InputError
            The file does not cover the times, or has a gap in them.
        """
        start, end = times[0], times[-1]
        if start < self.time[0] - 1e-4 or end > self.time[-1] + 1e-4:
            raise InputError(
                f"{self.where}: expected ground reaction from {start:.6g} to {end:.6g} s, as the "
                f"motion has it, found {self.time[0]:.6g} to {self.time[-1]:.6g} s"
            )
        inside = self.time[(self.time >= start) & (self.time <= end)]
        if len(inside) > 1 and np.diff(inside).max() > _LARGEST_GAP:
            raise InputError(
                f"{self.where}: expected samples at most {_LARGEST_GAP} s apart, found a gap of "
                f"{np.diff(inside).max():.3g} s after {inside[np.diff(inside).argmax()]:.6g} s"
            )
        return {
            side: np.stack([np.interp(times, self.time, column) for column in wrench.T], axis=1)
            for side, wrench in self.wrenches.items()
        }


def ground_from(storage: Storage, plates: Mapping[str, str]) -> Ground:
    """Take the forces under each foot from a ground reaction file.

    Parameters
    ----------
    storage : Storage
        Forces in N, centres of pressure in m, torques in N m; y up.
    plates : mapping of str to str
        Prefix of each foot's columns: ``{"r": "ground_force_r", "l": "ground_force_l"}`` takes
        ``ground_force_r_vx``, ``ground_force_r_px``, ``ground_torque_r_x`` and so on.

    Raises
    ------
    InputError
        A prefix or column is missing, a cell is nan, or a foot has no upward force along y.

    Examples
    --------
    >>> heads = ("ground_force_v", "ground_force_p", "ground_torque_")
    >>> labels = tuple(head + axis for head in heads for axis in "xyz")
    >>> row = np.array([[0, 700.0, 0, 0.1, 0, 0.2, 0, 5.0, 0]])
    >>> ground_from(Storage("", labels, np.zeros(1), row), {"r": "ground_force"}).wrenches["r"]
    array([[   0.,  700.,    0., -140.,    5.,   70.]])
    """
    where = str(storage.path or "ground reaction")
    wrenches = {}
    for side, prefix in plates.items():
        torque = prefix.replace("force", "torque")
        force, centre, moment = (
            np.stack([storage.column(f"{head}{axis}") for axis in "xyz"], axis=1)
            for head in (f"{prefix}_v", f"{prefix}_p", f"{torque}_")
        )
        wrench = np.hstack([force, np.cross(centre, force) + moment])
        if not np.isfinite(wrench).all():
            first = np.flatnonzero(~np.isfinite(wrench).all(axis=1))[0]
            raise InputError(
                f"{where}, columns {prefix}: expected finite numbers, found nan at "
                f"{storage.time[first]:.6g} s; write zeros where there is no force"
            )
        peaks = np.abs(force).max(axis=0)
        if force[:, 1].max() <= 0 or peaks[1] < peaks.max():
            raise InputError(
                f"{where}, columns {prefix}_v: expected the largest force upward along y, found "
                f"{peaks[0]:.4g}, {peaks[1]:.4g}, {peaks[2]:.4g} N along x, y, z; turn the axes, "
                "or is this foot never on its plate?"
            )
        wrenches[side] = wrench
    return Ground(storage.time, wrenches, where)
