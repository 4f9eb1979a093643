"""Python's random numbers for one thread alone."""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_random() -> Iterator[None]:
    """Let the functions of the module `random` serve this thread from a generator of its own.

    Keras draws the seeds of initial weights from that module right after it was seeded. Where other
    threads draw from it too, as in a Dask worker, they would get in between, and the same seed
    would now and then give other weights. Other threads go on with the shared generator.

    Examples
    --------
    >>> random.seed(3)
    >>> usual = random.random()
    >>> with own_random():
    ...     random.seed(3)
    ...     random.random() == usual
    True
    """
    own, owner = random.Random(), threading.get_ident()
    shared = {
        name: function
        for name, function in vars(random).items()
        if isinstance(getattr(function, "__self__", None), random.Random)
    }

    def serving(name: str) -> Callable[..., Any]:
        def serve(*arguments: Any, **others: Any) -> Any:
            mine = threading.get_ident() == owner
            function = getattr(own, name) if mine else shared[name]
            return function(*arguments, **others)

        return serve

    for name in shared:
        setattr(random, name, serving(name))
    try:
        yield
    finally:
        for name, function in shared.items():
            setattr(random, name, function)
