"""Refine one gait cycle with an exported file; requires numpy and ai-edge-litert only.

    python refine_file.py soleus.tflite activation.sto --side left --start 0.96 --end 2.04

prints the refined muscles as CSV: 20 samples of the cycle, both ends included.
"""

import argparse
import json
import re
import sys

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

SAMPLES = 20


def read_metadata(content: bytes) -> dict:
    """Read the JSON that nem2e-tf embedded in the file: channels, muscles, units, evidence."""
    model = schema.Model.GetRootAs(content, 0)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == b"NEM2E_METADATA":
            return json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    sys.exit("expected a file exported by nem2e-tf, found one without its metadata")


def read_activations(path: str, side: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Read an OpenSim storage file: time, and one curve per channel such as soleus_ipsi.

    Reads tab-separated files whose muscles have the names of the channels, in any label style:
    ``soleus_l``, ``soleus_l.activation``, ``/forceset/soleus_l/activation``.
    """
    with open(path, encoding="utf-8") as stream:  # noqa: PTH123
        lines = stream.read().splitlines()
    header = next(i for i, line in enumerate(lines) if line.strip().lower() == "endheader")
    labels = lines[header + 1].split("\t")
    table = np.array([line.split("\t") for line in lines[header + 2 :] if line.strip()], float)
    curves = {}
    for label, column in zip(labels, table.T, strict=True):
        matched = re.fullmatch(r"(?:/forceset/)?(\w+)_([rl])(?:[./|]activation)?", label)
        if matched:
            which = "ipsi" if matched[2] == side[0] else "contra"
            curves[f"{matched[1]}_{which}"] = column
    return table[:, 0], curves


def cycle_samples(time: np.ndarray, curves: np.ndarray, start: float, end: float) -> np.ndarray:
    """Resample one cycle of curves [row, channel] to [20, channel], as in training.

    Fits a piecewise linear curve through 101 points (least squares) and reads it every 100/19 %.
    """
    fine_time = np.linspace(start, end, 1001)
    fine = np.stack([np.interp(fine_time, time, curve) for curve in curves.T], axis=1)
    points = np.arange(101)
    hats = np.maximum(0, 1 - np.abs(np.linspace(0, 100, 1001)[:, None] - points))
    nearest = np.linalg.lstsq(hats, fine, rcond=None)[0]
    nearest = np.clip(nearest, fine.min(axis=0), fine.max(axis=0))
    wanted = np.linspace(0, 100, SAMPLES)
    return np.stack([np.interp(wanted, points, curve) for curve in nearest.T], axis=1)


def resample(rows: np.ndarray, count: int) -> np.ndarray:
    """Interpolate [row, sample, column] linearly to another number of samples."""
    before, after = np.linspace(0, 1, rows.shape[1]), np.linspace(0, 1, count)
    return np.apply_along_axis(lambda curve: np.interp(after, before, curve), 1, rows)


def refine(content: bytes, metadata: dict, samples: dict[str, np.ndarray]) -> np.ndarray:
    """Refine one cycle: curves of 20 samples by channel name to [20, muscle]."""
    if metadata["pattern"] == "all-entire":
        rows = np.stack([samples[name] for name in metadata["channels"]], axis=1)[None]
    else:
        counterparts = metadata["muscles"][0]["counterparts"]
        rows = np.mean([samples[name] for name in counterparts], axis=0).reshape(1, SAMPLES, 1)
    if metadata["pattern"] == "one-quarter":
        rows = resample(rows.reshape(4, SAMPLES // 4, 1), metadata["model_samples"])
    run = Interpreter(model_content=content).get_signature_runner("refine")
    outputs = [run(simulated=row[None].astype(np.float32))["refined"] for row in rows]
    refined = np.concatenate(outputs)
    if metadata["pattern"] == "one-quarter":
        refined = resample(refined, SAMPLES // 4)
    return refined.reshape(SAMPLES, -1)


def main() -> None:
    """Read the arguments, refine the cycle, print CSV."""
    parser = argparse.ArgumentParser(description="Refine one gait cycle.")
    parser.add_argument("model", help="exported .tflite")
    parser.add_argument("activation", help="OpenSim storage file of activations")
    parser.add_argument("--side", choices=["left", "right"], required=True)
    parser.add_argument("--start", type=float, required=True, help="foot contact, s")
    parser.add_argument("--end", type=float, required=True, help="next contact of that foot, s")
    given = parser.parse_args()
    with open(given.model, "rb") as stream:  # noqa: PTH123
        content = stream.read()
    metadata = read_metadata(content)
    time, curves = read_activations(given.activation, given.side)
    missing = [name for name in metadata["channels"] if name not in curves]
    if missing:
        sys.exit(f"{given.activation}: expected a column for {missing[0]}, found none")
    table = np.stack([curves[name] for name in metadata["channels"]], axis=1)
    sampled = cycle_samples(time, table, given.start, given.end)
    samples = dict(zip(metadata["channels"], sampled.T, strict=True))
    refined = refine(content, metadata, samples)
    print("time", *(muscle["name"] for muscle in metadata["muscles"]), sep=",")
    for moment, values in zip(np.linspace(given.start, given.end, SAMPLES), refined, strict=True):
        print(f"{moment:.6f}", *(f"{value:.9g}" for value in values), sep=",")


if __name__ == "__main__":
    main()
