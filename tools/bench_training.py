"""Measure the time of one training epoch per fit: stock Keras, PyTorch and this project's engine.

All three train the same architecture on 36 cycles of 20 samples with Adam on one core. Stock Keras
is ``Model.fit`` with ``keras.layers`` (the faster of its looped and unrolled form); PyTorch is
eager. The engine trains many fits at once, and its time is divided by their number. The largest
rate of float32 matrix products that this machine reaches is measured for comparison. Each contender
runs in a process of its own, in turn, on the same core; the table shows medians over rounds.

    tools/bench-training [--entry NAME]... [--batch 36|4]... [--rounds N] [--table FILE.csv]
    tools/bench-training --paper-size      700 units, batch size 1, against the memory bandwidth
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
from paper_size import MEASUREMENTS, paper_size
from training_contenders import (
    CHANNELS_OF_SPATIAL,
    CYCLES,
    SAMPLES,
    UNITS,
    epoch_times,
    time_engine,
    time_keras,
    time_torch,
)

ENTRIES = ("lstm", "seq2seq", "stdr-net-temporal", "stdr-net-spatial", "transformer", "tcn")
BATCHES = (36, 4)
RECURRENT = ("lstm", "seq2seq", "stdr-net-temporal", "stdr-net-spatial")


def measure_peak() -> float:
    """Largest rate of float32 matrix products on one thread, in GFLOP/s."""
    from nem2e_tf.training.chunk import set_up_tensorflow

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
    "peak": lambda *_: measure_peak(),
}


def in_a_process(*arguments: str) -> float:
    """Run one measurement in a separate process."""
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
    parser.add_argument("--paper-size", action="store_true", help="700 units, batch size 1, alone")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="CSV to write")
    arguments = parser.parse_args()
    if arguments.one:
        contender, name, batch = arguments.one
        # a thread of the pipeline or of the runtime on another core would not count
        if hasattr(os, "sched_setaffinity"):  # Linux only
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        print(json.dumps((CONTENDERS | MEASUREMENTS)[contender](name, int(batch))))
        return
    if arguments.paper_size:
        print(paper_size(in_a_process, arguments.rounds).round(2).to_string(index=False))
        return
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
    print("\nMilliseconds an epoch and fit, one core\n", table.round(2).to_string(index=False))
    if arguments.table:
        table.to_csv(arguments.table, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
