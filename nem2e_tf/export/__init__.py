"""From a trained refiner to files that run, each compared with the refiner before it is written.

`export` is both this package and the function: ``nem2e_tf.export(refiner, "exported")`` calls
`nem2e_tf.export.exporter.export`. Reading and running a ``.tflite`` needs no TensorFlow.
"""

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package that is called like a function; importing it loads nothing else."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from nem2e_tf.export.exporter import export

        return export(*args, **options)


sys.modules[__name__].__class__ = _Callable
