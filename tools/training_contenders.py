"""The same training in this project's engine, in stock Keras and in PyTorch, each timed.

36 cycles of 20 samples, Adam, one thread; times are milliseconds per epoch and fit. Used by
``tools/bench-training``.
"""

import contextlib
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

CYCLES, SAMPLES, UNITS = 36, 20, 64
CHANNELS_OF_SPATIAL = 92
FITS = {36: 16, 4: 16, 1: 1}
FITS_OF_SPATIAL = 8


def problem(name: str, fits: int) -> tuple[np.ndarray, np.ndarray]:
    """Generate inputs and targets of several fits."""
    rng = np.random.default_rng(0)
    channels = CHANNELS_OF_SPATIAL if name == "stdr-net-spatial" else 1
    x = rng.random((fits * CYCLES, SAMPLES, channels), dtype=np.float32)
    return x, (0.5 * x[:, :, :1] + 0.1).astype(np.float32)


def epoch_times(epoch: Callable[[], Any], *, least: float = 1.5) -> float:
    """Median time of an epoch in milliseconds, after two untimed ones."""
    epoch()
    epoch()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        started = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - started)
    return 1e3 * statistics.median(times)


def time_engine(name: str, batch: int, *, units: int = UNITS) -> float:
    """Milliseconds per epoch and fit in the engine."""
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    from nem2e_tf import zoo
    from nem2e_tf.training.engine import Sizes, Trainer
    from nem2e_tf.training.recipe import recipe
    from nem2e_tf.training.rows import Data, Rows, Task

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
            units=units,
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
        if epoch > 4 and stamps[-1] - stamps[1] > 2.0:
            raise EnoughError

    with contextlib.suppress(EnoughError):
        trainer.fit(Data(x, y, np.ones((len(y), 1), bool)), tasks, on_epoch=stamp)
    return 1e3 * statistics.median(np.diff(stamps[1:])) / fits


def stock_model(name: str, channels: int, *, unroll: bool) -> Any:
    """Build the same architecture from stock Keras layers."""
    import keras
    from keras import layers, ops

    from nem2e_tf.zoo.layers import LuongDecoder

    class PlainDecoder(LuongDecoder):
        """The decoder in plain PyTorch, with automatic gradients."""

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
    """Milliseconds per epoch in ``keras.Model.fit``."""
    from nem2e_tf.training.chunk import set_up_tensorflow

    set_up_tensorflow()
    x, y = problem(name, 1)
    model = stock_model(name, x.shape[2], unroll=unroll)
    model.compile("adam", "mse", jit_compile=False)
    return epoch_times(lambda: model.fit(x, y, batch_size=batch, epochs=1, verbose=0))


def time_torch(name: str, batch: int) -> float:
    """Milliseconds per epoch in eager PyTorch."""
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
