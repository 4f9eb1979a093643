"""What residual reduction and computed muscle control share: tracking a motion in simulation."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nem2e_tf.errors import InputError, near
from nem2e_tf.simulate.dynamics import DynamicsSettings, Inputs, is_distance
from nem2e_tf.simulate.gates import Gate, tracking_gates
from nem2e_tf.simulate.model_file import ModelFile
from nem2e_tf.simulate.setup_xml import element, elements, objects, write_document
from nem2e_tf.storage import Storage

# Gains of the tracking, critically damped: kv = 2 sqrt(kp), as in OpenSim's examples.
_KP, _KV = 100.0, 20.0
# Root distances may drift to where the forces put them; the trunk's attitude hardly.
_WEIGHT, _ROOT_DISTANCE, _ROOT_ANGLE = 20.0, 5.0, 500.0


@dataclass(frozen=True)
class TrackingSettings(DynamicsSettings):
    """Settings of a stage that tracks a motion; see `DynamicsSettings` for the first ones.

    Attributes
    ----------
    tasks : Path or None
        OpenSim's ``CMC_TaskSet``: what is tracked how closely. Else all free coordinates.
    weights : mapping of str to float
        Tracking weights of coordinates, where there is no file of tasks.
    actuators, constraints : Path or None
        OpenSim's ``ForceSet`` and bounds of its controls.
    """

    tasks: Path | None = None
    weights: Mapping[str, float] = field(default_factory=dict)
    actuators: Path | None = None
    constraints: Path | None = None


def tasks_of(model: ModelFile, weights: Mapping[str, float]) -> list[ET.Element]:
    """Make a tracking task of every free coordinate.

    Raises
    ------
    InputError
        A weight is of no free coordinate.
    """
    for name in weights:
        if name not in model.free:
            raise InputError(
                f"weight {name}: expected a free coordinate of {model.path.name}, found "
                f"none{near(name, model.free)}"
            )
    made = []
    for name in model.free:
        usual = _WEIGHT
        if name in model.residual:
            usual = _ROOT_DISTANCE if is_distance(name) else _ROOT_ANGLE
        values = {
            "on": True,
            "weight": weights.get(name, usual),
            "wrt_body": -1,
            "express_body": -1,
            "active": "true false false",
            "kp": (_KP, 1.0, 1.0),
            "kv": (_KV, 1.0, 1.0),
            "ka": (1.0, 1.0, 1.0),
            "coordinate": name,
            "limit": 0,
        }
        made.append(element("CMC_Joint", None, *elements(values), name=name))
    return made


def write_tasks(path: Path, tasks: list[ET.Element]) -> None:
    """Write a file of tasks."""
    write_document(path, objects("CMC_TaskSet", tasks, name="tracking"))


def joint_actuators(model: ModelFile, moment: float) -> list[ET.Element]:
    """Make an actuator for every free coordinate that is no residual, in place of the muscles."""
    return [
        element(
            "CoordinateActuator",
            None,
            *elements(
                {
                    "min_control": -1.0,
                    "max_control": 1.0,
                    "coordinate": name,
                    "optimal_force": moment,
                }
            ),
            name=name,
        )
        for name in model.free
        if name not in model.residual
    ]


def tracking(inputs: Inputs, cutoff: float, motion: Path) -> dict[str, object]:
    """Settings that both tools have."""
    return {
        "model_file": str(inputs.model.path.absolute()),
        "results_directory": ".",
        "initial_time": inputs.span[0],
        "final_time": inputs.span[1],
        "maximum_number_of_integrator_steps": 200000,
        "minimum_integrator_step_size": 1e-8,
        "desired_kinematics_file": str(motion),
        "lowpass_cutoff_frequency": cutoff,
        "optimizer_algorithm": "ipopt",
        "use_verbose_printing": False,
    }


def errors_of(errors: Storage) -> list[Gate]:
    """Judge the errors of tracking, which the tools write in radians and m."""
    angles, distances = {}, {}
    for label in errors.labels:
        curve = errors.column(label)
        if is_distance(label):
            distances[label] = curve
        else:
            angles[label] = np.degrees(curve)
    return tracking_gates(angles, distances)
