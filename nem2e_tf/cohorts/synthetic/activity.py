"""Activity of synthetic cycles: each muscle's bursts, varied by speed, subject and cycle.

``bursts.csv`` lists when each muscle is active: a burst rises from ``on`` to ``peak`` and falls to
``off``, in percent of the cycle between two contacts of the same foot. A time below 0 is before
contact.

Sources
-------
Walking: Perry & Burnfield, Gait Analysis (2nd ed., 2010), for the timing of all muscles; Winter,
The Biomechanics and Motor Control of Human Gait (1991), for the shape of surface EMG; Hof et al.,
Gait & Posture 16 (2002), for growth with speed (largest in vasti, hamstrings and calf); Nene et
al., Gait & Posture 20 (2004), for rectus femoris before swing. Running: Gazendam & Hof, Gait &
Posture 25 (2007), and Cappellini et al., J Neurophysiol 95 (2006); Andersson et al., Acta Physiol
Scand 161 (1997), for iliacus and psoas. Times follow these works but are not digitised from them.
They start before the published on and end after the published off, because a burst is still small
there. They serve to test refiners and are not reference data of gait. Muscles that are rarely
recorded (all deep ones in running; also gemelli, quadratus femoris, peroneus tertius and pectineus
in walking) have times similar to those of a recorded synergist.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.io.tables import Row, read_table

Times = tuple[float, float, float, float, float]
_TIMES = ("on", "peak", "off", "amplitude", "growth")


def _read(name: str, *columns: str) -> list[Row]:
    return read_table(Path(__file__).with_name(name), columns, what="a table of muscles")[0]


def _bursts(gait: str) -> dict[str, tuple[Times, ...]]:
    found: dict[str, tuple[Times, ...]] = {}
    for row in _read("bursts.csv", "gait", "muscle", *_TIMES):
        if row["gait"] == gait:
            on, peak, off, amplitude, growth = (row.number(column) for column in _TIMES)
            burst = (on, peak, off, amplitude, growth)
            found[row["muscle"]] = (*found.get(row["muscle"], ()), burst)
    return found


WALK, RUN = _bursts("walk"), _bursts("run")
"""Bursts of each muscle: on, peak, off, amplitude, growth from the middle to the fastest speed."""

_MUSCLES = _read("synergists.csv", "muscle", "function", "part", "synergists")


def _part(function: str, part: str) -> tuple[str, ...]:
    return tuple(r["muscle"] for r in _MUSCLES if (r["function"], r["part"]) == (function, part))


FUNCTIONS = {
    function: (_part(function, "1"), _part(function, "2"))
    for function in dict.fromkeys(row["function"] for row in _MUSCLES)
}
"""The two parts of each function.

Muscles of one function vary together (drive). The load sharing between its two parts varies as well
(balance): one part gets stronger while the other gets weaker.
"""

SYNERGISTS = {row["muscle"]: tuple(row["synergists"].split()) for row in _MUSCLES}
"""Muscles whose activity leaks into a muscle's simulated activity.

A simulator shares load between muscles of one function in its own way. Synergists are active at the
same time. Those of a muscle of a function's first part belong to its second part (`FUNCTIONS`), so
that the activity that leaks varies independently.
"""

Float = NDArray[np.float64]

TONIC = 0.03  # activity between bursts, relative to a burst's amplitude
OCCASIONAL = 0.05  # share of cycles with a burst outside a function's usual times
LEG = 0.85  # correlation of the two legs' variation from cycle to cycle


@dataclass(frozen=True)
class Variation:
    """Variation of activity: standard deviations, relative for amplitudes, percent for times.

    Attributes
    ----------
    growth : float
        Fraction of the tabulated growth with speed.
    subject_growth, subject_muscle, subject_time : float
        Between subjects: growth with speed, amplitude of a muscle's burst, end of stance.
    drive, balance, burst : float
        From cycle to cycle: amplitude of a function, load sharing within it, amplitude of a burst.
    common : float
        Weight of the component that drive (and balance) of all functions share; its square is the
        correlation between functions.
    stance_time, function_time : float
        From cycle to cycle: end of stance (shifts all bursts), times of a function.
    """

    growth: float = 0.4
    subject_growth: float = 0.25
    subject_muscle: float = 0.08
    subject_time: float = 1.0
    drive: float = 0.08
    balance: float = 0.42
    burst: float = 0.05
    common: float = 0.8
    stance_time: float = 1.2
    function_time: float = 0.5


def normal(generator: np.random.Generator, *shape: int) -> Float:
    """Draw numbers with mean 0 and standard deviation 1, within -6 to 6.

    They are sums of twelve uniform numbers, which avoids logarithms and exponentials: their last
    bits differ between processors.
    """
    total = np.zeros(shape)
    for _ in range(12):
        total += generator.random(shape)
    return total - 6.0


def activity(
    bursts: dict[str, tuple[Times, ...]],
    muscles: tuple[str, ...],
    *,
    speed: Float,
    toe_off: Float,
    usual_toe_off: float,
    variation: Variation,
    generator: np.random.Generator,
) -> Float:
    """Generate one subject's activity of both legs.

    Parameters
    ----------
    bursts : dict
        Bursts of each muscle: `WALK` or `RUN`.
    muscles : tuple of str
        Muscles in the order of the result.
    speed : float array [cycle]
        -1 at the slowest usual speed, 1 at the fastest.
    toe_off : float array [cycle]
        End of stance at that speed, percent of the cycle.
    usual_toe_off : float
        End of stance to which the times of `bursts` refer.
    variation : Variation
        Standard deviations.
    generator : Generator
        The subject's own random generator.

    Returns
    -------
    float64 array [cycle, 101, 2 * muscle]
        The muscles of the leg whose contact starts the cycle, then those of the other leg, half a
        cycle later. Relative to the subject's maximum over all cycles: 0 to 1. Points 0 and 100
        are equal.
    """
    table = _table(bursts, muscles)
    n_cycles, n_bursts, n_functions = len(speed), len(table.function), len(FUNCTIONS)
    growth = variation.growth * (1.0 + variation.subject_growth * normal(generator, 1))
    usual = 1.0 + table.growth * growth * speed[:, None]
    usual = usual + variation.subject_muscle * normal(generator, n_bursts)
    stance = toe_off + variation.subject_time * normal(generator, 1)
    stance = stance + variation.stance_time * normal(generator, n_cycles)

    legs: list[Float] = []
    common = normal(generator, 2, n_cycles, 1)
    first = normal(generator, 3, n_cycles, n_functions)
    for leg in range(2):
        second = normal(generator, 3, n_cycles, n_functions)
        both = first if leg == 0 else LEG * first + np.sqrt(1.0 - LEG * LEG) * second
        drive, balance, time = both[:, :, table.function]
        drive, balance = (
            variation.common * one + np.sqrt(1.0 - variation.common**2) * own
            for one, own in zip(common, (drive, balance), strict=True)
        )
        factor = usual + variation.drive * drive + variation.balance * table.part * balance
        factor += variation.burst * normal(generator, n_cycles, n_bursts)
        chance, size = generator.random((2, n_cycles, n_functions))[:, :, table.function]
        rare = np.where(chance < OCCASIONAL, 0.2 + 0.3 * size, 0.0)
        height = table.amplitude * np.where(table.occasional, rare, np.maximum(factor, 0.1))
        moved = variation.function_time * time + 50.0 * leg
        # Stance and swing are stretched to the end of stance, and bursts with them.
        on, peak, off = (
            _stretch(at, stance[:, None], usual_toe_off) + moved
            for at in (table.on, table.peak, table.off)
        )
        legs.append(np.add.reduceat(_bumps(on, peak, off, height), table.starts, axis=1))
    total = np.concatenate(legs, axis=1).transpose(0, 2, 1) + TONIC
    total /= total.max(axis=(0, 1))
    return np.concatenate([total, total[:, :1]], axis=1)


@dataclass(frozen=True, eq=False)
class _Table:
    """All bursts of one leg, muscle by muscle; `starts` is the first burst of each muscle."""

    on: Float
    peak: Float
    off: Float
    amplitude: Float
    growth: Float
    function: NDArray[np.intp]
    part: Float
    occasional: NDArray[np.bool_]
    starts: NDArray[np.intp]


def _table(bursts: dict[str, tuple[Times, ...]], muscles: tuple[str, ...]) -> _Table:
    place = {
        name: (i, sign)
        for i, parts in enumerate(FUNCTIONS.values())
        for names, sign in zip(parts, (1.0, -1.0), strict=True)
        for name in names
    }
    rows: list[Times] = []
    places, occasional, starts = [], [], []
    for name in muscles:
        main = max(bursts[name], key=lambda row: row[3])
        away = main[1] + 45.0
        own = (*bursts[name], (away - 10.0, away, away + 10.0, main[3], 0.0))
        starts.append(len(rows))
        rows += own
        places += [place[name]] * len(own)
        occasional += [False] * (len(own) - 1) + [True]
    function, part = zip(*places, strict=True)
    on, peak, off, amplitude, growth = np.array(rows, dtype=float).T
    return _Table(
        on=on,
        peak=peak,
        off=off,
        amplitude=amplitude,
        growth=growth,
        function=np.array(function),
        part=np.array(part),
        occasional=np.array(occasional),
        starts=np.array(starts),
    )


def _stretch(time: Float, stance: Float, usual: float) -> Float:
    whole = np.floor(time / 100.0) * 100.0
    rest = time - whole
    swing = stance + (rest - usual) * (100.0 - stance) / (100.0 - usual)
    return whole + np.where(rest < usual, rest * stance / usual, swing)


def _bumps(on: Float, peak: Float, off: Float, height: Float) -> Float:
    """Bell-shaped polynomials (1 - u^2)^2 on the cycle's 100 points, [cycle, burst, point]."""
    distance = np.mod(np.arange(100.0) - peak[..., None] + 50.0, 100.0) - 50.0
    rise, fall = 1.0 / (peak - on)[..., None], 1.0 / (off - peak)[..., None]
    distance *= np.where(distance < 0.0, rise, fall)
    distance *= distance
    np.subtract(1.0, distance, out=distance)
    np.maximum(distance, 0.0, out=distance)
    distance *= distance
    distance *= height[..., None]
    return distance
