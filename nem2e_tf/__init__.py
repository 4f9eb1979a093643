"""Refine simulated muscle activity into what EMG would have measured.

>>> import nem2e_tf as nem2e
>>> cohort = nem2e.synthesise("walk")
>>> run = nem2e.cross_validate(cohort, ["opensim", "linear"], targets="joint", jobs=1)
>>> round(float(run.results.groupby("model")["rate"].mean()["linear"]), 2)
-0.65

Every public name is imported when it is first used: importing the package takes milliseconds, and
TensorFlow is loaded only by what trains, exports or runs a Keras model.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.2.0"

if TYPE_CHECKING:
    from nem2e_tf.cohorts.cohort import Cohort as Cohort
    from nem2e_tf.cohorts.cohort import load_cohort as load_cohort
    from nem2e_tf.cohorts.datasets.hamner2013 import import_hamner2013 as import_hamner2013
    from nem2e_tf.cohorts.datasets.liu2008 import import_liu2008 as import_liu2008
    from nem2e_tf.cohorts.manifest.build import build_cohort as build_cohort
    from nem2e_tf.cohorts.synthetic.cohorts import synthesise as synthesise
    from nem2e_tf.controls import control as control
    from nem2e_tf.errors import InputError as InputError
    from nem2e_tf.export.exporter import export as export
    from nem2e_tf.export.runtime.load import load as load
    from nem2e_tf.front import Run as Run
    from nem2e_tf.front import cross_validate as cross_validate
    from nem2e_tf.front import load_run as load_run
    from nem2e_tf.front import refine_recording as refine_recording
    from nem2e_tf.refiners.refiner import Refiner as Refiner
    from nem2e_tf.report.comparing import compare as compare
    from nem2e_tf.simulate.estimate import estimate as estimate
    from nem2e_tf.training.train import train as train
    from nem2e_tf.zoo import create as create
    from nem2e_tf.zoo import list_models as list_models
    from nem2e_tf.zoo import register as register

__all__ = [
    "Cohort",
    "InputError",
    "Refiner",
    "Run",
    "build_cohort",
    "compare",
    "control",
    "create",
    "cross_validate",
    "estimate",
    "export",
    "import_hamner2013",
    "import_liu2008",
    "list_models",
    "load",
    "load_cohort",
    "load_run",
    "refine_recording",
    "register",
    "synthesise",
    "train",
]

_MODULES = {
    "Cohort": "cohorts.cohort",
    "InputError": "errors",
    "Refiner": "refiners.refiner",
    "Run": "front",
    "build_cohort": "cohorts.manifest.build",
    "compare": "report.comparing",
    "control": "controls",
    "create": "zoo",
    "cross_validate": "front",
    "estimate": "simulate.estimate",
    "import_hamner2013": "cohorts.datasets.hamner2013",
    "import_liu2008": "cohorts.datasets.liu2008",
    "list_models": "zoo",
    "load": "export.runtime.load",
    "load_cohort": "cohorts.cohort",
    "load_run": "front",
    "refine_recording": "front",
    "register": "zoo",
    "synthesise": "cohorts.synthetic.cohorts",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    if name == "export":  # a package that can be called
        return import_module(f"{__name__}.export")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
