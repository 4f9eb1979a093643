"""OpenSim's XML files: models, and the setup files of its tools.

Models are read without OpenSim: names, locks, masses. A setup file is generated from settings, or
taken from the user. A user's file keeps its content, with two changes: input paths are resolved
against the folder of the file, and results go to the folder of the stage. A missing input is an
error where the tool would fail, and a note where OpenSim silently continues without it.
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
        Belongs to the joint between ground and the model: a force along it is a residual.
    default : float
        Default value, rad or m.
    """

    name: str
    locked: bool
    dependent: bool
    root: bool
    default: float = 0.0

    @property
    def free(self) -> bool:
        """True if neither locked nor driven by another coordinate."""
        return not (self.locked or self.dependent)


@dataclass(frozen=True)
class ModelFile:
    """Content of a model file.

    Attributes
    ----------
    path : Path
    bodies, markers, muscles : tuple of str
        Names, in the order of the file.
    coordinates : tuple of Coordinate
    actuated : tuple of str
        Coordinates driven by an actuator of the model, such as those of the trunk or the arms.
    root_body : str
        Child body of the root joint, usually the pelvis; empty if there is none.
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
        """Coordinates that are neither locked nor driven by another one."""
        return tuple(c.name for c in self.coordinates if c.free)

    @property
    def residual(self) -> tuple[str, ...]:
        """Free coordinates between ground and the model."""
        return tuple(c.name for c in self.coordinates if c.free and c.root)

    def require_body(self, name: str, *, where: str) -> None:
        """Raise an `InputError` with similar names if the model has no such body."""
        if name not in (*self.bodies, "ground"):
            raise InputError(
                f"{where}: expected a body of {self.path.name}, found {name!r}"
                f"{near(name, self.bodies) or '; it has ' + ', '.join(self.bodies[:4]) + ', ...'}"
            )

    def require_muscles(self) -> None:
        """Raise an `InputError` if the model has no muscles."""
        if not self.muscles:
            raise InputError(f"{self.path}: expected a model with muscles, found none")


def read_model(path: "str | os.PathLike[str]") -> ModelFile:
    """Read a model file of OpenSim 2 to 4.

    Raises
    ------
    InputError
        The file is missing, truncated, or not a model.
    """
    file = Path(path)
    root = read_xml(file, what="an OpenSim model (.osim)")
    model = root if root.tag == "Model" else root.find("Model")
    if model is None or root.tag not in ("Model", "OpenSimDocument"):
        raise InputError(f"{file}: expected an OpenSim model (.osim), found <{root.tag}>")
    bodies = [body for body in model.iter("Body") if body.get("name") != "ground"]
    couplers = [
        text_of(coupler, "dependent_coordinate_name")
        for coupler in model.iter("CoordinateCouplerConstraint")
        if text_of(coupler, "isEnforced") != "false" and text_of(coupler, "isDisabled") != "true"
    ]
    coordinates, root_body = [], ""
    for joint, child in _joints(model):
        parent = text_of(joint, "parent_body") or _body_of(joint, "parent")
        at_root = _last(parent) == "ground"
        found = list(joint.iter("Coordinate"))
        root_body = root_body or (child if at_root and found else "")
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
    forces = model.find("ForceSet/objects")
    pelvis = next((body for body in bodies if body.get("name") == root_body), None)
    center = _numbers(text_of(pelvis, "mass_center")) if pelvis is not None else []
    return ModelFile(
        path=file,
        bodies=tuple(body.get("name", "") for body in bodies),
        markers=tuple(marker.get("name", "") for marker in model.iter("Marker")),
        muscles=tuple(
            force.get("name", "")
            for force in (forces if forces is not None else [])
            if "Muscle" in force.tag
        ),
        coordinates=tuple(coordinates),
        actuated=tuple(text_of(a, "coordinate") for a in model.iter("CoordinateActuator")),
        root_body=root_body,
        root_mass_center=(center[0], center[1], center[2]) if len(center) == 3 else (0.0, 0.0, 0.0),
        mass=math.fsum(sum(_numbers(text_of(body, "mass"))) for body in bodies),
    )


def read_xml(path: Path, *, what: str) -> ET.Element:
    """Read an XML file, even one that closes a document it never opened.

    OpenSim's own example of tasks for inverse kinematics is such a file, and OpenSim reads it.

    Raises
    ------
    InputError
        The file is missing or is not XML; the message gives the line.
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
            f"{path}, line {error.position[0]}: expected {what}, found invalid XML ({error}); is "
            "the file complete?"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: expected {what}, cannot read it ({error.strerror})") from None


def read_set(path: Path | None, tag: str) -> ET.Element | None:
    """Read one of OpenSim's sets, such as an ``IKTaskSet``; None where no file is given."""
    if path is None:
        return None
    root = read_xml(path, what=f"OpenSim's {tag}")
    found = next(root.iter(tag), None)
    if found is None:
        raise InputError(f"{path}: expected OpenSim's {tag}, found <{root.tag}>")
    return found


def text_of(parent: ET.Element, tag: str) -> str:
    """Text of a child without surrounding blanks; empty if there is none."""
    return (parent.findtext(tag) or "").strip()


def _joints(model: ET.Element) -> list[tuple[ET.Element, str]]:
    """Joints and their child bodies; OpenSim 2 and 3 nest a joint in its body."""
    nested = {
        id(joint): body.get("name", "")
        for body in model.iter("Body")
        for holder in body.iter("Joint")
        for joint in holder
    }
    return [
        (joint, nested.get(id(joint)) or _body_of(joint, "child"))
        for joint in model.iter()
        if joint.tag.endswith("Joint") and joint.tag != "Joint"
    ]


def _body_of(joint: ET.Element, end: str) -> str:
    """Body at one end of a joint (OpenSim 4); an offset frame may lie between them."""
    name = _last(_socket(joint, f"{end}_frame"))
    for frame in joint.iter("PhysicalOffsetFrame"):
        if frame.get("name") == name:
            name = _last(_socket(frame, "parent"))
    return name


def _socket(parent: ET.Element, name: str) -> str:
    found = text_of(parent, f"socket_{name}")
    for connector in parent.iter("Connector_PhysicalFrame_"):
        if not found and connector.get("name") == name:
            found = text_of(connector, "connectee_name")
    return found


def _last(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split()]
    except ValueError:
        return []


_VERSION = "40000"
# Elements whose text is an input file of a tool.
_INPUTS = (
    *("model_file", "marker_file", "marker_set_file", "coordinate_file", "external_loads_file"),
    *("force_set_files", "desired_kinematics_file", "desired_points_file", "task_set_file"),
    *("constraints_file", "rra_controls_file", "coordinates_file", "states_file", "speeds_file"),
    *("datafile", "data_source_name", "filepath"),
)
_NOTHING = ("", "unassigned", "unspecified")


def element(
    tag: str, content: object = None, /, *children: ET.Element, name: str = ""
) -> ET.Element:
    """Make an element of an OpenSim file.

    Parameters
    ----------
    tag : str
    content : object
        A text; a bool, number or tuple of numbers, written as OpenSim does; a path, made absolute;
        a mapping of tags to contents, one child per item; or a list of elements.
    *children : Element
        Further children.
    name : str
        Attribute ``name``.

    Examples
    --------
    >>> ET.tostring(element("task", {"apply": True, "weight": 5.0}, name="heel"))
    b'<task name="heel"><apply>true</apply><weight>5</weight></task>'
    """
    made = ET.Element(tag, {"name": name} if name else {})
    if isinstance(content, Mapping):
        made.extend(element(key, value) for key, value in content.items())
    elif isinstance(content, list):
        made.extend(content)
    elif isinstance(content, bool):
        made.text = str(content).lower()
    elif isinstance(content, Path):
        made.text = str(content.absolute())
    elif isinstance(content, int | float | tuple):
        numbers = content if isinstance(content, tuple) else (content,)
        made.text = " ".join(f"{part:.10g}" for part in numbers)
    elif content is not None:
        made.text = str(content)
    made.extend(children)
    return made


def write_document(path: Path, content: ET.Element) -> None:
    """Write an element as an OpenSim document."""
    document = ET.Element("OpenSimDocument", {"Version": _VERSION})
    document.append(content)
    _write(path, document)


@dataclass(frozen=True)
class OwnSetup:
    """A setup file of the user.

    Attributes
    ----------
    path : Path
    document : Element
        With absolute input paths; see `write`.
    inputs : tuple of Path
        Every input file, including files named in other files.
    notes : tuple of str
        Missing files without which OpenSim continues.
    """

    path: Path
    document: ET.Element
    inputs: tuple[Path, ...]
    notes: tuple[str, ...]

    def text(self, tag: str) -> str:
        """Text of the first element with a tag or path of tags; empty if there is none."""
        return (self.document.findtext(f".//{tag}") or "").strip()

    def require_files(self, *tags: str) -> list[Path]:
        """Return the input file named in each element; an `InputError` if one names none."""
        texts = {tag: self.text(tag) for tag in tags}
        missing = [tag for tag, text in texts.items() if text.lower() in _NOTHING]
        if missing:
            raise InputError(f"{self.path}: expected <{missing[0]}>, found none")
        return [Path(text) for text in texts.values()]

    def numbers(self, *tags: str) -> list[float]:
        """All numbers of some elements, in order."""
        try:
            return [float(number) for tag in tags for number in self.text(tag).split()]
        except ValueError:
            texts = " ".join(self.text(tag) for tag in tags)
            raise InputError(
                f"{self.path}: expected numbers in <{tags[0]}>, found {texts!r}"
            ) from None

    def span(self, *tags: str) -> tuple[float, float] | tuple[None, None]:
        """Start and end in some elements; None if they hold no two numbers."""
        found = self.numbers(*tags)
        return (found[0], found[1]) if len(found) == 2 else (None, None)

    def write(self, path: Path, outputs: Mapping[str, object]) -> None:
        """Write the setup with some of its elements replaced.

        Parameters
        ----------
        path : Path
        outputs : mapping of str to object
            New content of each element, by its path below the tool, such as
            ``MarkerPlacer/output_model_file``; missing elements are added.
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
    """Read a setup file of the user.

    Parameters
    ----------
    path : Path
    tool : str
        Tag of the tool, such as ``CMCTool``.

    Raises
    ------
    InputError
        The file is missing, is not XML or belongs to another tool, or an input file is missing.
    """
    document = read_xml(path, what=f"a setup file for OpenSim's {tool}")
    if document.tag != "OpenSimDocument" or not len(document):
        raise InputError(
            f"{path}: expected a setup file for OpenSim's {tool}, found <{document.tag}>"
        )
    # OpenSim also reads this misspelling, which its own older versions wrote.
    tag = document[0].tag.replace("Kinemtatics", "Kinematics")
    if tag != tool:
        raise InputError(f"{path}: expected a setup file for {tool}, found one for {tag}")
    notes = []
    inputs = [path]
    for named, attribute, file in _named(document, path.parent):
        if file.is_file():
            inputs += [one for one in files_of(file) if one not in inputs]
            if attribute:
                named.set("file", str(file))
            else:
                named.text = str(file)
        elif attribute:
            notes.append(
                f"{path}: <{named.tag}> names {file.name}, which is missing; OpenSim continues "
                "without it"
            )
            del named.attrib["file"]
        else:
            raise InputError(f"{path}: expected the file named in <{named.tag}>, found no {file}")
    return OwnSetup(path, document, tuple(inputs), tuple(notes))


def files_of(path: Path) -> list[Path]:
    """List a file and, if it is XML, all files named in it."""
    found = [path]
    if path.suffix.lower() == ".xml":
        root = read_xml(path, what="an OpenSim file")
        for named, _, file in _named(root, path.parent):
            if file.is_file() and file != path:
                found += files_of(file)
            elif named.tag == "datafile":
                raise InputError(f"{path}: expected the file named in <datafile>, found no {file}")
    return found


def _named(root: ET.Element, folder: Path) -> Iterator[tuple[ET.Element, bool, Path]]:
    """Elements that name a file; True if the name is in an attribute; the file."""
    for one in root.iter():
        text = (one.text or "").strip()
        if one.get("file"):
            yield one, True, (folder / one.get("file", "")).absolute()
        elif one.tag in _INPUTS and not len(one) and text.lower() not in _NOTHING:
            yield one, False, (folder / text).absolute()


def _write(path: Path, document: ET.Element) -> None:
    ET.indent(document)
    ET.ElementTree(document).write(path, encoding="UTF-8", xml_declaration=True)
