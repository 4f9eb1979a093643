"""Controls: where a refiner's gain comes from, and tests that it should not pass."""

import os
from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from nem2e_tf.errors import InputError, near

if TYPE_CHECKING:
    from nem2e_tf.controls.results import ControlResults
    from nem2e_tf.controls.source import AnyCohort, AnyRun
    from nem2e_tf.refiners.refiner import Refiner

# Where the function of each control is, imported when it is called.
CONTROLS = {
    "blind": ("blind", "blind"),
    "oracle": ("oracle", "oracle"),
    "shortcut": ("changed_input", "shortcut"),
    "wrong-subject": ("changed_input", "wrong_subject"),
    "shuffle": ("shuffle", "shuffle"),
    "attention": ("attention", "attention"),
}


def control(
    run: "AnyRun | Refiner",
    kind: str,
    *,
    cohort: "AnyCohort | None" = None,
    models: Iterable[str] = (),
    out: "str | os.PathLike[str] | None" = None,
    **options: Any,
) -> "ControlResults":
    """Run a control on a finished run.

    Parameters
    ----------
    run : path-like
        A finished run, as a folder or the object that `nem2e_tf.cross_validate` returns;
        ``attention`` also takes a refiner.
    kind : str
        ``blind``: every entry against the mean EMG pattern, which does not depend on its input.
        ``oracle``: gains split into amplitude, timing and shape.
        ``shortcut``: inputs with another frequency and phase (the paper's control).
        ``wrong-subject``: inputs of another subject.
        ``shuffle``: EMG of other cycles, so that skill must vanish.
        ``attention``: attention of the models, and errors with its most attended tokens masked.
    cohort : path-like or Cohort
        The cohort that the run was computed from; ``blind`` needs none.
    models : iterable of str
        Models of the run to examine; all by default.
    out : path-like, optional
        Folder to write, with ``control.json`` and tables as CSV.
    **options
        Those of the control: ``draws`` and ``seed`` of ``shortcut`` and ``wrong-subject``,
        ``shuffles`` and ``seed`` of ``shuffle``, ``sets`` and ``seed`` of ``attention``; and of all
        four ``jobs``, the number of processes, and ``progress``. See the functions in
        `nem2e_tf.controls.oracle`, `nem2e_tf.controls.changed_input`, `nem2e_tf.controls.shuffle`
        and `nem2e_tf.controls.attention`.

    Returns
    -------
    ControlResults
        Its ``table()`` has one row per entry, ``summary`` also those of muscles; ``notes``,
        ``tables``.

    Raises
    ------
    InputError
        No such control, the run is not finished or of another cohort, an option is out of range, or
        the output folder holds something else.

    Examples
    --------
    >>> import nem2e_tf as nem2e
    >>> cohort = nem2e.synthesise("walk")
    >>> run = nem2e.cross_validate(cohort, ["opensim", "linear"], targets="joint", jobs=1)
    >>> blind = control(run, "blind")
    >>> overall = blind.summary.query("muscle == 'overall'").set_index("model")
    >>> round(float(overall["mean_pattern_rate"]["linear"]), 2)
    -0.39
    """
    if kind not in CONTROLS:
        raise InputError(f"kind {kind}: expected {', '.join(CONTROLS)}{near(kind, list(CONTROLS))}")
    module, name = CONTROLS[kind]
    function = getattr(import_module(f"{__name__}.{module}"), name)
    if kind != "blind":
        options |= {"cohort": cohort, "models": models}
    found: ControlResults = function(run, out=out, **options)
    return found
