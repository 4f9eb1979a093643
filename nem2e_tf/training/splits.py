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
    train, test : int array
        Cycles outside and inside the group.
    groups : array [train]
        Group of each training cycle.
    """

    group: str
    train: NDArray[np.intp]
    test: NDArray[np.intp]
    groups: NDArray[np.str_]


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
    from sklearn.model_selection import LeaveOneGroupOut

    return [
        Fold(str(labels[test[0]]), train, test, labels[train])
        for train, test in LeaveOneGroupOut().split(labels, groups=labels)
    ]


def set_aside(
    labels: NDArray[np.str_], *, seed: int, name: str
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Set a fifth of the training groups aside, at least one, to decide when to stop.

    Parameters
    ----------
    labels : array [training cycle]
        Group of each training cycle.
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
