"""Simulated and measured curves over the cycle: mean and spread, a panel a muscle and speed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from nem2e_tf.report.figures.panels import Series, draw_panels
from nem2e_tf.report.figures.style import MEASURED, SIMULATED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_curves(
    measured: ArrayLike,
    simulated: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
    relative: bool = False,
) -> "Figure":
    """Draw mean and standard deviation over cycles, one row a muscle and one column a group.

    Parameters
    ----------
    measured, simulated : array [cycle, point, muscle]
        EMG, and the mean of the muscle's simulated counterparts; points from 0 to 100 % of the
        cycle. A curve that holds NaN is left out; a panel states how many remain.
    muscles, groups, title, relative
        See `nem2e_tf.report.figures.panels.draw_panels`. Relative is for EMG that is not
        normalised.

    Returns
    -------
    matplotlib.figure.Figure
        Not shown and not saved. Panels of one muscle share their scale.

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
    """
    return draw_panels(
        (
            Series("simulated activation", simulated, SIMULATED),
            Series("measured EMG", measured, MEASURED),
        ),
        muscles=muscles,
        groups=groups,
        title=title,
        relative=relative,
    )
