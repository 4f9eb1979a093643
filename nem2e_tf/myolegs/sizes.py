"""Segment lengths and mass of a person, read from a scaled OpenSim model (needs no OpenSim)."""

import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError

# Segment, and the joint at its far end, whose place in the segment is the segment's size.
SEGMENTS = {
    "pelvis": "hip_r",
    **{
        f"{segment}_{side}": f"{joint}_{side}"
        for side in "rl"
        for segment, joint in (
            ("femur", "knee"),
            ("tibia", "ankle"),
            ("talus", "subtalar"),
            ("calcn", "mtp"),
        )
    },
}


@dataclass(frozen=True, eq=False)
class Sizes:
    """What a scaled model says of a person.

    Attributes
    ----------
    mass : float
        kg.
    ends : dict of str to float64 array [3]
        Where the next joint is, in each segment of `SEGMENTS`, m.
    path : Path
        The model.
    """

    mass: float
    ends: dict[str, NDArray[np.float64]]
    path: Path


def read_sizes(path: "str | os.PathLike[str]") -> Sizes:
    """Read segment sizes and mass from a scaled model.

    Parameters
    ----------
    path : path-like
        An ``.osim`` of OpenSim 4 with Rajagopal's joints.

    Raises
    ------
    InputError
        The file is missing, is no model of OpenSim 4, or lacks one of the joints.
    """
    file = Path(path)
    try:
        root = ElementTree.parse(file).getroot()
    except FileNotFoundError:
        raise InputError(f"{file}: expected an OpenSim model, found no such file") from None
    except (OSError, ElementTree.ParseError) as error:
        raise InputError(f"{file}: expected an OpenSim model (.osim), found {error}") from None
    places: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for joint in root.iterfind(".//JointSet//*[socket_parent_frame]"):
        frames = {frame.get("name"): frame for frame in joint.iter("PhysicalOffsetFrame")}
        frame = frames.get(_last(joint.findtext("socket_parent_frame", "")))
        if frame is not None:
            offset = _numbers(file, joint.get("name", ""), frame.findtext("translation", ""))
            places[joint.get("name", "")] = _last(frame.findtext("socket_parent", "")), offset
    if root.tag != "OpenSimDocument" or not places:
        raise InputError(
            f"{file}: expected a model of OpenSim 4 with joints between frames, found none; open "
            "and save an older model with OpenSim 4"
        )
    ends = {}
    for segment, joint_name in SEGMENTS.items():
        # The knee is called walker_knee_r in some versions, and a patella hangs on the femur, too.
        fitting = [
            place
            for name, (parent, place) in places.items()
            if parent == segment and (name == joint_name or name.endswith(f"_{joint_name}"))
        ]
        if len(fitting) != 1 or not np.linalg.norm(fitting[0]) > 0:
            raise InputError(
                f"{file}: expected a joint {joint_name!r} away from the origin of {segment!r}, as "
                "Rajagopal's model has it, found none; leave the model out and give a mass"
            )
        ends[segment] = fitting[0]
    masses = [body.findtext("mass", "0") for body in root.iterfind(".//BodySet//Body")]
    mass = float(sum(_numbers(file, "mass", text)[0] for text in masses)) if masses else 0.0
    if not mass > 0:
        raise InputError(f"{file}: expected bodies with a mass, found {mass:g} kg in all")
    return Sizes(mass, ends, file)


def _last(path: str) -> str:
    return path.strip().rsplit("/", maxsplit=1)[-1]


def _numbers(file: Path, what: str, text: str) -> NDArray[np.float64]:
    try:
        return np.array(text.split(), dtype=np.float64)
    except ValueError:
        raise InputError(f"{file}, {what}: expected numbers, found {text.strip()!r}") from None
