"""A stand-in for OpenSim's worker, called instead of a Python that has OpenSim.

The environment variable FAKE_OPENSIM says how it behaves.
"""

import json
import os
import re
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
from support.tiny_motion import COORDINATES, MUSCLES

from nem2e_tf.io.storage import Storage, write_storage

MANNER = os.environ.get("FAKE_OPENSIM", "fine")


def say(text):
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def table(name, labels, span, value=None):
    end = span[1] - (0.5 if MANNER == "short" else 0.0)
    moments = np.linspace(span[0], end, round((end - span[0]) * 100) + 1)
    waves = [0.5 + 0.4 * np.sin(6 * moments + i) for i in range(len(labels))]
    data = np.column_stack(waves if value is None else [value + 0 * moments] * len(labels))
    write_storage(name, Storage("made up", tuple(labels), moments, data, in_degrees=False))
    if MANNER == "damaged" and name.endswith("activation.sto"):
        text = Path(name).read_text()
        Path(name).write_text("stale\nversion=1\nendheader\n" + text)
    if MANNER == "empty" and name.endswith("activation.sto"):
        text = Path(name).read_text().split("\n")
        at = next(i for i, line in enumerate(text) if line.startswith("time"))
        text = [re.sub("nRows=.*", "nRows=0", line) for line in text[: at + 1]]
        Path(name).write_text("\n".join(text) + "\n")


def run(kind, setup):
    tool = ET.parse(setup).getroot()[0]

    def numbers(*tags):
        return [float(n) for tag in tags for n in tool.findtext(tag).split()]

    if kind == "InverseKinematicsTool":
        span = numbers("time_range")
        for now in np.linspace(*span, 4):
            say(f"[info] Frame 1 (t = {now:.3f}): marker error: RMS = 0.01, max = 0.03 (R.Heel)")
            time.sleep(0.3 if MANNER == "slow" else 0)
        table("ik.mot", COORDINATES, span)
        errors = "total_squared_error", "marker_error_RMS", "marker_error_max"
        table("ik_ik_marker_errors.sto", errors, span, 0.05 if MANNER == "far" else 0.01)
    elif kind == "InverseDynamicsTool":
        labels = [f"{c}_{'force' if c.endswith('ty') else 'moment'}" for c in COORDINATES]
        table("id.sto", labels, numbers("time_range"))
    elif MANNER != "nothing":
        span = numbers("initial_time", "final_time")
        reserves = [f"{c}_reserve" for c in COORDINATES]
        table("so_StaticOptimization_activation.sto", [*MUSCLES, *reserves], span)
        table("so_StaticOptimization_force.sto", reserves, span, 0.01)


def main():
    if sys.argv[1] == "-c":
        say("4.6")
        return
    job = json.loads(Path(sys.argv[3]).read_text())
    with Path(os.environ["FAKE_CALLS"]).open("a") as calls:
        calls.write(" ".join(kind for kind, _ in job["tools"]) + "\n")
    if MANNER == "crash":
        say("[error] the last thing it said")
        os.kill(os.getpid(), 11)
    answer = {"facts": {"com_height": 1.0, "mass": 30.0, "moved_by_muscles": ["knee_angle_r"]}}
    if MANNER == "error":
        why = "std::exception in 'bool Tool::run()': No such column.\n\tThrown at here."
        answer = {"error": f"RuntimeError: {why}"}
    elif MANNER == "messages":
        say("[error] InverseKinematicsTool Failed: the file is odd.")
        answer = {"error": "RuntimeError: Tool Failed, please see messages window for details..."}
    else:
        for kind, setup in job["tools"]:
            run(kind, setup)
    Path(sys.argv[4]).write_text(json.dumps(answer))


if __name__ == "__main__":
    main()
