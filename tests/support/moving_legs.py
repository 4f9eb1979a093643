"""A synthetic motion of the legs: coordinates, ground reaction and a scaled model."""

from dataclasses import replace

import numpy as np

from nem2e_tf.io.storage import Storage, write_storage
from nem2e_tf.simulate.mujoco.inputs import NEEDED, PELVIS, SEGMENTS

TIME = np.linspace(0, 1, 101)
COORDINATES = tuple(f"pelvis_{axis}" for axis in PELVIS) + tuple(
    f"{joint}_{side}" for side in "rl" for joint in NEEDED
)
PLATES = {"r": "ground_force_r", "l": "ground_force_l"}
FORCES = tuple(
    f"{head}{axis}"
    for side in "rl"
    for head in (f"ground_force_{side}_v", f"ground_force_{side}_p", f"ground_torque_{side}_")
    for axis in "xyz"
)


def coordinates(time=TIME, **change):
    """A slow swing of all joints; knees bend up to 1 rad, everything in rad and m."""
    wave = np.sin(2 * np.pi * time)
    table = {name: 0.1 * wave * (1 + 0.1 * i) for i, name in enumerate(COORDINATES)}
    table["pelvis_ty"] = 1 + 0.02 * wave
    for side in "rl":
        table[f"knee_angle_{side}"] = 0.5 + 0.5 * wave
    table.update(change)
    return Storage("made", tuple(table), time, np.stack(list(table.values()), axis=1), False)


def standing(weight=700.0):
    """Half of the weight under each foot, 0.1 m from the midline."""
    row = np.zeros(len(FORCES))
    for start, z in ((0, 0.1), (9, -0.1)):
        row[start + 1], row[start + 5] = weight / 2, z
    return Storage("made", FORCES, TIME, np.tile(row, (len(TIME), 1)), False)


def changed(storage, label, value):
    data = storage.data.copy()
    data[:, storage.labels.index(label)] = value
    return replace(storage, data=data)


def osim(joints):
    frame = (
        '<CustomJoint name="{0}"><socket_parent_frame>{1}_offset</socket_parent_frame><frames>'
        '<PhysicalOffsetFrame name="{1}_offset"><socket_parent>/bodyset/{1}</socket_parent>'
        "<translation>{2}</translation></PhysicalOffsetFrame></frames></CustomJoint>"
    )
    made = "".join(frame.format(joint, body, place) for body, (joint, place) in joints.items())
    return (
        '<OpenSimDocument Version="40500"><Model><BodySet><objects><Body name="pelvis">'
        '<mass>10.5</mass></Body><Body name="femur_r"><mass> 8 </mass></Body></objects></BodySet>'
        f"<JointSet><objects>{made}</objects></JointSet></Model></OpenSimDocument>"
    )


JOINTS = {body: (joint, "0 -0.4 0.01") for body, (joint, _) in SEGMENTS.items()}


def written(folder, motion=None, forces=None):
    write_storage(folder / "walk.mot", motion or coordinates())
    write_storage(folder / "forces.mot", forces or standing())
    return [str(folder / "walk.mot"), str(folder / "forces.mot")]


OPTIONS = ["--plate-right", "ground_force_r", "--plate-left", "ground_force_l", "--mass", "70"]
