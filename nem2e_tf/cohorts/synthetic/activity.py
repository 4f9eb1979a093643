"""Activity of synthetic cycles: each muscle's bursts, varied by speed, by subject and by cycle.

When each muscle is active in walking and running, and which muscles share a function.

A burst rises from `on` to `peak` and falls to `off`, in percent of the cycle from foot contact to
the next contact of the same foot; a time below 0 lies before contact.

Sources
-------
Walking: Perry & Burnfield, Gait Analysis (2nd ed., 2010), for when each muscle is active, deep ones
included; Winter, The Biomechanics and Motor Control of Human Gait (1991), for the shape of surface
EMG; Hof et al., Gait & Posture 16 (2002), for growth with speed (strongest in vasti, hamstrings and
calf); Nene et al., Gait & Posture 20 (2004), for rectus femoris before swing. Running: Gazendam &
Hof, Gait & Posture 25 (2007), and Cappellini et al., J Neurophysiol 95 (2006); Andersson et al.,
Acta Physiol Scand 161 (1997), for iliacus and psoas. Times are set after these works, not digitised
from them, with feet before and after the published on and off, where a burst still rises and
already fades; they are made to test refiners and are no reference for gait. Muscles that are seldom
recorded (in running all deep ones; gemelli, quadratus femoris, peroneus tertius and pectineus in
walking too) take times close to those of a synergist that is.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Times = tuple[float, float, float, float, float]

# Muscles of one function vary together (its drive); how load is shared between its two parts
# varies as well (its balance): one part gets stronger while the other gets weaker.
FUNCTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "ankle plantarflexion": (
        ("gasmed", "gaslat", "soleus"),
        ("tibpost", "fdl", "fhl", "perbrev", "perlong"),
    ),
    "ankle dorsiflexion": (("tibant",), ("edl", "ehl", "per_tert")),
    "knee extension": (("vasmed", "vaslat"), ("vasint",)),
    "hip flexion": (
        ("recfem",),
        ("iliacus", "psoas", "sart", "tfl", "addlong", "addbrev", "grac", "pect"),
    ),
    "hip extension and knee flexion": (
        ("semimem", "semiten", "bflh", "bfsh"),
        ("add_mag1", "add_mag2", "add_mag3"),
    ),
    "hip abduction and rotation": (
        ("glmax1", "glmax2", "glmax3", "glmed1", "glmed2", "glmed3"),
        ("glmin1", "glmin2", "glmin3", "quad_fem", "gem", "piri"),
    ),
    "trunk": (("ercspn",), ("intobl", "extobl")),
}

# (on, peak, off, amplitude, growth of the amplitude from the middle speed to the fastest)
WALK: dict[str, tuple[Times, ...]] = {
    "glmed1": ((-8, 14, 40, 1.0, 0.3),),
    "glmed2": ((-8, 12, 35, 1.0, 0.3),),
    "glmed3": ((-10, 10, 30, 1.0, 0.35),),
    "glmin1": ((-6, 18, 46, 1.0, 0.25),),
    "glmin2": ((-6, 15, 42, 1.0, 0.25),),
    "glmin3": ((-8, 12, 36, 1.0, 0.3),),
    "semimem": ((-22, -6, 13, 1.0, 0.45),),
    "semiten": ((-24, -8, 11, 1.0, 0.45),),
    "bflh": ((-22, -7, 14, 1.0, 0.45),),
    "bfsh": ((58, 72, 86, 0.8, 0.3), (-10, 4, 18, 0.5, 0.3)),
    "sart": ((54, 70, 90, 1.0, 0.35),),
    "addlong": ((54, 66, 82, 1.0, 0.35), (-8, 5, 18, 0.4, 0.2)),
    "addbrev": ((54, 66, 82, 1.0, 0.35), (-8, 5, 18, 0.3, 0.2)),
    "add_mag1": ((-14, 3, 20, 1.0, 0.3),),
    "add_mag2": ((-18, -1, 16, 1.0, 0.3),),
    "add_mag3": ((-22, -7, 13, 1.0, 0.4),),
    "tfl": ((-4, 18, 44, 1.0, 0.25), (54, 66, 78, 0.4, 0.35)),
    "pect": ((52, 66, 82, 1.0, 0.35),),
    "grac": ((53, 66, 80, 1.0, 0.35), (-12, 3, 18, 0.7, 0.3)),
    "glmax1": ((-7, 9, 28, 1.0, 0.45),),
    "glmax2": ((-8, 7, 24, 1.0, 0.45),),
    "glmax3": ((-10, 5, 20, 1.0, 0.45),),
    "iliacus": ((50, 64, 80, 1.0, 0.4),),
    "psoas": ((48, 63, 79, 1.0, 0.4),),
    "quad_fem": ((-8, 8, 28, 1.0, 0.3),),
    "gem": ((-8, 8, 28, 1.0, 0.3),),
    "piri": ((-8, 9, 32, 1.0, 0.3),),
    "recfem": ((-12, 4, 20, 0.8, 0.45), (52, 63, 76, 0.7, 0.55)),
    "vasmed": ((-13, 6, 24, 1.0, 0.55),),
    "vasint": ((-12, 6, 22, 1.0, 0.55),),
    "vaslat": ((-13, 7, 25, 1.0, 0.55),),
    "gasmed": ((8, 42, 56, 1.0, 0.4),),
    "gaslat": ((12, 43, 56, 1.0, 0.4),),
    "soleus": ((4, 44, 58, 1.0, 0.35),),
    "tibpost": ((-4, 10, 26, 0.5, 0.25), (20, 43, 56, 1.0, 0.35)),
    "fdl": ((10, 43, 57, 1.0, 0.3),),
    "fhl": ((20, 46, 60, 1.0, 0.35),),
    "tibant": ((-16, 4, 18, 1.0, 0.45), (54, 68, 92, 0.55, 0.3)),
    "perbrev": ((12, 43, 56, 1.0, 0.35),),
    "perlong": ((8, 41, 56, 1.0, 0.35),),
    "per_tert": ((-15, 4, 18, 1.0, 0.4), (54, 68, 92, 0.6, 0.3)),
    "edl": ((-15, 5, 20, 1.0, 0.4), (54, 67, 92, 0.65, 0.3)),
    "ehl": ((-16, 3, 17, 0.9, 0.4), (53, 66, 92, 0.8, 0.3)),
    "ercspn": ((-8, 3, 14, 0.8, 0.35), (40, 52, 64, 1.0, 0.4)),
    "intobl": ((30, 50, 70, 1.0, 0.25),),
    "extobl": ((-14, 4, 24, 1.0, 0.25), (44, 56, 70, 0.5, 0.2)),
}

RUN: dict[str, tuple[Times, ...]] = {
    "glmed1": ((-14, 7, 28, 1.0, 0.3),),
    "glmed2": ((-15, 6, 26, 1.0, 0.3),),
    "glmed3": ((-16, 5, 24, 1.0, 0.3),),
    "glmin1": ((-14, 8, 29, 1.0, 0.3),),
    "glmin2": ((-15, 7, 27, 1.0, 0.3),),
    "glmin3": ((-16, 5, 25, 1.0, 0.3),),
    "semimem": ((-32, -13, 2, 1.0, 0.5), (-2, 12, 28, 0.6, 0.35)),
    "semiten": ((-34, -15, 0, 1.0, 0.5), (-2, 11, 27, 0.5, 0.35)),
    "bflh": ((-32, -12, 3, 1.0, 0.5), (-2, 12, 29, 0.7, 0.35)),
    "bfsh": ((40, 56, 74, 0.8, 0.35), (-6, 10, 28, 0.7, 0.3)),
    "sart": ((30, 50, 72, 1.0, 0.4),),
    "addlong": ((24, 39, 58, 1.0, 0.4), (-16, 0, 14, 0.4, 0.25)),
    "addbrev": ((24, 39, 58, 1.0, 0.4), (-16, 0, 14, 0.4, 0.25)),
    "add_mag1": ((-16, 3, 22, 1.0, 0.35),),
    "add_mag2": ((-12, 6, 24, 1.0, 0.4),),
    "add_mag3": ((-32, -13, 3, 1.0, 0.5), (-2, 12, 28, 0.6, 0.35)),
    "tfl": ((-10, 6, 22, 0.8, 0.25), (24, 38, 56, 1.0, 0.4)),
    "pect": ((24, 40, 60, 1.0, 0.4),),
    "grac": ((31, 46, 63, 0.8, 0.5), (-15, 3, 20, 0.7, 0.35)),
    "glmax1": ((-18, 4, 22, 1.0, 0.45),),
    "glmax2": ((-18, 3, 20, 1.0, 0.5),),
    "glmax3": ((-20, 1, 18, 1.0, 0.5),),
    "iliacus": ((26, 43, 64, 1.0, 0.45),),
    "psoas": ((24, 41, 62, 1.0, 0.45),),
    "quad_fem": ((-18, 3, 21, 1.0, 0.4),),
    "gem": ((-18, 3, 21, 1.0, 0.4),),
    "piri": ((-17, 4, 23, 1.0, 0.35),),
    "recfem": ((-14, 5, 22, 1.0, 0.35), (32, 47, 64, 0.6, 0.6)),
    "vasmed": ((-15, 7, 24, 1.0, 0.3),),
    "vasint": ((-14, 7, 23, 1.0, 0.3),),
    "vaslat": ((-16, 7, 25, 1.0, 0.3),),
    "gasmed": ((-12, 13, 30, 1.0, 0.35),),
    "gaslat": ((-10, 14, 30, 1.0, 0.35),),
    "soleus": ((-9, 15, 32, 1.0, 0.3),),
    "tibpost": ((-10, 12, 30, 1.0, 0.3),),
    "fdl": ((-9, 15, 32, 1.0, 0.3),),
    "fhl": ((-4, 17, 34, 1.0, 0.3),),
    "tibant": ((32, 50, 72, 0.7, 0.35), (66, 90, 108, 1.0, 0.3)),
    "perbrev": ((-10, 14, 31, 1.0, 0.3),),
    "perlong": ((-11, 13, 30, 1.0, 0.3),),
    "per_tert": ((32, 50, 72, 0.7, 0.35), (67, 90, 108, 1.0, 0.3)),
    "edl": ((31, 49, 72, 0.8, 0.35), (67, 91, 109, 1.0, 0.3)),
    "ehl": ((30, 48, 72, 0.9, 0.35), (66, 89, 107, 0.9, 0.3)),
    "ercspn": ((-10, 6, 22, 1.0, 0.35), (40, 56, 72, 0.9, 0.35)),
    "intobl": ((20, 42, 64, 1.0, 0.3),),
    "extobl": ((-16, 4, 24, 0.8, 0.3), (30, 52, 72, 1.0, 0.3)),
}

# A simulator shares load between muscles of one function in its own way. Rows are muscles, values
# the muscles whose activity leaks into them: active at the same time, of the function's other part
# (`FUNCTIONS`) where the muscle is of its first part, so that what leaks varies by itself.
SYNERGISTS: dict[str, tuple[str, ...]] = {
    "glmed1": ("glmin1",),
    "glmed2": ("glmin2",),
    "glmed3": ("glmin3",),
    "glmin1": ("glmin2", "piri"),
    "glmin2": ("glmin1", "glmin3"),
    "glmin3": ("glmin2", "piri"),
    "semimem": ("add_mag3",),
    "semiten": ("add_mag3",),
    "bflh": ("add_mag3",),
    "bfsh": ("sart", "add_mag1"),
    "sart": ("iliacus", "grac"),
    "addlong": ("addbrev", "pect"),
    "addbrev": ("addlong", "grac"),
    "add_mag1": ("add_mag2",),
    "add_mag2": ("add_mag1", "add_mag3"),
    "add_mag3": ("add_mag2",),
    "tfl": ("sart", "addlong"),
    "pect": ("psoas", "addlong"),
    "grac": ("sart", "addbrev"),
    "glmax1": ("piri", "gem", "quad_fem"),
    "glmax2": ("gem", "quad_fem"),
    "glmax3": ("gem", "quad_fem"),
    "iliacus": ("psoas", "sart"),
    "psoas": ("iliacus", "pect"),
    "quad_fem": ("gem", "piri"),
    "gem": ("quad_fem", "piri"),
    "piri": ("gem", "glmin3"),
    "recfem": ("grac", "vasint"),
    "vasmed": ("vasint",),
    "vasint": ("grac",),
    "vaslat": ("vasint",),
    "gasmed": ("perlong",),
    "gaslat": ("perbrev", "fdl"),
    "soleus": ("fdl", "perlong"),
    "tibpost": ("fdl", "fhl"),
    "fdl": ("fhl", "tibpost"),
    "fhl": ("fdl", "perbrev"),
    "tibant": ("edl", "ehl"),
    "perbrev": ("perlong", "fdl"),
    "perlong": ("perbrev", "fhl"),
    "per_tert": ("edl",),
    "edl": ("ehl", "per_tert"),
    "ehl": ("edl", "per_tert"),
    "ercspn": ("intobl",),
    "intobl": ("extobl",),
    "extobl": ("intobl",),
}


Float = NDArray[np.float64]

TONIC = 0.03  # activity between bursts, of a burst's amplitude
OCCASIONAL = 0.05  # share of cycles in which a function has a burst outside its usual times
LEG = 0.85  # correlation of the two legs' variation from cycle to cycle


@dataclass(frozen=True)
class Variation:
    """How much activity varies: standard deviations, relative for amplitudes, percent for times.

    Attributes
    ----------
    growth : float
        Share of the tabulated growth with speed.
    subject_growth, subject_muscle, subject_time : float
        Between subjects: growth with speed, amplitude of a muscle's burst, end of stance.
    drive, balance, burst : float
        From cycle to cycle: amplitude of a function, sharing within it, amplitude of a burst.
    common : float
        Weight of what drive, and balance, of all functions have in common; its square is the
        correlation between functions.
    stance_time, function_time : float
        From cycle to cycle: end of stance (all bursts move with it), times of a function.
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
    """Draw numbers of mean 0 and standard deviation 1, never beyond 6.

    Sums of twelve uniform numbers: no logarithm or exponential, whose last bits differ from one
    processor to the next.
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
    """Make one subject's activity of both legs.

    Parameters
    ----------
    bursts : dict
        Of each muscle: `bursts.WALK` or `bursts.RUN`.
    muscles : tuple of str
        Which muscles, in which order.
    speed : float array [cycle]
        -1 at the slowest usual speed, 1 at the fastest.
    toe_off : float array [cycle]
        End of stance at that speed, percent of the cycle.
    usual_toe_off : float
        The end of stance that the times of `bursts` are meant for.
    variation : Variation
        How much activity varies.
    generator : Generator
        The subject's own.

    Returns
    -------
    float64 array [cycle, 101, 2 * muscle]
        The muscles of the leg whose contact starts the cycle, then those of the other, half a
        cycle later. In units of the subject's own maximum over all cycles: 0..1. Points 0 and 100
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
        # Stance and swing stretch as its end moves; times of a burst move with them.
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
    """All bursts of one leg, muscle after muscle; `starts` is where each muscle begins."""

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
