"""Time one epoch of training a fit: stock Keras, PyTorch and this project's engine, in one run.

All three do the same work: the same architecture, 36 cycles of 20 samples, Adam, one thread. Stock
Keras is ``Model.fit`` with ``keras.layers`` (the faster of its looped and its unrolled form),
PyTorch is eager. The engine trains many fits together; its time is divided by their number. The
machine's largest measured rate of float32 matrix products, in the same process, puts the times into
proportion. Each contender runs in a process of its own, in turn; medians over rounds are given.

Run by ``tools/bench-training``, which makes the environment.
"""

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CYCLES, SAMPLES, UNITS = 36, 20, 64
ENTRIES = ("lstm", "seq2seq", "stdr-net-temporal", "stdr-net-spatial", "transformer", "tcn")
BATCHES = (36, 4)
RECURRENT = ("lstm", "seq2seq", "stdr-net-temporal", "stdr-net-spatial")
CHANNELS_OF_SPATIAL = 92
FITS = {36: 16, 4: 16}
FITS_OF_SPATIAL = 8


def problem(name: str, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Make inputs and targets of some fits."""
    rng = np.random.default_rng(0)
    channels = CHANNELS_OF_SPATIAL if name == "stdr-net-spatial" else 1
    x = rng.random((fits * CYCLES, SAMPLES, channels), dtype=np.float32)
    return x, (0.5 * x[:, :, :1] + 0.1).astype(np.float32)


def epoch_times(epoch: Callable[[], Any], *, least: float = 1.5) -> float:
    """Median time of an epoch in milliseconds, after two that do not count."""
    epoch()
    epoch()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        started = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def time_engine(name: str, batch: int) -> float:
    """Milliseconds an epoch and fit in the engine."""
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    from nem2e_tf import zoo
    from nem2e_tf.training.engine import Trainer
    from nem2e_tf.training.recipe import recipe
    from nem2e_tf.training.tasks import Data, Rows, Sizes, Task

    fits = FITS_OF_SPATIAL if name == "stdr-net-spatial" else FITS[batch]
    x, y = problem(name, fits)
    chosen = recipe(
        "fast", batch_size=batch, dropout=0.0, epochs=10_000, epochs_without_validation=10_000
    )
    trainer = Trainer(
        lambda: zoo.create(
            name,
            n_samples=SAMPLES,
            n_channels=x.shape[2],
            n_targets=1,
            counterparts=[[0]],
            units=UNITS,
        ),
        chosen,
        Sizes(fits, CYCLES, 0, 0),
    )
    nothing = Rows(np.arange(0), np.arange(0))
    tasks = []
    for fit in range(fits):
        rows = np.arange(CYCLES) + fit * CYCLES
        tasks.append(Task(0, fit, Rows(rows, rows), nothing, nothing))
    stamps: list[float] = []

    class EnoughError(Exception):
        pass

    def stamp(epoch: int) -> None:
        stamps.append(time.perf_counter())
        if epoch > 8 and stamps[-1] - stamps[2] > 2.0:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        trainer.fit(Data(x, y, np.ones((len(y), 1), bool)), tasks, on_epoch=stamp)
    return 1e3 * statistics.median(np.diff(stamps[2:])) / fits


def stock_model(name: str, channels: int, *, unroll: bool) -> Any:
    """Make the same architecture of Keras' own layers."""
    import keras
    from keras import layers, ops

    from nem2e_tf.zoo.layers import LuongDecoder

    class PlainDecoder(LuongDecoder):
        """The decoder as one would write it: differentiated automatically."""

        def call(self, memory: Any, hidden: Any, cell: Any) -> Any:
            return super().call(memory, hidden, cell, training=False)[0]

        def compute_output_spec(self, *inputs: Any, **others: Any) -> Any:
            return super().compute_output_spec(*inputs, **others)[0]

    inputs = keras.Input((SAMPLES, channels))
    if name == "lstm":
        features = layers.LSTM(UNITS, return_sequences=True, unroll=unroll)(inputs)
    elif name == "transformer":
        features = layers.Dense(UNITS)(inputs)
        for _ in range(2):
            block = layers.LayerNormalization(epsilon=1e-6)(features)
            features = features + layers.MultiHeadAttention(4, UNITS // 4)(block, block)
            block = layers.LayerNormalization(epsilon=1e-6)(features)
            block = layers.Dense(UNITS)(layers.Dense(2 * UNITS, activation="relu")(block))
            features = features + block
        features = layers.LayerNormalization(epsilon=1e-6)(features)
    elif name == "tcn":
        features = layers.Dense(UNITS)(inputs)
        for dilation in (1, 2, 4):
            block = features
            for _ in range(2):
                block = layers.Conv1D(
                    UNITS, 3, padding="same", dilation_rate=dilation, activation="relu"
                )(block)
            features = features + block
    else:
        tokens = ops.transpose(inputs, (0, 2, 1)) if name == "stdr-net-spatial" else inputs
        encoded = layers.LSTM(UNITS, return_sequences=True, return_state=True, unroll=unroll)(
            tokens
        )
        decoder = PlainDecoder(
            UNITS,
            n_targets=1,
            n_samples=SAMPLES,
            attention=name != "seq2seq",
            form="unrolled" if unroll else "loop",
        )
        return keras.Model(inputs, decoder(*encoded))
    return keras.Model(inputs, layers.Dense(1)(features))


def time_keras(name: str, batch: int, *, unroll: bool) -> float:
    """Milliseconds an epoch in ``keras.Model.fit``."""
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    x, y = problem(name, 1)
    model = stock_model(name, x.shape[2], unroll=unroll)
    model.compile("adam", "mse", jit_compile=False)
    return epoch_times(lambda: model.fit(x, y, batch_size=batch, epochs=1, verbose=0))


def time_torch(name: str, batch: int) -> float:
    """Milliseconds an epoch in eager PyTorch."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    x, y = (torch.from_numpy(array) for array in problem(name, 1))
    channels = x.shape[2]

    class Decoded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.LSTM(
                SAMPLES if name == "stdr-net-spatial" else channels, UNITS, batch_first=True
            )
            self.cell = nn.LSTMCell(1, UNITS)
            self.score = nn.Linear(UNITS, UNITS, bias=False)
            self.combine = nn.Linear(2 * UNITS, UNITS)
            self.head = nn.Linear(UNITS, 1)

        def forward(self, inputs: Any) -> Any:
            tokens = inputs.transpose(1, 2) if name == "stdr-net-spatial" else inputs
            memory, (hidden, cell) = self.encoder(tokens)
            hidden, cell = hidden[0], cell[0]
            keys = self.score(memory).transpose(1, 2)
            output = inputs.new_zeros(len(inputs), 1)
            outputs = []
            for _ in range(SAMPLES):
                hidden, cell = self.cell(output, (hidden, cell))
                seen = hidden
                if name != "seq2seq":
                    weights = torch.softmax(hidden[:, None] @ keys, -1)
                    context = (weights @ memory)[:, 0]
                    seen = torch.tanh(self.combine(torch.cat([context, hidden], -1)))
                output = self.head(seen)
                outputs.append(output)
            return torch.stack(outputs, 1)

    class Recurrent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrence = nn.LSTM(channels, UNITS, batch_first=True)
            self.head = nn.Linear(UNITS, 1)

        def forward(self, inputs: Any) -> Any:
            return self.head(self.recurrence(inputs)[0])

    torch.manual_seed(0)
    model = Recurrent() if name == "lstm" else Decoded()
    optimiser = torch.optim.Adam(model.parameters())

    def epoch() -> None:
        for start in range(0, CYCLES, batch):
            rows = slice(start, start + batch)
            optimiser.zero_grad()
            ((model(x[rows]) - y[rows]) ** 2).mean().backward()
            optimiser.step()

    return epoch_times(epoch)


def measure_peak() -> float:
    """Largest rate of float32 matrix products on one thread, in GFLOP/s."""
    from nem2e_tf.training.runtime import set_up_tensorflow

    set_up_tensorflow()
    import tensorflow as tf

    a = tf.random.normal((1024, 1024))
    product = tf.function(lambda: tf.matmul(a, a))
    milliseconds = epoch_times(product, least=1.0)
    return 2 * 1024**3 / milliseconds / 1e6


def matrix_work(name: str) -> float:
    """GFLOP of matrix products in an epoch of one fit, forwards and backwards."""
    rows = CYCLES * SAMPLES
    gates = 4 * UNITS
    step = 2 * UNITS * gates
    tokens = CHANNELS_OF_SPATIAL if name == "stdr-net-spatial" else SAMPLES
    encoder_input = SAMPLES if name == "stdr-net-spatial" else 1
    encoder = CYCLES * tokens * (2 * encoder_input * gates + step)
    decoder = rows * (2 * gates + step + 2 * UNITS)
    looking = rows * (4 * tokens * UNITS + 4 * UNITS * UNITS) + 2 * CYCLES * tokens * UNITS**2
    forward = {
        "lstm": rows * (2 * gates + step + 2 * UNITS),
        "seq2seq": encoder + decoder,
        "stdr-net-temporal": encoder + decoder + looking,
        "stdr-net-spatial": encoder + decoder + looking,
        "transformer": rows * 2 * (2 * UNITS * UNITS * 8 + 4 * SAMPLES * UNITS),
        "tcn": rows * 6 * 2 * 3 * UNITS * UNITS,
    }[name]
    return 3 * forward / 1e9


CONTENDERS: dict[str, Callable[[str, int], float]] = {
    "engine": time_engine,
    "keras-loop": lambda name, batch: time_keras(name, batch, unroll=False),
    "keras-unrolled": lambda name, batch: time_keras(name, batch, unroll=True),
    "torch": time_torch,
}


def in_a_process(*arguments: str) -> float:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__, "--one", *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--entry", action="append", choices=ENTRIES)
    parser.add_argument("--batch", action="append", type=int, choices=BATCHES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="CSV to write")
    arguments = parser.parse_args()
    if arguments.one:
        contender, name, batch = arguments.one
        value = measure_peak() if contender == "peak" else CONTENDERS[contender](name, int(batch))
        print(json.dumps(value))
        return
    import pandas as pd

    rows = []
    for name in arguments.entry or ENTRIES:
        for batch in arguments.batch or BATCHES:
            contenders = ["engine", "keras-unrolled"]
            if name not in ("transformer", "tcn"):
                contenders += ["keras-loop", "torch"]
            times: dict[str, list[float]] = {contender: [] for contender in [*contenders, "peak"]}
            for _ in range(arguments.rounds):
                for contender in times:
                    times[contender].append(in_a_process(contender, name, str(batch)))
            median = {contender: statistics.median(values) for contender, values in times.items()}
            keras = min(median[c] for c in contenders if c.startswith("keras"))
            floor = 1e3 * matrix_work(name) / median["peak"]
            rows.append(
                {
                    "entry": name,
                    "batch": batch,
                    "engine ms": median["engine"],
                    "keras ms": keras,
                    "keras / engine": keras / median["engine"],
                    "torch ms": median.get("torch", float("nan")),
                    "torch / engine": median.get("torch", float("nan")) / median["engine"],
                    "peak GFLOP/s": median["peak"],
                    "engine / floor": median["engine"] / floor,
                }
            )
            print(pd.DataFrame(rows[-1:]).round(2).to_string(index=False), flush=True)
    table = pd.DataFrame(rows)
    print("\nMilliseconds an epoch and fit, one thread\n", table.round(2).to_string(index=False))
    if arguments.table:
        table.to_csv(arguments.table, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
