"""TensorFlow set up so that the same inputs give the same numbers."""

import os

from nem2e_tf.io.quiet import quiet_stderr


def set_up_tensorflow() -> None:
    """Make TensorFlow quiet, single-threaded and deterministic; call before it is imported.

    One thread a process: several processes use the cores better than several threads, and sums are
    taken in one order. oneDNN is on: its matrix products are up to four times faster, and on one
    kind of CPU they give the same bits again and again.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
    # oneDNN announces itself before TensorFlow's own log level counts.
    with quiet_stderr():
        import tensorflow as tf

    # It would fold transposed weights back into each of the products that they were made for.
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
    # Raises once TensorFlow has run something: then its threads were chosen by whoever did that.
    try:
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return
