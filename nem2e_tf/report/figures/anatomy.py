"""A plain outline of the lower body, and where on it each muscle is.

Drawn for this project. Lengths are centimetres of a person of 180 cm; x is the distance from the
midline, y the height above the floor. Positions are the middle of the belly as seen from the front
or from behind; a deep muscle stands where the surface above it is.
"""

import numpy as np
from numpy.typing import NDArray

FRONT, BACK = "front", "back"

_HALF = (
    *((0, 128), (15.5, 128), (14.6, 118), (14.4, 110), (16.2, 103), (18.6, 96), (20.2, 88)),
    *((20.2, 78), (19.2, 66), (17.3, 55), (16.2, 49), (16.6, 42), (17.0, 35), (15.6, 25)),
    *((13.6, 14), (13.4, 8), (15.4, 4), (17.4, 1.5), (16.6, 0), (9.6, 0), (8.4, 2), (8.8, 8)),
    *((8.4, 14), (7.2, 25), (6.4, 35), (7.2, 44), (7.4, 50), (5.6, 58), (3.0, 70), (1.0, 80)),
    *((0, 82),),
)

POSITIONS: dict[str, tuple[str, float, float]] = {
    "extobl": (FRONT, 11.5, 118),
    "intobl": (FRONT, 7.0, 112),
    "psoas": (FRONT, 4.5, 103),
    "iliacus": (FRONT, 9.5, 100),
    "iliopsoas": (FRONT, 7.0, 97),
    "tfl": (FRONT, 17.0, 88),
    "pect": (FRONT, 5.5, 89),
    "sart": (FRONT, 11.8, 84),
    "addbrev": (FRONT, 5.4, 82),
    "addlong": (FRONT, 6.8, 76),
    "grac": (FRONT, 4.6, 70),
    "recfem": (FRONT, 11.6, 71),
    "vasint": (FRONT, 12.0, 61),
    "vasti": (FRONT, 12.0, 61),
    "vaslat": (FRONT, 16.2, 64),
    "vasmed": (FRONT, 8.2, 56),
    "tibant": (FRONT, 10.4, 36),
    "edl": (FRONT, 13.2, 32),
    "perlong": (FRONT, 15.6, 37),
    "perbrev": (FRONT, 14.4, 24),
    "ehl": (FRONT, 11.2, 22),
    "per_tert": (FRONT, 12.8, 15),
    "ercspn": (BACK, 4.0, 114),
    "glmed1": (BACK, 17.0, 100),
    "glmed2": (BACK, 13.4, 104),
    "glmed3": (BACK, 9.4, 104),
    "glmin1": (BACK, 17.8, 93),
    "glmin2": (BACK, 14.2, 97),
    "glmin3": (BACK, 10.6, 98),
    "piri": (BACK, 6.4, 97),
    "gem": (BACK, 14.6, 90),
    "quad_fem": (BACK, 16.4, 85),
    "glmax1": (BACK, 7.4, 92),
    "glmax2": (BACK, 10.6, 89),
    "glmax3": (BACK, 7.8, 84),
    "glut_max": (BACK, 10.0, 89),
    "add_mag1": (BACK, 4.4, 78),
    "add_mag2": (BACK, 5.0, 71),
    "add_mag3": (BACK, 6.0, 64),
    "addmagProx": (BACK, 4.4, 79),
    "addmagMid": (BACK, 4.8, 73),
    "addmagDist": (BACK, 5.6, 67),
    "addmagIsch": (BACK, 6.8, 61),
    "semiten": (BACK, 9.2, 70),
    "semimem": (BACK, 9.0, 58),
    "hamstrings": (BACK, 11.4, 66),
    "bflh": (BACK, 14.2, 69),
    "bfsh": (BACK, 15.0, 58),
    "gasmed": (BACK, 9.2, 38),
    "gaslat": (BACK, 14.2, 38),
    "gastroc": (BACK, 11.7, 38),
    "soleus": (BACK, 11.6, 29),
    "tibpost": (BACK, 11.2, 20),
    "fdl": (BACK, 8.9, 15),
    "fhl": (BACK, 12.6, 13),
}
"""View, and x and y of every canonical muscle name."""


def outline() -> NDArray[np.float64]:
    """Both halves of the outline, closed and rounded.

    Returns
    -------
    float64 array [point, 2]
        x and y; the first point is repeated at the end.

    Examples
    --------
    >>> points = outline()
    >>> bool(np.allclose(points[0], points[-1])), float(points[:, 1].max())
    (True, 128.0)
    """
    half = np.array(_HALF, dtype=np.float64)
    points = np.concatenate([half, half[::-1] * (-1, 1)])
    for _ in range(3):
        following = np.roll(points, -1, axis=0)
        # Each corner is cut at a quarter of its edges.
        cut = np.stack([0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following], axis=1)
        points = cut.reshape(-1, 2)
    return np.concatenate([points, points[:1]])


def place(channel: str) -> tuple[str, float, float] | None:
    """Where a channel is: view, x and y; None where it is not known.

    The leg in question is the person's right one: from the front it is at the left of the picture,
    from behind at the right.

    Parameters
    ----------
    channel : str
        A canonical muscle name with ``_ipsi``, ``_contra`` or neither, which is the leg in
        question.

    Examples
    --------
    >>> place("tibant_ipsi"), place("soleus_contra"), place("lumbar_ext")
    (('front', -10.4, 36), ('back', -11.6, 29), None)
    """
    muscle, contra = channel.removesuffix("_ipsi"), False
    if channel.endswith("_contra"):
        muscle, contra = channel.removesuffix("_contra"), True
    if muscle not in POSITIONS:
        return None
    view, x, y = POSITIONS[muscle]
    return view, -x if (view == FRONT) != contra else x, y
