"""What an OpenSim model file holds, read without OpenSim: names, locks, masses."""

import math
import os
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

from nem2e_tf.errors import InputError, near


@dataclass(frozen=True)
class Coordinate:
    """One generalised coordinate.

    Attributes
    ----------
    name : str
    locked : bool
        Held at its default value.
    dependent : bool
        Driven by another coordinate through a coupler.
    root : bool
        Belongs to the joint between ground and the model: what acts on it is a residual.
    default : float
        Value where nothing is said, in radians or m.
    """

    name: str
    locked: bool
    dependent: bool
    root: bool
    default: float = 0.0

    @property
    def free(self) -> bool:
        """Whether it moves by itself."""
        return not (self.locked or self.dependent)


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Attributes
    ----------
    path : Path
    bodies, markers, muscles : tuple of str
        Names, in the file's order.
    coordinates : tuple of Coordinate
    actuated : tuple of str
        Coordinates that an actuator of the model drives, such as the trunk's or the arms'.
    root_body : str
        The body that the root joint carries, usually the pelvis; empty where there is none.
    root_mass_center : tuple of float
        Its centre of mass in its own frame, m.
    mass : float
        kg.
    """

    path: Path
    bodies: tuple[str, ...]
    markers: tuple[str, ...]
    muscles: tuple[str, ...]
    coordinates: tuple[Coordinate, ...]
    actuated: tuple[str, ...]
    root_body: str
    root_mass_center: tuple[float, float, float]
    mass: float

    @property
    def free(self) -> tuple[str, ...]:
        """Coordinates that move by themselves."""
        return tuple(c.name for c in self.coordinates if c.free)

    @property
    def residual(self) -> tuple[str, ...]:
        """Free coordinates between ground and the model."""
        return tuple(c.name for c in self.coordinates if c.free and c.root)

    def require_body(self, name: str, *, where: str) -> None:
        """Refuse a body that the model does not have.

        Raises
        ------
        InputError
            Near names are given.
        """
        if name not in (*self.bodies, "ground"):
            raise InputError(
                f"{where}: expected a body of {self.path.name}, found {name!r}"
                f"{near(name, self.bodies) or '; it has ' + ', '.join(self.bodies[:4]) + ', ...'}"
            )


def read_model(path: "str | os.PathLike[str]") -> ModelFile:
    """Read a model file of OpenSim 2 to 4.

    Raises
    ------
    InputError
        The file is missing, is no model or was cut.
    """
    file = Path(path)
    root = read_xml(file, what="an OpenSim model (.osim)")
    model = root if root.tag == "Model" else root.find("Model")
    if model is None or root.tag not in ("Model", "OpenSimDocument"):
        raise InputError(
            f"{file}: expected an OpenSim model (.osim), found <{root.tag}> of another"
        )
    bodies = [body for body in model.iter("Body") if body.get("name") != "ground"]
    couplers = [
        text_of(coupler, "dependent_coordinate_name")
        for coupler in model.iter("CoordinateCouplerConstraint")
        if text_of(coupler, "isEnforced") != "false" and text_of(coupler, "isDisabled") != "true"
    ]
    coordinates, root_body = [], ""
    for joint, carried in _joints(model):
        at_root = _parent(joint).rsplit("/", 1)[-1] == "ground"
        found = list(joint.iter("Coordinate"))
        root_body = root_body or (carried if at_root and found else "")
        coordinates += [
            Coordinate(
                name=coordinate.get("name", ""),
                locked=text_of(coordinate, "locked") == "true",
                dependent=coordinate.get("name") in couplers,
                root=at_root,
                default=sum(_numbers(text_of(coordinate, "default_value"))),
            )
            for coordinate in found
        ]
    if not coordinates:
        raise InputError(f"{file}: expected a model with coordinates, found none")
    forces = model.find("ForceSet")
    carrier = next((body for body in bodies if body.get("name") == root_body), None)
    center = _numbers(text_of(carrier, "mass_center")) if carrier is not None else []
    return ModelFile(
        path=file,
        bodies=tuple(body.get("name", "") for body in bodies),
        markers=tuple(marker.get("name", "") for marker in model.iter("Marker")),
        muscles=tuple(
            force.get("name", "")
            for force in (forces.find("objects") or [] if forces is not None else [])
            if "Muscle" in force.tag
        ),
        coordinates=tuple(coordinates),
        actuated=tuple(text_of(a, "coordinate") for a in model.iter("CoordinateActuator")),
        root_body=root_body,
        root_mass_center=(center[0], center[1], center[2]) if len(center) == 3 else (0.0, 0.0, 0.0),
        mass=math.fsum(sum(_numbers(text_of(body, "mass"))) for body in bodies),
    )


def read_xml(path: Path, *, what: str) -> ET.Element:
    """Read an XML file, also where it closes a document that it never opened.

    OpenSim's own example of tasks for inverse kinematics does so, and OpenSim reads it.

    Raises
    ------
    InputError
        It is missing, or is not XML; the line at fault is named.
    """
    try:
        content = path.read_bytes()
        if b"<OpenSimDocument" not in content:
            content = content.replace(b"</OpenSimDocument>", b"")
        return ET.fromstring(content)
    except FileNotFoundError:
        raise InputError(f"{path}: expected {what}, found no such file") from None
    except ET.ParseError as error:
        raise InputError(
            f"{path}, line {error.position[0]}: expected {what}, found XML that cannot be read "
            f"({error}); is the file whole?"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: expected {what}, cannot read it ({error.strerror})") from None


def text_of(element: ET.Element, tag: str) -> str:
    """Text of a child, without blanks around it; empty where there is none."""
    return (element.findtext(tag) or "").strip()


def _joints(model: ET.Element) -> list[tuple[ET.Element, str]]:
    """Joints and the body each carries, where the file nests joints in bodies (OpenSim 2, 3)."""
    joints = []
    nested = {
        id(joint): body.get("name", "")
        for body in model.iter("Body")
        for holder in body.iter("Joint")
        for joint in holder
    }
    for joint in model.iter():
        if joint.tag.endswith("Joint") and joint.tag != "Joint":
            joints.append((joint, nested.get(id(joint)) or _body_of(joint, "child")))
    return joints


def _parent(joint: ET.Element) -> str:
    return text_of(joint, "parent_body") or _body_of(joint, "parent")


def _body_of(joint: ET.Element, end: str) -> str:
    """Body at an end of a joint (OpenSim 4), through the offset frame that stands between."""
    name = _socket(joint, f"{end}_frame").rsplit("/", 1)[-1]
    for frame in joint.iter("PhysicalOffsetFrame"):
        if frame.get("name") == name:
            name = _socket(frame, "parent").rsplit("/", 1)[-1]
    return name


def _socket(element: ET.Element, name: str) -> str:
    found = text_of(element, f"socket_{name}")
    for connector in element.iter("Connector_PhysicalFrame_"):
        if not found and connector.get("name") == name:
            found = text_of(connector, "connectee_name")
    return found


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        return []
