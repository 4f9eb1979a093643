"""Rows of a memory-mapped array that are too large to gather: they are read block by block."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_AT_ONCE = 64 * 2**20
"""Bytes up to which rows are gathered into one array."""

BLOCK = 32 * 2**20
"""Bytes that are read at a time beyond that."""


class RowsOnDisk:
    """Chosen rows of a memory-mapped array, used instead of an array of these rows.

    It has the length, shape, mean and standard deviation that a layer's ``statistics`` need; the
    last two are computed over rows and samples in one pass over blocks, in float64. Any other NumPy
    operation gathers the rows.

    Parameters
    ----------
    values : array [any row, sample, channel]
    rows : int array [row]
    """

    def __init__(self, values: NDArray[np.float32], rows: NDArray[np.intp]) -> None:
        self._values = values
        self._rows = rows
        self._moments: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self.shape = (len(rows), *values.shape[1:])
        self.dtype = values.dtype

    def __len__(self) -> int:
        return len(self._rows)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Gather the rows."""
        del copy
        return np.asarray(self._values[self._rows], dtype=dtype)

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield blocks of rows in order: the slice of rows, and their array."""
        size = max(1, BLOCK // (int(np.prod(self.shape[1:])) * self.dtype.itemsize))
        for start in range(0, len(self), size):
            which = slice(start, min(start + size, len(self)))
            yield which, np.asarray(self._values[self._rows[which]])

    def astype(self, dtype: Any) -> "RowsOnDisk":
        """Return itself: moments are computed in float64 anyway."""
        del dtype
        return self

    def mean(self, axis: tuple[int, int]) -> NDArray[np.float64]:
        """Mean of each channel over rows and samples, ``axis=(0, 1)``."""
        return self._moments_over(axis)[0]

    def std(self, axis: tuple[int, int]) -> NDArray[np.float64]:
        """Standard deviation of each channel over rows and samples, ``axis=(0, 1)``."""
        return np.sqrt(self._moments_over(axis)[1])

    def _moments_over(
        self, axis: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if axis != (0, 1):
            raise ValueError(f"Expected axis (0, 1). Received: axis={axis!r}")
        if self._moments is None:
            count, mean = 0, np.zeros(self.shape[2])
            squared = np.zeros(self.shape[2])
            # Chan, Golub & LeVeque (1983) combine blocks without squares of large means.
            for _, block in self.blocks():
                values = block.reshape(-1, self.shape[2]).astype(np.float64)
                own = values.mean(axis=0)
                values -= own
                n = len(values)
                change = own - mean
                squared += (values**2).sum(axis=0) + change**2 * (count * n / (count + n))
                mean += change * (n / (count + n))
                count += n
            self._moments = mean, squared / count
        return self._moments


def chosen(values: NDArray[np.float32], rows: NDArray[np.intp]) -> Any:
    """Gather rows of an array, or return `RowsOnDisk` if they are too large for that.

    Returns
    -------
    float32 array [row, sample, channel] or RowsOnDisk
    """
    if len(rows) * int(np.prod(values.shape[1:])) * values.dtype.itemsize <= LARGEST_AT_ONCE:
        return np.asarray(values[rows])
    return RowsOnDisk(values, rows)


def in_blocks(function: Callable[[NDArray[np.float32]], Any], x: Any) -> NDArray[Any]:
    """Apply a function to an array of rows, or block by block to `RowsOnDisk`."""
    if isinstance(x, RowsOnDisk):
        return np.concatenate([np.asarray(function(block)) for _, block in x.blocks()])
    return np.asarray(function(x))
