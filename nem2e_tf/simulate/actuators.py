"""Actuators beside the muscles: reserves of the coordinates, residuals of the root body."""

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

from nem2e_tf.simulate.dynamics import RESERVE, RESIDUAL_FORCES, RESIDUAL_MOMENTS, DynamicsSettings
from nem2e_tf.simulate.model_file import ModelFile
from nem2e_tf.simulate.setup_xml import element, elements, objects, write_document

_UNBOUND = 1000.0


def reserve_actuators(
    model: ModelFile, settings: DynamicsSettings, *, skip: Sequence[str] = ()
) -> list[ET.Element]:
    """Make a reserve actuator for every free coordinate.

    Parameters
    ----------
    skip : sequence of str
        Coordinates without one.
    """
    default = settings.reserve
    made = []
    for name in model.free:
        if name not in skip:
            values = {"coordinate": name, "optimal_force": settings.reserves.get(name, default)}
            bounds = {"min_control": -_UNBOUND, "max_control": _UNBOUND}
            made.append(
                element("CoordinateActuator", None, *elements(bounds | values), name=name + RESERVE)
            )
    return made


def root_actuators(
    model: ModelFile, *, force: float, moment: float, limit: tuple[float, float]
) -> list[ET.Element]:
    """Make residual actuators at the root body's centre of mass, named FX to MZ.

    Parameters
    ----------
    force, moment : float
        Optimal forces, N and N m.
    limit : (float, float)
        How many times that they may reach.
    """
    made = []
    axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    for name, axis in zip(RESIDUAL_FORCES, axes, strict=True):
        values: dict[str, object] = {"min_control": -limit[0], "max_control": limit[0]}
        values |= {"optimal_force": force, "body": model.root_body}
        values |= {"point": model.root_mass_center, "point_is_global": False}
        values |= {"direction": axis, "force_is_global": True}
        made.append(element("PointActuator", None, *elements(values), name=name))
    for name, axis in zip(RESIDUAL_MOMENTS, axes, strict=True):
        values = {"min_control": -limit[1], "max_control": limit[1], "optimal_force": moment}
        values |= {"bodyA": model.root_body, "bodyB": "ground"}
        values |= {"torque_is_global": True, "axis": axis}
        made.append(element("TorqueActuator", None, *elements(values), name=name))
    return made


def write_actuators(path: Path, actuators: list[ET.Element]) -> None:
    """Write a file of actuators."""
    write_document(path, objects("ForceSet", actuators, name="reserves"))
