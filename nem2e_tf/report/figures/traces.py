"""Refined traces between the simulated and the measured ones: the paper's Figure 3."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from nem2e_tf.report.figures.panels import Series, draw_panels
from nem2e_tf.report.figures.style import MEASURED, REFINED, SIMULATED

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_traces(
    measured: ArrayLike,
    simulated: ArrayLike,
    refined: ArrayLike,
    /,
    *,
    muscles: Sequence[str],
    groups: Sequence[str],
    title: str = "",
) -> "Figure":
    """Draw what a refiner makes of cycles that it was not trained on.

    Parameters
    ----------
    measured, simulated, refined : array [cycle, sample, muscle]
        Of every cycle that was left out, in one order. A curve that holds NaN is left out; a panel
        states how many remain.
    muscles, groups, title
        See `nem2e_tf.report.figures.panels.draw_panels`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        The shapes do not fit, there is nothing to draw, or matplotlib is not installed.
    """
    return draw_panels(
        (
            Series("simulated activation", simulated, SIMULATED),
            Series("measured EMG", measured, MEASURED),
            Series("refined", refined, REFINED),
        ),
        muscles=muscles,
        groups=groups,
        title=title,
    )
