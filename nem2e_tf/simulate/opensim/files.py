"""Setup files of OpenSim's tools: made of options, or the user's own taken over.

A user's file is used as it is, but for two things: its inputs are found from where the file lies,
and its results go to the stage's folder. What it names and what is not there is an error where the
tool would fail, and a note where OpenSim goes on without a word.

What an OpenSim model file holds, read without OpenSim: names, locks, masses.
"""

import copy
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
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


_VERSION = "40000"
# Tags whose text is a file that a tool reads.
_INPUTS = (
    *("model_file", "marker_file", "marker_set_file", "coordinate_file", "external_loads_file"),
    *("force_set_files", "desired_kinematics_file", "desired_points_file", "task_set_file"),
    *("constraints_file", "rra_controls_file", "coordinates_file", "states_file", "speeds_file"),
    *("datafile", "data_source_name", "filepath"),
)
_NOTHING = ("", "unassigned", "unspecified")


def element(tag: str, text: object = None, /, *children: ET.Element, name: str = "") -> ET.Element:
    """Make an element; numbers and truth values as OpenSim writes them.

    Examples
    --------
    >>> ET.tostring(element("weight", 5.0)), ET.tostring(element("on", True))
    (b'<weight>5</weight>', b'<on>true</on>')
    """
    made = ET.Element(tag, {"name": name} if name else {})
    if isinstance(text, bool):
        made.text = str(text).lower()
    elif isinstance(text, int | float):
        made.text = f"{text:.10g}"
    elif text is not None:
        made.text = (
            " ".join(f"{part:.10g}" for part in text) if isinstance(text, tuple) else str(text)
        )
    made.extend(children)
    return made


def elements(values: Mapping[str, object]) -> list[ET.Element]:
    """Make an element of each value."""
    return [element(tag, value) for tag, value in values.items()]


def objects(tag: str, items: list[ET.Element], *, name: str = "") -> ET.Element:
    """Make one of OpenSim's sets: an element with ``objects`` in it."""
    return element(tag, None, element("objects", None, *items), name=name)


def write_document(path: Path, content: ET.Element) -> None:
    """Write an element as a document of OpenSim."""
    document = ET.Element("OpenSimDocument", {"Version": _VERSION})
    document.append(content)
    _write(path, document)


@dataclass(frozen=True)
class OwnSetup:
    """A user's setup file, taken over.

    Attributes
    ----------
    path : Path
    document : Element
        With absolute inputs; see `write`.
    inputs : tuple of Path
        Every file it reads, those that its files name as well.
    notes : tuple of str
        Files it names that are not there and without which OpenSim goes on.
    """

    path: Path
    document: ET.Element
    inputs: tuple[Path, ...]
    notes: tuple[str, ...]

    def text(self, tag: str) -> str:
        """Text of the first element with a tag, or a path of tags; empty where there is none."""
        found = self.document.find(f".//{tag}")
        return (found.text or "").strip() if found is not None else ""

    def file(self, tag: str) -> Path | None:
        """File that an element names."""
        text = self.text(tag)
        return None if text.lower() in _NOTHING else Path(text)

    def number(self, tag: str, *, default: float) -> float:
        """Return the number of an element; `default` where there is none."""
        text = self.text(tag)
        try:
            return float(text) if text else default
        except ValueError:
            raise InputError(f"{self.path}: expected a number in <{tag}>, found {text!r}") from None

    def span(self, first: str, last: str) -> tuple[float, float] | None:
        """Start and end, of two elements or of one with two numbers; None where not given."""
        try:
            numbers = [
                float(n) for tag in dict.fromkeys((first, last)) for n in self.text(tag).split()
            ]
        except ValueError:
            raise InputError(
                f"{self.path}: expected numbers in <{first}>, found {self.text(first)!r}"
            ) from None
        return (numbers[0], numbers[1]) if len(numbers) == 2 else None

    def write(self, path: Path, outputs: Mapping[str, object]) -> None:
        """Write the setup with the given texts in place of its own.

        Parameters
        ----------
        outputs : mapping of path to value
            Element path below the tool, such as ``MarkerPlacer/output_model_file``; what is
            missing is added.
        """
        document = copy.deepcopy(self.document)
        for place, value in outputs.items():
            holder = document[0]
            *above, tag = place.split("/")
            for step in above:
                found = holder.find(step)
                holder = ET.SubElement(holder, step) if found is None else found
            for old in holder.findall(tag):
                holder.remove(old)
            holder.append(element(tag, value))
        _write(path, document)


def take_over(path: Path, *, tool: str) -> OwnSetup:
    """Read a user's setup file.

    Parameters
    ----------
    path : Path
    tool : str
        Beginning of the tool's tag, such as ``CMCTool``.

    Raises
    ------
    InputError
        It is missing, no XML, of another tool, or a file it needs is not there.
    """
    document = read_xml(path, what=f"a setup file of OpenSim's {tool}")
    if document.tag != "OpenSimDocument" or not len(document):
        raise InputError(
            f"{path}: expected a setup file of OpenSim's {tool}, found <{document.tag}>"
        )
    # OpenSim reads its own misspelling as well.
    tag = document[0].tag.replace("Kinemtatics", "Kinematics")
    if tag != tool:
        raise InputError(f"{path}: expected a setup file of {tool}, found one of {tag}")
    notes = []
    inputs = [path]
    for named, attribute, file in _named(document, path.parent):
        if file.is_file():
            inputs += [one for one in _files(file) if one not in inputs]
            if attribute:
                named.set("file", str(file))
            else:
                named.text = str(file)
        elif attribute:
            notes.append(
                f"{path}: <{named.tag}> names {file.name}, which is not there; OpenSim goes on "
                "with none"
            )
            del named.attrib["file"]
        else:
            raise InputError(f"{path}: expected the file <{named.tag}> names, found no {file}")
    return OwnSetup(path, document, tuple(inputs), tuple(notes))


def files_of(path: Path) -> list[Path]:
    """List a file and every file that it names, if it is XML."""
    return _files(path)


def _named(root: ET.Element, folder: Path) -> Iterator[tuple[ET.Element, bool, Path]]:
    """Elements that name a file, whether by attribute, and the file."""
    for one in root.iter():
        text = (one.text or "").strip()
        if one.get("file"):
            yield one, True, (folder / one.get("file", "")).absolute()
        elif one.tag in _INPUTS and not len(one) and text.lower() not in _NOTHING:
            yield one, False, (folder / text).absolute()


def _files(path: Path) -> list[Path]:
    found = [path]
    if path.suffix.lower() == ".xml":
        root = read_xml(path, what="a file of OpenSim's")
        for named, _, file in _named(root, path.parent):
            if file.is_file() and file != path:
                found += _files(file)
            elif named.tag == "datafile":
                raise InputError(f"{path}: expected the file <datafile> names, found no {file}")
    return found


def _write(path: Path, document: ET.Element) -> None:
    ET.indent(document)
    ET.ElementTree(document).write(path, encoding="UTF-8", xml_declaration=True)
