"""The words that files, options and arguments share, each written once."""

ONE_QUARTER = "one-quarter"
"""Input pattern: each quarter of a cycle of the target's counterpart is a row of its own."""

ONE_ENTIRE = "one-entire"
"""Input pattern: the whole cycle of the target's counterpart."""

ALL_ENTIRE = "all-entire"
"""Input pattern: the whole cycle of all simulated channels."""

PATTERNS = (ONE_QUARTER, ONE_ENTIRE, ALL_ENTIRE)
"""Input patterns: which samples of which channels a model sees."""

QUARTERS = 4
"""Quarters of a cycle, the rows of the input pattern ``one-quarter``."""

EACH = "each"
"""Targets: one model per muscle."""

JOINT = "joint"
"""Targets: one model for all muscles."""

TARGETS = (EACH, JOINT)
"""What the models of a refiner are fitted to."""

DIRECT = "direct"
"""Output: the network predicts activity itself."""

RESIDUAL = "residual"
"""Output: the network predicts the difference from the mean pattern of its training cycles."""

OUTPUTS = (DIRECT, RESIDUAL)
"""What a network predicts."""

FORMATS = ("saved-model", "tflite", "onnx", "micro")
"""File formats that a refiner is exported to."""

PRECISIONS = ("float32", "float16", "dynamic", "int8")
"""Number formats of a TFLite file."""
