"""Write the files of a motion laboratory for the tutorials: C3D, joint angles and ground reaction.

    python tools/demo_motion.py FOLDER

writes a synthetic treadmill walk of 20 s: ``walk.c3d`` (markers in mm at 100 Hz, z up, and raw EMG
of five muscles of the right leg in mV at 1000 Hz), ``ik.mot`` (joint angles as inverse kinematics
would give them) and ``grf.mot`` (ground reaction of both feet). Needs ezc3d (extra ``c3d``).

Joint angles are smooth curves with the size of normal gait; both feet share the force that the
motion of the pelvis needs, so that the simulation has little left to explain.
"""

import argparse
from pathlib import Path

import ezc3d
import numpy as np
from numpy.typing import NDArray

from nem2e_tf.cohorts.synthetic.cohorts import make
from nem2e_tf.io.storage import Storage, write_storage

SECONDS = 20.0
RATE, EMG_RATE = 100, 1000  # Hz
PERIOD = 1.12  # s, of a gait cycle
STANCE = 0.62  # share of it
MASS, GRAVITY = 70.0, 9.81
HIP = (-0.056, -0.078, 0.077)  # m from the pelvis' origin; that of the right leg
THIGH, SHANK = 0.41, 0.43  # m
HEEL, TOE = (-0.05, -0.045), (0.14, -0.05)  # m from the ankle, of a flat foot
ELECTRODES = ("RF", "MH", "LH", "TA", "GA")

Array = NDArray[np.float64]


def hump(phase: Array, centre: float, width: float) -> Array:
    """Return a bell curve over the cycle, 1 at its centre."""
    distance = np.mod(phase - centre + 0.5, 1) - 0.5
    return np.exp(-((distance / width) ** 2))


def joint_angles(phase: Array) -> dict[str, Array]:
    """Return the angles of a leg in degrees, flexion positive; phase 0 is foot contact."""
    return {
        "hip_flexion": 10 + 20 * np.cos(2 * np.pi * (phase + 0.07)),
        "knee_angle": 5 + 13 * hump(phase, 0.13, 0.08) + 57 * hump(phase, 0.72, 0.12),
        "ankle_angle": 11 * hump(phase, 0.42, 0.14)
        - 5 * hump(phase, 0.07, 0.05)
        - 20 * hump(phase, 0.63, 0.07),
        "hip_adduction": 3 * hump(phase, 0.2, 0.15),
        "hip_rotation": 0 * phase,
    }


def stance_share(phase: Array) -> Array:
    """Return a foot's share of the load: it takes over after its contact, and gives it back."""
    double = STANCE - 0.5
    smooth = lambda x: np.clip(x, 0, 1) ** 2 * (3 - 2 * np.clip(x, 0, 1))  # noqa: E731
    return smooth(phase / double) - smooth((phase - 0.5) / double)


def leg(angles: dict[str, Array], pelvis: Array, sign: int) -> dict[str, Array]:
    """Return where the points of a leg are [frame, 3]: x forward, y up, z right."""

    def point(x: Array, y: Array) -> Array:
        return np.stack([x, y, np.full_like(x, pelvis[0, 2] + sign * HIP[2])], axis=1)

    hip = np.deg2rad(angles["hip_flexion"])
    shank = hip - np.deg2rad(angles["knee_angle"])
    pitch = shank + np.deg2rad(angles["ankle_angle"])
    x, y = pelvis[:, 0] + HIP[0], pelvis[:, 1] + HIP[1]
    points = {"HJC": point(x, y)}
    x, y = x + THIGH * np.sin(hip), y - THIGH * np.cos(hip)
    points["KJC"] = point(x, y)
    x, y = x + SHANK * np.sin(shank), y - SHANK * np.cos(shank)
    points["AJC"] = point(x, y)
    for name, (forward, up) in (("CAL", HEEL), ("TOE", TOE)):
        points[name] = point(
            x + forward * np.cos(pitch) - up * np.sin(pitch),
            y + forward * np.sin(pitch) + up * np.cos(pitch),
        )
    return points


def write_c3d(path: Path, points: dict[str, Array], emg: Array) -> None:
    """Write markers (m, y up) as mm with z up, and EMG (mV)."""
    content = ezc3d.c3d()
    content["parameters"]["POINT"]["RATE"]["value"] = [RATE]
    content["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
    content["parameters"]["POINT"]["LABELS"]["value"] = list(points)
    places = 1000 * np.stack(list(points.values()), axis=1)  # frame, marker, axis
    turned = np.stack([places[..., 0], -places[..., 2], places[..., 1]])
    content["data"]["points"] = np.concatenate(
        [turned.transpose(0, 2, 1), np.ones((1, *turned.shape[:0:-1]))]
    )
    content["parameters"]["ANALOG"]["RATE"]["value"] = [EMG_RATE]
    content["parameters"]["ANALOG"]["LABELS"]["value"] = list(ELECTRODES)
    content["parameters"]["ANALOG"]["UNITS"]["value"] = ["mV"] * len(ELECTRODES)
    content["data"]["analogs"] = emg.T[None]
    content.write(str(path))


def raw_emg(time: Array) -> Array:
    """Return raw EMG [sample, electrode] in mV: noise whose amplitude is a walker's envelopes."""
    cycles = int(np.ceil(SECONDS / PERIOD)) + 1
    walker = make("walk", n_subjects=1, speeds=[1.2], n_cycles=cycles).cohort
    curves = np.asarray(walker.measured)[:, :-1].reshape(-1, len(ELECTRODES))
    at = np.arange(len(curves)) / 100 * PERIOD
    noise = np.random.default_rng(0).standard_normal((len(time), len(ELECTRODES)))
    envelopes = np.stack([np.interp(time, at, curve) for curve in curves.T], axis=1)
    return 0.8 * envelopes * noise


def write(folder: Path) -> None:
    """Write all files."""
    time = np.arange(round(SECONDS * RATE)) / RATE
    bob = 4 * np.pi / PERIOD
    pelvis = np.stack([0 * time, 0.93 - 0.012 * np.cos(bob * (time - 0.03)), 0 * time], axis=1)
    load = MASS * (GRAVITY + 0.012 * bob**2 * np.cos(bob * (time - 0.03)))
    angles = {"pelvis_tilt": 0 * time, "pelvis_list": 0 * time, "pelvis_rotation": 0 * time}
    angles |= {f"pelvis_t{axis}": pelvis[:, k] for k, axis in enumerate("xyz")}
    forces, points = {}, {}
    for side, sign, delay in (("r", 1, 0.0), ("l", -1, 0.5)):
        phase = np.mod(time / PERIOD + delay, 1)
        own = joint_angles(phase)
        angles |= {f"{joint}_{side}": values for joint, values in own.items()}
        places = leg(own, pelvis, sign)
        points |= {f"{side.upper()}{name}": values for name, values in places.items()}
        share = stance_share(phase)
        # From the heel to the toes while it stands.
        rolled = np.clip(phase / STANCE, 0, 1)[:, None]
        pressure = (1 - rolled) * places["CAL"] + rolled * places["TOE"]
        pressure[:, 1] = 0
        vertical = share * load
        columns = {"vx": 0 * time, "vy": vertical, "vz": 0 * time}
        columns |= {f"p{axis}": pressure[:, k] * (vertical > 0) for k, axis in enumerate("xyz")}
        forces |= {f"ground_force_{side}_{name}": values for name, values in columns.items()}
        forces |= {f"ground_torque_{side}_{axis}": 0 * time for axis in "xyz"}
    for name, x in (("SACR", -0.15), ("RASI", 0.05), ("LASI", 0.05)):
        points[name] = pelvis + np.array([x, 0.05, {"R": 0.12, "L": -0.12}.get(name[0], 0.0)])
    for name, table, degrees in (("ik", angles, True), ("grf", forces, None)):
        data = np.stack(list(table.values()), axis=1)
        write_storage(folder / f"{name}.mot", Storage(name, tuple(table), time, data, degrees))
    emg_time = np.arange(round(SECONDS * EMG_RATE)) / EMG_RATE
    write_c3d(folder / "walk.c3d", points, raw_emg(emg_time))


def main() -> None:
    """Read the argument and write the files."""
    parser = argparse.ArgumentParser(description="Write a synthetic treadmill walk.")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    write(folder)


if __name__ == "__main__":
    main()
