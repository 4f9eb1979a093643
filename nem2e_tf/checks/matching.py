"""Which simulated muscles an EMG channel sees, by its label."""

import re
from collections.abc import Iterable

from nem2e_tf.errors import InputError
from nem2e_tf.muscles import canonical

# Names of EMG channels that are several muscles of a model, or are written in yet another way.
# The first set of which the model has any is taken.
_GROUPS: dict[str, tuple[tuple[str, ...], ...]] = {
    "gastrocnemius": (("gasmed", "gaslat", "gastroc"),),
    "gastroc": (("gasmed", "gaslat", "gastroc"),),
    "gastroc_soleus": (("gasmed", "gaslat", "gastroc", "soleus"),),
    "hamstrings": (("semimem", "semiten", "bflh", "hamstrings"),),
    "medial_hamstrings": (("semimem", "semiten"), ("hamstrings",)),
    "lateral_hamstrings": (("bflh", "bfsh"), ("hamstrings",)),
    "biceps_femoris": (("bflh",), ("bfsh",), ("hamstrings",)),
    "vastus": (("vaslat", "vasmed", "vasint", "vasti"),),
    "vasti": (("vaslat", "vasmed", "vasint", "vasti"),),
    "vastus_medius": (("vasmed",), ("vasint",), ("vasti",)),
    "vastus_medialis": (("vasmed",), ("vasint",), ("vasti",)),
    "vastus_lateralis": (("vaslat",), ("vasint",), ("vasti",)),
    "gluteus": (("glmax1", "glmax2", "glmax3", "glut_max"),),
    "gluteus_maximus": (("glmax1", "glmax2", "glmax3", "glut_max"),),
    "glmax": (("glmax1", "glmax2", "glmax3", "glut_max"),),
    "gluteus_medius": (("glmed1", "glmed2", "glmed3"),),
    "glmed": (("glmed1", "glmed2", "glmed3"),),
}
_SIDED = re.compile(r"(?P<name>.+?)[_ ](?P<side>r|l|right|left)(?P<rest>[_ ./|].*)?", re.IGNORECASE)
_QUANTITY = re.compile(r"[_ ./|](activation|excitation|emg|envelope)$", re.IGNORECASE)


def name_and_side(label: str) -> tuple[str, str]:
    """Take an EMG label apart into the muscle's name and its side.

    Returns
    -------
    name : str
    side : {"r", "l", ""}

    Examples
    --------
    >>> name_and_side("soleus_l_activation"), name_and_side("gluteus maximus")
    (('soleus', 'l'), ('gluteus maximus', ''))
    """
    text = _QUANTITY.sub("", label.strip())
    sided = _SIDED.fullmatch(text)
    return (sided["name"], sided["side"][0].lower()) if sided else (text, "")


def seen_by(name: str, available: Iterable[str]) -> tuple[str, ...]:
    """Simulated muscles that an EMG channel sees.

    Parameters
    ----------
    name : str
        The channel's name without side, in any style.
    available : iterable of str
        Canonical names of the simulated muscles.

    Returns
    -------
    tuple of str
        Of those available; empty where the name is not known or the model has none of them.

    Examples
    --------
    >>> seen_by("gastrocnemius", ["gasmed", "soleus"]), seen_by("rect_fem", ["recfem"])
    (('gasmed',), ('recfem',))
    """
    have = set(available)
    key = re.sub(r"[\s\-]+", "_", name.strip().lower())
    for group in _GROUPS.get(key, ()):
        found = tuple(muscle for muscle in group if muscle in have)
        if found:
            return found
    try:
        muscle = canonical(name)
    except InputError:
        return ()
    return (muscle,) if muscle in have else ()
