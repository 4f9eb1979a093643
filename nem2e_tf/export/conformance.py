"""Conformance of a refiner in export: a .tflite of builtin operators with the same output."""

import tempfile
from pathlib import Path

import numpy as np

from nem2e_tf.export.exporter import export
from nem2e_tf.names import ALL_ENTIRE, JOINT
from nem2e_tf.refiners.info import Muscle, Reference, RefinerInfo
from nem2e_tf.refiners.patterns import SAMPLES
from nem2e_tf.refiners.refiner import save_refiner
from nem2e_tf.zoo.conformance import CHANNELS, TARGETS, Trial, data


def exports_to_tflite(trial: Trial) -> None:
    """It exports to a .tflite of builtin operators whose output agrees with Keras."""
    x, y, present = data(n_samples=SAMPLES)
    model = trial.make(n_samples=SAMPLES)
    trial.fit(model, x, y, present)
    channels = tuple(f"channel{number}" for number in range(CHANNELS))
    info = RefinerInfo(
        model=trial.entry.name,
        pattern=ALL_ENTIRE,
        targets=JOINT,
        output=trial.entry.outputs[0],
        channels=channels,
        muscles=tuple(
            Muscle(f"muscle{number}", (channels[number],), f"muscle{number}")
            for number in range(TARGETS)
        ),
    )
    reference = Reference(
        simulated=x,
        measured=np.where(present[:, None, :], y, np.float32(np.nan)),
        held_out=np.arange(len(x)) < 3,
    )
    with tempfile.TemporaryDirectory() as folder:
        refiner = save_refiner(None, {JOINT: model}, info, reference)
        export(refiner, Path(folder) / "exported", timed=False)
