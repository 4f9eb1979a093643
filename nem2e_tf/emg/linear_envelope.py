"""The linear envelope of raw EMG in one call, with its three settings."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nem2e_tf.emg.filters import both_ways
from nem2e_tf.errors import InputError


def envelope(
    signal: ArrayLike,
    /,
    *,
    rate: float,
    band: tuple[float, float] | None = (20.0, 400.0),
    low_pass: float = 10.0,
    order: int = 4,
) -> NDArray[np.float64]:
    """Return the linear envelope of raw EMG: band-pass, rectify, low-pass, all without delay.

    Parameters
    ----------
    signal : array [sample] or [sample, muscle]
        Raw EMG, evenly sampled. A column with a NaN anywhere comes back all NaN: a filter would
        spread it, and filling a gap is not this function's decision.
    rate : float
        Samples per second.
    band : (float, float) or None
        Corner frequencies of the band-pass, Hz (-3 dB of the whole filter); None subtracts the mean
        instead, for signals recorded at too low a rate for a band-pass.
    low_pass : float
        Corner frequency of the envelope, Hz (-3 dB of the whole filter).
    order : {2, 4, 6, 8}
        **Effective** order of the low-pass and of each edge of the band-pass. Butterworth filters
        of half this order run forward and backward, which doubles the order and leaves no delay;
        corners are moved so that the whole filter has -3 dB at the frequencies given.

    Returns
    -------
    float64 array, shape of `signal`
        Never negative up to the low-pass filter's small undershoot, which is kept.

    Raises
    ------
    InputError
        A frequency is not below half the rate, the band is not increasing, the order is not even,
        or the signal is too short to filter (about three periods of the lowest frequency).
    """
    raw = np.asarray(signal, dtype=np.float64)
    if raw.ndim not in (1, 2):
        raise InputError(f"signal: expected [sample] or [sample, muscle], found shape {raw.shape}")
    if order not in (2, 4, 6, 8):
        raise InputError(f"order: expected 2, 4, 6 or 8 (it is the effective one), found {order}")
    if band is not None and not 0 < band[0] < band[1]:
        raise InputError(f"band: expected two increasing frequencies above 0, found {band}")
    edges = {"low_pass": low_pass, **({"band": band[0], "band end": band[1]} if band else {})}
    for what, edge in edges.items():
        if not 0 < edge < rate / 2:
            raise InputError(
                f"{what}: expected a frequency between 0 and half the rate ({rate / 2:g} Hz), "
                f"found {edge:g}"
            )
    shortest = int(np.ceil(3 * rate / min(edges.values())))
    if len(raw) < shortest:
        raise InputError(
            f"signal: expected at least {shortest} samples to filter, found {len(raw)}"
        )
    usable = ~np.isnan(raw).any(axis=0)
    columns = raw[:, usable] if raw.ndim == 2 else raw[:, None][:, np.atleast_1d(usable)]
    if band:
        columns = both_ways(columns, band[0], kind="high", order=order, rate=rate)
        columns = both_ways(columns, band[1], kind="low", order=order, rate=rate)
    else:
        columns = columns - columns.mean(axis=0)
    result = np.full((len(raw), usable.size), np.nan)
    result[:, np.atleast_1d(usable)] = both_ways(
        np.abs(columns), low_pass, kind="low", order=order, rate=rate
    )
    return result.reshape(raw.shape)
