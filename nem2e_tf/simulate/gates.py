"""Quality gates: what a stage's result is held against, with the limits the field accepts.

========================  ======================================================================
markers of IK             largest error under 4 cm, root mean square under 2 cm in every frame:
                          OpenSim's documentation, "Inverse Kinematics: best practices"
residuals                 peak force under 5 % of the peak net external force, peak moment under
                          1 % of that force times the height of the centre of mass: Hicks et al.
                          (2015), doi 10.1115/1.4029304
reserves                  peak under 5 % of the peak moment of its joint: Hicks et al. (2015)
tracking                  2 degrees and 2 cm, root mean square: OpenSim's documentation, "RRA: best
                          practices", and Hicks et al. (2015)
========================  ======================================================================

A gate that is not passed does not stop a stage: it is shown, kept, and decided on by a person.
Residuals come with marker data and masses as they are; they say how much of the force is not
explained, which residual reduction lowers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

HICKS = "Hicks et al. 2015, doi 10.1115/1.4029304"
GUIDE = "OpenSim documentation, best practices"
MARKER_MAX = 0.04
MARKER_RMS = 0.02
RESIDUAL_FORCE = 0.05
RESIDUAL_MOMENT = 0.01
RESERVE = 0.05
TRACKING_ANGLE = 2.0
TRACKING_DISTANCE = 0.02


@dataclass(frozen=True)
class Gate:
    """One thing measured and its limit.

    Attributes
    ----------
    name : str
    value, limit : float
        In `unit`.
    unit : str
    where : str
        The marker, coordinate or actuator that is worst.
    source : str
        Where the limit is from.
    """

    name: str
    value: float
    limit: float
    unit: str
    where: str
    source: str

    @property
    def passed(self) -> bool:
        """Whether the value is within the limit."""
        return bool(self.value <= self.limit)

    def as_dict(self) -> dict[str, Any]:
        """Return the gate as plain values for JSON."""
        return {**asdict(self), "passed": self.passed}


def marker_gates(
    largest: NDArray[np.float64], rms: NDArray[np.float64], /, *, where: str = ""
) -> list[Gate]:
    """Judge marker errors.

    Parameters
    ----------
    largest, rms : float64 array [frame]
        Largest and root mean squared error of a frame, m.
    where : str
        Name of the worst marker.
    """
    return [
        Gate(
            "largest marker error", 100 * float(largest.max()), 100 * MARKER_MAX, "cm", where, GUIDE
        ),
        Gate("marker error, RMS", 100 * float(rms.max()), 100 * MARKER_RMS, "cm", "", GUIDE),
    ]


def residual_gates(
    forces: Mapping[str, NDArray[np.float64]],
    moments: Mapping[str, NDArray[np.float64]],
    /,
    *,
    external: float,
    height: float,
) -> list[Gate]:
    """Judge residual forces and moments.

    Parameters
    ----------
    forces, moments : mapping of name to float64 array [row]
        N and N m.
    external : float
        Peak net external force, N.
    height : float
        Height of the centre of mass, m.

    Examples
    --------
    >>> gates = residual_gates({"FX": np.array([3.0, -40.0])}, {}, external=1000.0, height=1.0)
    >>> gates[0].value, gates[0].passed, gates[0].where
    (4.0, True, 'FX')
    """
    gates = []
    for name, curves, scale, limit in (
        ("residual force", forces, external, RESIDUAL_FORCE),
        ("residual moment", moments, external * height, RESIDUAL_MOMENT),
    ):
        if curves:
            worst, peak = _worst(curves)
            unit = "% of external force" if name.endswith("force") else "% of force x COM height"
            gates.append(Gate(name, _percent(peak, scale), 100 * limit, unit, worst, HICKS))
    return gates


def reserve_gate(
    reserves: Mapping[str, NDArray[np.float64]],
    moments: Mapping[str, NDArray[np.float64]],
    /,
    *,
    crossed: Sequence[str],
) -> list[Gate]:
    """Judge the reserve of each coordinate that muscles move by its joint's peak moment.

    Parameters
    ----------
    reserves, moments : mapping of coordinate to float64 array [row]
        N m.
    crossed : sequence of str
        Coordinates that muscles move; the others have nothing but their actuators.
    """
    shares = {
        name: _percent(float(np.abs(curve).max()), float(np.abs(moments[name]).max()))
        for name, curve in reserves.items()
        if name in crossed and name in moments
    }
    if not shares:
        return []
    worst = max(shares, key=lambda name: shares[name])
    return [Gate("reserve", shares[worst], 100 * RESERVE, "% of joint moment", worst, HICKS)]


def tracking_gates(
    angles: Mapping[str, NDArray[np.float64]], distances: Mapping[str, NDArray[np.float64]], /
) -> list[Gate]:
    """Judge how closely a motion is tracked.

    Parameters
    ----------
    angles, distances : mapping of coordinate to float64 array [row]
        Errors in degrees and m.
    """
    gates = []
    for name, curves, scale, limit, unit in (
        ("tracking of angles, RMS", angles, 1.0, TRACKING_ANGLE, "degrees"),
        ("tracking of distances, RMS", distances, 100.0, 100 * TRACKING_DISTANCE, "cm"),
    ):
        if curves:
            sizes = {key: float(np.sqrt(np.mean(curve**2))) for key, curve in curves.items()}
            worst = max(sizes, key=lambda key: sizes[key])
            gates.append(Gate(name, scale * sizes[worst], limit, unit, worst, f"{GUIDE}; {HICKS}"))
    return gates


def _worst(curves: Mapping[str, NDArray[np.float64]]) -> tuple[str, float]:
    peaks = {name: float(np.abs(curve).max()) for name, curve in curves.items()}
    worst = max(peaks, key=lambda name: peaks[name])
    return worst, peaks[worst]


def _percent(value: float, of: float) -> float:
    """Share in percent; of nothing, 0 for nothing and a number far beyond any limit else."""
    if of > 0:
        return 100 * value / of
    return 0.0 if value == 0 else 1e9
