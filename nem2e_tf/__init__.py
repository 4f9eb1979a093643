"""Refine simulated muscle activity into what EMG would have measured.

    >>> import nem2e_tf as nem2e
    >>> cohort = nem2e.synthesise("walk")
    >>> cohort.simulated.shape  # cycles, points, channels
    (32, 101, 92)

Everything a user needs is a name of this package, and is imported when it is first used: importing
the package is quick and loads neither TensorFlow nor Keras.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from nem2e_tf.cohorts.cohort import Cohort, load_cohort
    from nem2e_tf.errors import InputError
    from nem2e_tf.front import (
        Run,
        compare,
        cross_validate,
        load_run,
        refine_recording,
    )

# Where each public name is defined.
_PUBLIC = {
    "Cohort": "cohorts.cohort",
    "InputError": "errors",
    "Run": "front",
    "compare": "front",
    "cross_validate": "front",
    "load_cohort": "cohorts.cohort",
    "load_run": "front",
    "refine_recording": "front",
}

__all__ = [*_PUBLIC]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
