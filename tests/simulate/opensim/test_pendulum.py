"""OpenSim on a leg that hangs from a fixed pelvis: the exact results are known."""

import json

import numpy as np
import pytest
from support.simulating import call, opensim

from nem2e_tf.io.storage import Storage, read_storage, write_storage

__all__ = ["opensim"]

pytestmark = [pytest.mark.opensim, pytest.mark.usefixtures("opensim")]

MODEL = """<?xml version="1.0" encoding="UTF-8" ?>
<OpenSimDocument Version="40000"><Model name="pendulum">
 <gravity>0 -9.80665 0</gravity>
 <BodySet><objects>
  <Body name="pelvis"><mass>5</mass><mass_center>0 0 0</mass_center>
   <inertia>0.1 0.1 0.1 0 0 0</inertia></Body>
  <Body name="leg"><mass>7</mass><mass_center>0 -0.2 0</mass_center>
   <inertia>0.1 0.1 0.1 0 0 0</inertia></Body>
 </objects></BodySet>
 <JointSet><objects>
  <WeldJoint name="fixed"><socket_parent_frame>/ground</socket_parent_frame>
   <socket_child_frame>/bodyset/pelvis</socket_child_frame></WeldJoint>
  <PinJoint name="hip"><socket_parent_frame>/bodyset/pelvis</socket_parent_frame>
   <socket_child_frame>/bodyset/leg</socket_child_frame>
   <coordinates><Coordinate name="hip_flexion_r"/></coordinates></PinJoint>
 </objects></JointSet>
 <ForceSet><objects>
  <Millard2012EquilibriumMuscle name="iliacus_r">
   <GeometryPath name="path"><PathPointSet><objects>
    <PathPoint name="above"><socket_parent_frame>/bodyset/pelvis</socket_parent_frame>
     <location>0.05 0.1 0</location></PathPoint>
    <PathPoint name="below"><socket_parent_frame>/bodyset/leg</socket_parent_frame>
     <location>0.05 -0.2 0</location></PathPoint>
   </objects></PathPointSet></GeometryPath>
   <max_isometric_force>1500</max_isometric_force>
   <optimal_fiber_length>0.18</optimal_fiber_length>
   <tendon_slack_length>0.1</tendon_slack_length>
  </Millard2012EquilibriumMuscle>
 </objects></ForceSet>
 <MarkerSet><objects>{markers}</objects></MarkerSet>
</Model></OpenSimDocument>
"""
PLACES = {"hip": (0.02, -0.02, 0.05), "knee": (0.0, -0.4, 0.05), "shin": (0.03, -0.3, 0.0)}


def angle(time):
    """Flexion that rises slowly, so that only gravity must be balanced, in radians."""
    return 0.3 + 0.1 * time


@pytest.fixture
def folder(tmp_path):
    markers = "".join(
        f'<Marker name="{name}"><socket_parent_frame>/bodyset/leg</socket_parent_frame>'
        f"<location>{' '.join(map(str, place))}</location></Marker>"
        for name, place in PLACES.items()
    )
    (tmp_path / "model.osim").write_text(MODEL.format(markers=markers))
    time = np.arange(101) / 100
    cos, sin = np.cos(angle(time)), np.sin(angle(time))
    lines = ["PathFileType\t4\t(X/Y/Z)\tleg.trc"]
    keys = ("DataRate", "CameraRate", "NumFrames", "NumMarkers", "Units")
    lines += ["\t".join([*keys, "OrigDataRate", "OrigDataStartFrame", "OrigNumFrames"])]
    lines += [f"100\t100\t{len(time)}\t{len(PLACES)}\tmm\t100\t1\t{len(time)}"]
    lines += ["Frame#\tTime\t" + "\t\t\t".join(PLACES) + "\t\t"]
    lines += ["\t\t" + "\t".join(f"{axis}{i}" for i in (1, 2, 3) for axis in "XYZ"), ""]
    places = np.column_stack(
        [part for x, y, z in PLACES.values() for part in (cos * x - sin * y, sin * x + cos * y)]
        + [np.full(len(time), z) for _, _, z in PLACES.values()]
    )
    order = [0, 1, 6, 2, 3, 7, 4, 5, 8]
    for frame, (now, row) in enumerate(zip(time, 1000 * places[:, order], strict=True), start=1):
        lines.append("\t".join([str(frame), f"{now:.2f}", *(f"{cell:.6f}" for cell in row)]))
    (tmp_path / "leg.trc").write_text("\n".join(lines) + "\n")
    labels = tuple(f"plate_force_{kind}{axis}" for kind in "vp" for axis in "xyz")
    write_storage(tmp_path / "forces.mot", Storage("", labels, time, np.zeros((len(time), 6))))
    return tmp_path


def test_angles_and_activation_of_a_raised_leg(folder, capsys):
    arguments = ["simulate", "chain", "--model", folder / "model.osim"]
    arguments += ["--motion", folder / "leg.trc", "--forces", folder / "forces.mot"]
    arguments += ["--load", "leg=plate_force_v", "--start", 0.3, "--end", 0.7]
    arguments += ["-o", folder / "out"]
    code, _, err = call(capsys, *arguments)
    assert code == 0, err
    angles = read_storage(folder / "out" / "ik" / "ik.mot")
    found = np.radians(angles.column("hip_flexion_r"))
    np.testing.assert_allclose(found, angle(angles.time), atol=1e-4)
    # m g l sin(angle) at 0.5 s, computed by inverse dynamics and balanced by the muscle alone
    moments = read_storage(folder / "out" / "so" / "id.sto")
    held = np.interp(0.5, moments.time, moments.column("hip_flexion_r_moment"))
    assert held == pytest.approx(7 * 9.80665 * 0.2 * np.sin(0.35), rel=0.01)
    activation = read_storage(folder / "out" / "activation.sto")
    assert activation.labels == ("iliacus_r",)
    assert (activation.data > 0.01).all()
    assert (np.diff(activation.column("iliacus_r")) > 0).all()
    gates = {
        gate["name"]: gate
        for stage in json.loads((folder / "out" / "chain.json").read_text())["stages"]
        for gate in stage["gates"]
    }
    assert gates["reserve"]["where"] == "hip_flexion_r"
    assert gates["reserve"]["passed"]
    assert gates["largest marker error"]["value"] < 0.01


def test_scaling_by_height_and_mass(folder, capsys):
    arguments = ["simulate", "scale", "--model", folder / "model.osim", "--mass", 15]
    arguments += ["--height", 1.5, "--model-height", 1.8, "-o", folder / "scaled"]
    code, printed, err = call(capsys, *arguments)
    assert code == 0, printed
    assert "15 kg; factors from 0.833" in err
    assert "model scaled.osim" in printed
