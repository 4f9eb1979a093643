"""Who is left out, and who is set aside to decide when to stop."""

import zlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nem2e_tf.errors import InputError, near

VALIDATION_SHARE = 0.2
FEWEST_GROUPS_TO_VALIDATE = 3
BLOCK = "block"


@dataclass(frozen=True, eq=False)
class Fold:
    """One left-out group.

    Attributes
    ----------
    group : str
        What is left out.
    test : int array
        Cycles inside the group.
    names : str array [group]
        Names of all groups, in order.
    codes : int array [cycle]
        Group of every cycle of the cohort, as its place in `names`. Folds share it: what is as long
        as the cohort is not kept for each of many folds.
    trains_on_all : bool
        Whether the group is trained on as well: then nothing is left out.
    """

    group: str
    test: NDArray[np.intp]
    names: NDArray[np.str_]
    codes: NDArray[np.intp]
    trains_on_all: bool = False

    @property
    def train(self) -> NDArray[np.intp]:
        """Cycles that are trained on: those outside the group."""
        kept = np.ones(len(self.codes), bool)
        if not self.trains_on_all:
            kept[self.test] = False
        return np.flatnonzero(kept)

    @property
    def groups(self) -> NDArray[np.str_]:
        """Group of each training cycle."""
        return self.names[self.codes[self.train]]

    def set_aside(self, seed: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Training cycles to fit on, and those to decide by when to stop: see `set_aside`."""
        train = self.train
        inner, outer = set_aside(self.codes[train], seed=seed, name=self.group)
        return train[inner], train[outer]


def group_labels(
    cycles: pd.DataFrame, *, by: str = "subject", blocks: int | None = None
) -> tuple[str, NDArray[np.str_]]:
    """Label each cycle with the group that it is left out with.

    Parameters
    ----------
    cycles : DataFrame
        The cohort's table of cycles.
    by : str
        A column of it.
    blocks : int, optional
        Cut the cycles of a single subject into this many runs of consecutive cycles instead.

    Returns
    -------
    tuple
        What the cycles are grouped by (``block`` for blocks) and the label of each cycle.

    Raises
    ------
    InputError
        No such column, fewer than two groups, or blocks of more than one subject.
    """
    if blocks is not None:
        subjects = cycles["subject"].unique()
        if len(subjects) > 1:
            raise InputError(
                f"--blocks: expected a cohort of one subject, found {len(subjects)}; "
                "use --by subject"
            )
        if not 2 <= blocks <= len(cycles):
            raise InputError(
                f"--blocks {blocks}: expected from 2 to {len(cycles)}, the number of cycles"
            )
        from sklearn.model_selection import KFold

        labels = np.empty(len(cycles), dtype=f"<U{len(str(blocks)) + 6}")
        width = len(str(blocks))
        for number, (_, test) in enumerate(KFold(blocks).split(np.zeros(len(cycles))), start=1):
            labels[test] = f"block-{number:0{width}d}"
        return BLOCK, labels
    if by not in cycles.columns:
        raise InputError(
            f"--by {by}: expected a column of the cycles, one of {', '.join(cycles.columns)}"
            f"{near(by, list(cycles.columns))}"
        )
    labels = cycles[by].astype(str).to_numpy(dtype=np.str_)
    if len(np.unique(labels)) < 2:
        raise InputError(
            f"--by {by}: expected at least two groups to leave out in turn, found one "
            f"({labels[0] if len(labels) else 'no cycles'}); "
            "for a single subject use --blocks 5"
        )
    return by, labels


def leave_one_group_out(labels: NDArray[np.str_]) -> list[Fold]:
    """Leave each group out once, in the order of their names.

    Examples
    --------
    >>> [fold.group for fold in leave_one_group_out(np.array(["b", "a", "b"]))]
    ['a', 'b']
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    tests = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    return [Fold(str(name), test, names, codes) for name, test in zip(names, tests, strict=True)]


def set_aside(
    labels: NDArray[np.str_] | NDArray[np.intp], *, seed: int, name: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Set a fifth of the training groups aside, at least one, to decide when to stop.

    Parameters
    ----------
    labels : array [training cycle]
        Group of each training cycle; only their order matters.
    seed : int
        The recipe's.
    name : str
        What is left out; folds draw independently.

    Returns
    -------
    tuple of int array
        Positions of the cycles to fit on and of those set aside; with fewer than three groups none
        are.
    """
    from sklearn.model_selection import GroupShuffleSplit

    n_groups = len(np.unique(labels))
    if n_groups < FEWEST_GROUPS_TO_VALIDATE:
        return np.arange(len(labels)), np.arange(0)
    aside = max(1, round(VALIDATION_SHARE * n_groups))
    state = np.random.RandomState([seed, zlib.crc32(name.encode())])
    splitter = GroupShuffleSplit(n_splits=1, test_size=aside, random_state=state)
    inner, outer = next(splitter.split(labels, groups=labels))
    return inner, outer
