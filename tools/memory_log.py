"""Memory of the processes that compute fits, from the log that they write."""

import numpy as np


def memory(log: str) -> tuple[float, float]:
    """Read a memory log (see `nem2e_tf.training.backends.processes`).

    Returns
    -------
    peak : float
        Sum of the peak resident memory of the processes, MiB: an upper bound of what they needed at
        one time, as shared pages count several times. NaN if the log is empty.
    growth : float
        Largest ratio of a process's memory after its last chunk to that after its third; NaN if no
        process fitted more than three.
    """
    rows = [[int(word) for word in line.split(",")] for line in log.splitlines()]
    processes: dict[int, list[tuple[int, int]]] = {}
    for _, process, now, most, *_ in rows:
        processes.setdefault(process, []).append((now, most))
    if not processes:
        return np.nan, np.nan
    peak = sum(max(most for _, most in lines) for lines in processes.values()) / 1024
    ratios = [lines[-1][0] / lines[2][0] for lines in processes.values() if len(lines) > 3]
    return peak, max(ratios, default=np.nan)
