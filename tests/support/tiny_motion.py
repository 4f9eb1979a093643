"""A model of two legs, its markers, motion and ground reaction, as small files; no simulation."""

import numpy as np

from nem2e_tf.io.storage import Storage, write_storage

COORDINATES = ("pelvis_tilt", "pelvis_ty", "knee_angle_r", "knee_angle_l")
MUSCLES = ("soleus_r", "glmed1_r", "glmed2_r", "soleus_l", "glmed1_l", "glmed2_l")
MARKERS = ("R.Heel", "L.Heel", "Sternum", "V.Sacral")
MODEL = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40000"><Model name="tiny">
 <BodySet><objects>{bodies}</objects></BodySet>
 <JointSet><objects>
  <CustomJoint name="ground_pelvis">
   <socket_parent_frame>ground_offset</socket_parent_frame>
   <socket_child_frame>pelvis_offset</socket_child_frame>
   <coordinates><Coordinate name="pelvis_tilt"/><Coordinate name="pelvis_ty">
    <default_value>0.9</default_value></Coordinate></coordinates>
   <frames>
    <PhysicalOffsetFrame name="ground_offset"><socket_parent>/ground</socket_parent>
    </PhysicalOffsetFrame>
    <PhysicalOffsetFrame name="pelvis_offset"><socket_parent>/bodyset/pelvis</socket_parent>
    </PhysicalOffsetFrame>
   </frames>
  </CustomJoint>
  <PinJoint name="knee_r"><socket_parent_frame>/bodyset/pelvis</socket_parent_frame>
   <coordinates><Coordinate name="knee_angle_r"/><Coordinate name="knee_angle_r_beta"/>
   </coordinates></PinJoint>
  <PinJoint name="knee_l"><socket_parent_frame>/bodyset/pelvis</socket_parent_frame>
   <coordinates><Coordinate name="knee_angle_l"/>
   <Coordinate name="mtp_angle_l"><locked>true</locked></Coordinate></coordinates></PinJoint>
 </objects></JointSet>
 <ConstraintSet><objects><CoordinateCouplerConstraint name="beta"><isEnforced>true</isEnforced>
  <dependent_coordinate_name>knee_angle_r_beta</dependent_coordinate_name>
 </CoordinateCouplerConstraint></objects></ConstraintSet>
 <ForceSet><objects>{muscles}<CoordinateActuator name="lumbar"><coordinate>pelvis_tilt</coordinate>
 </CoordinateActuator></objects></ForceSet>
 <MarkerSet><objects>{markers}</objects></MarkerSet>
</Model></OpenSimDocument>
"""


def write_model(path, *, markers=MARKERS, muscles=MUSCLES):
    masses = {"pelvis": 20, "calcn_r": 5, "calcn_l": 5}
    path.write_text(
        MODEL.format(
            bodies="".join(
                f'<Body name="{name}"><mass>{mass}</mass><mass_center>-0.1 0 0</mass_center></Body>'
                for name, mass in masses.items()
            ),
            muscles="".join(f'<Millard2012EquilibriumMuscle name="{name}"/>' for name in muscles),
            markers="".join(f'<Marker name="{name}"/>' for name in markers),
        )
    )


def write_markers(path, *, names=MARKERS, end=2.0, rate=50):
    time = np.arange(round(end * rate) + 1) / rate
    lines = ["PathFileType\t4\t(X/Y/Z)\twalk.trc", "DataRate\tNumFrames\tNumMarkers\tUnits"]
    lines += [f"{rate}\t{len(time)}\t{len(names)}\tmm"]
    lines += ["Frame#\tTime\t" + "\t\t\t".join(names), "\t\tX1\tY1\tZ1", ""]
    for frame, now in enumerate(time, start=1):
        cells = [f"{100.0 + now:.3f}"] * (3 * len(names))
        lines.append("\t".join([str(frame), f"{now:.3f}", *cells]))
    path.write_text("\n".join(lines) + "\n")


def write_forces(path, *, start=0.0, end=2.0, prefixes=("ground_force_r_", "ground_force_l_")):
    """Right contacts at 0.2 and 1.2 s, left ones at 0.7 and 1.7 s; 700 N while standing."""
    time = np.arange(round(start * 200), round(end * 200) + 1) / 200
    labels, columns = [], []
    for number, prefix in enumerate(prefixes):
        stands = np.mod(time - 0.2 - 0.5 * number, 1.0) < 0.6
        for axis in "xyz":
            labels.append(f"{prefix}v{axis}")
            columns.append(700.0 * stands if axis == "y" else 0 * time)
        labels += [f"{prefix}p{axis}" for axis in "xyz"]
        columns += [0 * time] * 3
    write_storage(path, Storage("forces", tuple(labels), time, np.column_stack(columns)))


def write_angles(path, *, end=2.0, labels=COORDINATES, time=None):
    time = np.arange(round(end * 100) + 1) / 100 if time is None else time
    data = np.column_stack([np.sin(time + i) for i in range(len(labels))])
    write_storage(path, Storage("angles", labels, time, data, in_degrees=True))


def write_all(folder):
    write_model(folder / "model.osim")
    write_markers(folder / "walk.trc")
    write_forces(folder / "forces.mot")
    write_angles(folder / "angles.sto")
    return folder
