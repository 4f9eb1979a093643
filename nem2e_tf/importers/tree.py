"""A published data set on disk: its files listed once, setup files read, EMG columns recognised."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

from nem2e_tf.errors import InputError
from nem2e_tf.importers.found import MapRows

SETS = ("columns", "electrodes")
_DECLARATION = b"<?xml"


def files_below(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    """List the files of a folder, sorted by path.

    Raises
    ------
    InputError
        There is no such folder, or nothing of these endings is in it.
    """
    if not folder.is_dir():
        instead = "a file; unpack archives first" if folder.exists() else "no such folder"
        raise InputError(f"{folder}: expected the folder of the data set, found {instead}")
    found = []
    archives = []
    for place, folders, names in os.walk(folder):
        folders.sort()
        found += [Path(place, name) for name in names if name.lower().endswith(endings)]
        archives += [name for name in names if name.lower().endswith(".zip")]
    if not found:
        instead = f"archives such as {archives[0]}; unpack them" if archives else "none"
        raise InputError(
            f"{folder}: expected files that end in {', '.join(endings)}, found {instead}"
        )
    return sorted(found)


def times_of_setup(path: Path) -> tuple[float, float]:
    """Read ``initial_time`` and ``final_time`` of an OpenSim setup file, s.

    Old files carry text before the XML declaration: it is skipped.

    Raises
    ------
    InputError
        The file is no XML, was cut, or lacks one of the two.
    """
    raw = path.read_bytes()
    start = max(raw.find(_DECLARATION), 0)
    try:
        root = ElementTree.fromstring(raw[start:].strip())
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: expected a whole XML file, found {error}") from None
    times = []
    for name in ("initial_time", "final_time"):
        text = next((element.text or "" for element in root.iter(name)), "")
        try:
            times.append(float(text))
        except ValueError:
            raise InputError(f"{path}: expected a number as {name}, found {text!r}") from None
    if not all(map(math.isfinite, times)) or times[0] >= times[1]:
        raise InputError(
            f"{path}: expected a final_time after the initial_time, found {times[0]:g} and "
            f"{times[1]:g}"
        )
    return times[0], times[1]


def map_rows(
    labels: Mapping[str, str], electrodes: Mapping[str, tuple[str, ...]], muscles: str
) -> MapRows:
    """Make the rows of a channel map.

    Parameters
    ----------
    labels : mapping of str to str
        Muscle to its column in the EMG file.
    electrodes : mapping of str to tuple of str
        Electrode to the muscles that carry its signal.
    muscles : {"columns", "electrodes"}
        A row for every muscle, or one for every electrode: its first muscle, compared with all.

    Examples
    --------
    >>> labels = {"semimem": "semimem_r", "semiten": "semiten_r"}
    >>> map_rows(labels, {"medial_hamstrings": ("semimem", "semiten")}, "electrodes")
    (('semimem_r', 'semimem', 'medial_hamstrings', 'semimem semiten'),)
    """
    rows = []
    for electrode, carriers in electrodes.items():
        present = [muscle for muscle in carriers if muscle in labels]
        if not present:
            continue
        if muscles == "electrodes":
            rows.append((labels[present[0]], carriers[0], electrode, " ".join(carriers)))
        else:
            rows += [(labels[muscle], muscle, electrode, "") for muscle in present]
    return tuple(rows)
