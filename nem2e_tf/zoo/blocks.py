"""Rows too many to gather: read block by block."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST_AT_ONCE = 64 * 2**20
"""Bytes of rows up to which they are gathered into one array."""

BLOCK = 32 * 2**20
"""Bytes of rows that are read at a time beyond that."""


class RowsOnDisk:
    """Some rows of a memory-mapped array, in the place of an array of them.

    Offers what a layer's ``statistics`` ask of an array: its length and shape, and mean and
    standard deviation over rows and samples, taken in one pass over blocks in float64. Whatever
    else NumPy is asked to do with it gathers the rows.

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
        """Yield the rows in order, some at a time: which ones, and the array of them."""
        size = max(1, BLOCK // (int(np.prod(self.shape[1:])) * self.dtype.itemsize))
        for start in range(0, len(self), size):
            which = slice(start, min(start + size, len(self)))
            yield which, np.asarray(self._values[self._rows[which]])

    def astype(self, dtype: Any) -> "RowsOnDisk":
        """Return itself: moments are float64 anyway."""
        del dtype
        return self

    def mean(self, axis: tuple[int, int]) -> NDArray[np.float64]:
        """Mean over rows and samples, ``axis=(0, 1)``, of each channel."""
        return self._moments_over(axis)[0]

    def std(self, axis: tuple[int, int]) -> NDArray[np.float64]:
        """Standard deviation over rows and samples, ``axis=(0, 1)``, of each channel."""
        return np.sqrt(self._moments_over(axis)[1])

    def _moments_over(
        self, axis: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if axis != (0, 1):
            raise ValueError(f"Expected axis (0, 1). Received: axis={axis!r}")
        if self._moments is None:
            count, mean = 0, np.zeros(self.shape[2])
            squared = np.zeros(self.shape[2])
            # Chan, Golub & LeVeque (1983): blocks are joined without squaring what is large.
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
    """Gather rows of an array, or stand in for them if they are too large for that.

    Returns
    -------
    float32 array [row, sample, channel] or RowsOnDisk
    """
    if len(rows) * int(np.prod(values.shape[1:])) * values.dtype.itemsize <= LARGEST_AT_ONCE:
        return np.asarray(values[rows])
    return RowsOnDisk(values, rows)


def in_blocks(function: Callable[[NDArray[np.float32]], Any], x: Any) -> NDArray[Any]:
    """Apply a function of rows to an array of them, or block by block to what stands in for one."""
    if isinstance(x, RowsOnDisk):
        return np.concatenate([np.asarray(function(block)) for _, block in x.blocks()])
    return np.asarray(function(x))
