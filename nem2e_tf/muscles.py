"""Canonical muscle names: aliases of the common styles, sides, column labels, electrodes.

Canonical names are those of the Rajagopal (2016) model without the side: ``soleus``, ``gasmed``,
``bflh``, ``tibant``. Muscles that exist only in gait2392 have its names (``add_mag1``, ``pect``,
``ercspn``); the lumped muscles of OpenSim's 18-muscle walking model have those of that model
(``hamstrings``, ``vasti``). Comparison of names ignores case, underscores, hyphens and spaces.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from nem2e_tf.errors import InputError, near

GAIT2392: tuple[str, ...] = (
    *("glmed1", "glmed2", "glmed3", "glmin1", "glmin2", "glmin3"),
    *("semimem", "semiten", "bflh", "bfsh", "sart", "addlong", "addbrev"),
    *("add_mag1", "add_mag2", "add_mag3", "tfl", "pect", "grac"),
    *("glmax1", "glmax2", "glmax3", "iliacus", "psoas", "quad_fem", "gem", "piri"),
    *("recfem", "vasmed", "vasint", "vaslat", "gasmed", "gaslat", "soleus", "tibpost"),
    *("fdl", "fhl", "tibant", "perbrev", "perlong", "per_tert", "edl", "ehl"),
    *("ercspn", "intobl", "extobl"),
)
"""The 46 muscles per side of gait2392 (43 of the leg, 3 of the trunk), in model order."""

RAJAGOPAL: tuple[str, ...] = (
    *("addbrev", "addlong", "addmagDist", "addmagIsch", "addmagMid", "addmagProx"),
    *("bflh", "bfsh", "edl", "ehl", "fdl", "fhl", "gaslat", "gasmed"),
    *("glmax1", "glmax2", "glmax3", "glmed1", "glmed2", "glmed3", "glmin1", "glmin2", "glmin3"),
    *("grac", "iliacus", "perbrev", "perlong", "piri", "psoas", "recfem", "sart"),
    *("semimem", "semiten", "soleus", "tfl", "tibant", "tibpost", "vasint", "vaslat", "vasmed"),
)
"""The 40 muscles per side of the Rajagopal model, in model order."""

LUMPED: tuple[str, ...] = ("hamstrings", "glut_max", "iliopsoas", "vasti", "gastroc")
"""Muscles of OpenSim's 18-muscle walking model that represent several muscles."""

ELECTRODES_RUN: dict[str, tuple[str, ...]] = {
    "bflh": ("bflh",),
    "gaslat": ("gaslat",),
    "gasmed": ("gasmed",),
    "glmax": ("glmax1", "glmax2", "glmax3"),
    "glmed": ("glmed1", "glmed2", "glmed3"),
    "recfem": ("recfem",),
    "medial_hamstrings": ("semimem", "semiten"),
    "soleus": ("soleus",),
    "tibant": ("tibant",),
    "vaslat": ("vaslat",),
    "vasmed": ("vasmed",),
}
"""The 11 electrodes of the 16 EMG columns of Hamner & Delp (2013).

doi 10.1016/j.jbiomech.2012.11.024
"""

ELECTRODES_WALK: dict[str, tuple[str, ...]] = {
    "recfem": ("recfem",),
    "medial_hamstrings": ("semimem", "semiten"),
    "lateral_hamstrings": ("bflh", "bfsh"),
    "tibant": ("tibant",),
    "gastroc_soleus": ("gasmed", "gaslat", "soleus"),
}
"""The five EMG channels per leg of Liu et al. (2008), doi 10.1016/j.jbiomech.2008.07.031."""

_ALIASES: dict[str, tuple[str, ...]] = {
    "glmed1": ("glut_med1",),
    "glmed2": ("glut_med2",),
    "glmed3": ("glut_med3",),
    "glmin1": ("glut_min1",),
    "glmin2": ("glut_min2",),
    "glmin3": ("glut_min3",),
    "glmax1": ("glut_max1",),
    "glmax2": ("glut_max2",),
    "glmax3": ("glut_max3",),
    "semimem": ("sem", "semimembranosus"),
    "semiten": ("semitendinosus",),
    "bflh": ("bifemlh", "bi", "biceps_femoris", "biceps_femoris_long_head"),
    "bfsh": ("bifemsh", "biceps_femoris_short_head"),
    "sart": ("sar", "sartorius"),
    "grac": ("gracilis",),
    "piri": ("peri", "piriformis"),
    "recfem": ("rect_fem", "rect", "rectus_femoris"),
    "vasmed": ("vastus_medialis",),
    "vasint": ("vastus_intermedius",),
    "vaslat": ("vastus_lateralis",),
    "gasmed": ("med_gas", "gastrocnemius_medialis", "medial_gastrocnemius"),
    "gaslat": ("lat_gas", "gastrocnemius_lateralis", "lateral_gastrocnemius"),
    "tibant": ("tib", "tibialis_anterior"),
    "tibpost": ("tibialis_posterior",),
    "fdl": ("flex_dig",),
    "fhl": ("flex_hal",),
    "edl": ("ext_dig",),
    "ehl": ("ext_hal",),
    "perlong": ("peroneus_longus",),
    "perbrev": ("peroneus_brevis",),
    "per_tert": ("peroneus_tertius",),
}


@dataclass(frozen=True)
class Label:
    """The content of a column label of a storage file.

    Attributes
    ----------
    muscle : str
        Canonical name.
    side : str
        ``"r"``, ``"l"``, or ``""`` if the label has none.
    quantity : str
        ``"activation"`` or ``"excitation"``.
    """

    muscle: str
    side: str
    quantity: str


@cache
def known() -> tuple[str, ...]:
    """Return all canonical names: gait2392 in model order, then Rajagopal's others, then lumped.

    Examples
    --------
    >>> len(known())
    55
    """
    return tuple(dict.fromkeys((*GAIT2392, *RAJAGOPAL, *LUMPED)))


@cache
def canonical(name: str) -> str:
    """Return the canonical name of a muscle, without its side.

    Parameters
    ----------
    name : str
        A name in the style of Rajagopal or gait2392, an abbreviation of the NEM2E paper, or the
        complete anatomical name.

    Raises
    ------
    InputError
        The muscle is unknown; similar names are listed.

    Examples
    --------
    >>> canonical("med_gas"), canonical("bi"), canonical("Tibialis anterior")
    ('gasmed', 'bflh', 'tibant')
    """
    found = _table().get(_key(name))
    if found is None:
        raise InputError(f"muscle {name!r}: expected a known muscle{_suggest(name)}")
    return found


def try_parse_label(label: str) -> Label | None:
    """Parse a column label; return None unless it is a muscle's activation or excitation.

    Parameters
    ----------
    label : str
        ``soleus_r``, ``soleus_r.activation``, ``soleus_r/activation``, ``soleus_r|activation``,
        ``/forceset/soleus_r/activation``, ``soleus_l_activation`` and the like. A bare name is an
        activation, as in files of static optimization; a bare path ``/forceset/soleus_r`` is an
        excitation, as in files of Moco.

    Examples
    --------
    >>> try_parse_label("/forceset/glut_max1_l/activation")
    Label(muscle='glmax1', side='l', quantity='activation')
    >>> try_parse_label("/forceset/soleus_r").quantity
    'excitation'
    >>> try_parse_label("knee_angle_r_reserve"), try_parse_label("soleus_r.fiber_length")
    (None, None)
    """
    _, in_force_set, rest = label.strip().rpartition("forceset/")
    name, *quantities = re.split(r"[./|]", rest.strip("/"))
    if not quantities and in_force_set:
        quantities = ["excitation"]
    if not quantities:
        suffix = re.fullmatch(r"(.+)_(activation|excitation)", name, flags=re.IGNORECASE)
        name, quantities = (suffix[1], [suffix[2]]) if suffix else (name, ["activation"])
    quantity = quantities[0].lower()
    if len(quantities) > 1 or quantity not in ("activation", "excitation"):
        return None
    name, side = _split_side(name)
    muscle = _table().get(_key(name))
    return None if muscle is None else Label(muscle=muscle, side=side, quantity=quantity)


def parse_label(label: str) -> Label:
    """Parse a column label like `try_parse_label`, but raise an error instead of returning None.

    Raises
    ------
    InputError
        The label is a reserve, a residual, a torque, a fibre length or unknown; muscles with
        similar names are listed.

    Examples
    --------
    >>> parse_label("soleus_l_activation")
    Label(muscle='soleus', side='l', quantity='activation')
    """
    found = try_parse_label(label)
    if found is None:
        stem = re.split(r"[./|]", label.strip().rpartition("forceset/")[2].strip("/"))[0]
        raise InputError(
            f"label {label!r}: expected a muscle's activation such as soleus_r or "
            f"/forceset/soleus_r/activation, found another quantity or an unknown muscle"
            f"{_suggest(_split_side(stem)[0])}"
        )
    return found


def relative(label_side: str, cycle_side: str) -> str:
    """Return the side of a muscle relative to the cycle's foot: ``"ipsi"`` or ``"contra"``.

    Parameters
    ----------
    label_side : {"r", "l"}
        Side of the muscle.
    cycle_side : {"r", "l"}
        Side of the foot whose contacts bound the cycle.

    Raises
    ------
    InputError
        A side is neither ``r`` nor ``l``.

    Examples
    --------
    >>> relative("l", "l"), relative("r", "l")
    ('ipsi', 'contra')
    """
    for side in (label_side, cycle_side):
        if side not in ("r", "l"):
            raise InputError(f"side {side!r}: expected r or l")
    return "ipsi" if label_side == cycle_side else "contra"


def in_order(names: Iterable[str]) -> list[str]:
    """Sort canonical names in the order of the first model that has them all.

    Parameters
    ----------
    names : iterable of str
        Canonical names.

    Returns
    -------
    list of str
        In the order of the Rajagopal model, else of gait2392, else of `known`.

    Examples
    --------
    >>> in_order(["vaslat", "bflh"]), in_order(["tibant", "per_tert", "bflh"])
    (['bflh', 'vaslat'], ['bflh', 'tibant', 'per_tert'])
    """
    chosen = set(names)
    model = next(m for m in (RAJAGOPAL, GAIT2392, known(), tuple(chosen)) if chosen <= set(m))
    return [name for name in model if name in chosen]


def _key(name: str) -> str:
    return re.sub(r"[_\-\s]", "", name).lower()


@cache
def _table() -> dict[str, str]:
    table = {_key(name): name for name in known()}
    table.update({_key(alias): name for name, all_ in _ALIASES.items() for alias in all_})
    return table


def _split_side(name: str) -> tuple[str, str]:
    matched = re.fullmatch(r"(.+)_(r|l|right|left)", name, flags=re.IGNORECASE)
    return (matched[1], matched[2][0].lower()) if matched else (name, "")


def _suggest(name: str) -> str:
    aliases = [alias for all_ in _ALIASES.values() for alias in all_]
    return near(name, [*known(), *aliases]) or "; use a name of the Rajagopal model or gait2392"
