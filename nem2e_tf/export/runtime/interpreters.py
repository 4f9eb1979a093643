"""The libraries that run exported models, behind one interface: tensors by name.

Each is imported when a model needs it: LiteRT (``ai-edge-litert``) for ``.tflite``, ONNX Runtime
(``onnxruntime``) for ``.onnx``, TensorFlow for SavedModels only. They run on one thread, which is
fastest for small networks.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE
from nem2e_tf.io.quiet import quiet_stderr
from nem2e_tf.refiners.refiner import load_keras

# LiteRT takes this for a file in memory.
_IN_MEMORY = ":memory"

SHAREABLE = ("float32", "float16")
"""Precisions whose weights can be shared: they are floats when they are packed."""


class Interpreter(Protocol):
    """Runs the signatures of one model.

    Attributes
    ----------
    clipped : int
        Number of input values so far that were clipped to the range of a quantised input.
    """

    clipped: int

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of the signatures."""
        ...

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the inputs of a signature; 0 for a dimension of any size."""
        ...

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a signature on numbers; quantised tensors are converted."""
        ...


class LiteRT:
    """Runs a ``.tflite``.

    Parameters
    ----------
    content : bytes
        The whole file, already checked.
    source : path-like
        Name of the file, for messages.

    Raises
    ------
    InputError
        ai-edge-litert is not installed, or cannot run the file.
    """

    def __init__(self, content: bytes, *, source: "str | os.PathLike[str]") -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter as Library
        except ImportError:
            raise InputError(
                "ai-edge-litert is not installed; install it with: pip install ai-edge-litert"
            ) from None
        self.clipped = 0
        self._source = source
        self._content = content
        self._runners: dict[str, Any] = {}
        self._has_run = False
        try:
            self._library = Library(model_content=content, num_threads=1)
            self.signatures: tuple[str, ...] = tuple(self._library.get_signature_list())
            runner = self._runner(SIGNATURE)
            # a manipulated file may have the signature, but not these tensors
            runner.get_input_details()[INPUT], runner.get_output_details()[OUTPUT]
        except InputError:
            raise
        except (ValueError, RuntimeError, KeyError) as error:
            raise self._cannot(error) from None

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the inputs of a signature."""
        details = self._runner(signature).get_input_details()
        return {name: tuple(map(int, item["shape"])) for name, item in details.items()}

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a signature; see `Interpreter`."""
        runner = self._runner(signature)
        try:
            details = runner.get_input_details()
            # The library announces its delegate on the first run, and has no switch for it.
            with contextlib.nullcontext() if self._has_run else quiet_stderr():
                found = runner(
                    **{name: self._integers(value, details[name]) for name, value in inputs.items()}
                )
            self._has_run = True
        except (ValueError, RuntimeError, KeyError) as error:
            raise self._cannot(error) from None
        details = runner.get_output_details()
        return {name: _numbers(value, details[name]) for name, value in found.items()}

    def _runner(self, signature: str) -> Any:
        # on demand: each runner allocates memory
        if signature not in self._runners:
            self._runners[signature] = self._library.get_signature_runner(signature)
        return self._runners[signature]

    def _integers(self, values: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
        """Convert numbers to the type of a tensor; quantise them if it holds integers."""
        scale, zero = detail["quantization"]
        if not scale:
            return values.astype(detail["dtype"], copy=False)
        steps = np.round(values / scale) + zero
        bounds = np.iinfo(detail["dtype"])
        self.clipped += int(((steps < bounds.min) | (steps > bounds.max)).sum())
        return steps.clip(bounds.min, bounds.max).astype(detail["dtype"])

    def _cannot(self, error: Exception) -> InputError:
        return InputError(
            f"{self._source}: this ai-edge-litert cannot run the file ({_first_line(error)}); "
            "update it with: pip install --upgrade ai-edge-litert"
        )


def _first_line(error: Exception) -> str:
    return "".join(str(error).strip().splitlines()[:1])[:200]


def _numbers(values: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
    scale, zero = detail["quantization"]
    if not scale:
        return values
    return ((values.astype(np.float32) - zero) * scale).astype(np.float32)


class ONNXRuntime:
    """Runs an ``.onnx``, whose only signature is ``refine``; see `LiteRT`."""

    signatures = (SIGNATURE,)

    def __init__(self, content: bytes, *, source: "str | os.PathLike[str]") -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(
                f"{source}: requires onnxruntime, which is not installed; install it with: "
                "pip install 'nem2e-tf[onnx]'"
            ) from None
        self.clipped = 0
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common base
            raise InputError(
                f"{source}: this onnxruntime cannot run the file ({_first_line(error)}); "
                "update it with: pip install --upgrade onnxruntime"
            ) from None

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the inputs."""
        del signature
        return {item.name: tuple(item.shape) for item in self._session.get_inputs()}

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run the file; see `Interpreter`."""
        del signature
        names = [item.name for item in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))


class SavedModel:
    """Runs a SavedModel, with TensorFlow; see `LiteRT`."""

    def __init__(self, folder: Path) -> None:
        load_keras()  # sets TensorFlow's log level
        import tensorflow as tf

        self.clipped = 0
        try:
            self._loaded = tf.saved_model.load(str(folder))
        except Exception as error:  # TensorFlow's errors have no common base
            raise InputError(
                f"{folder}: expected a SavedModel, cannot load it ({_first_line(error)})"
            ) from None
        self.signatures = tuple(self._loaded.signatures)

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of the inputs of a signature; 0 for a dimension of any size."""
        _, inputs = self._loaded.signatures[signature].structured_input_signature
        return {
            name: tuple(size or 0 for size in item.shape.as_list()) for name, item in inputs.items()
        }

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a signature."""
        import tensorflow as tf

        given = {name: tf.constant(value) for name, value in inputs.items()}
        found = self._loaded.signatures[signature](**given)
        return {name: np.asarray(value) for name, value in found.items()}


class SharedWeights(LiteRT):
    """Runs a ``.tflite`` with one copy of each weight, however often its graph reads it.

    An unrolled recurrence multiplies by the same matrices at every sample. LiteRT's interpreter
    packs a separate copy for each product: at 64 units, more than the cache of a core holds. Its
    newer compiled models can keep packed weights in one cache in memory, with bit for bit the same
    results, for weights that are floats. Packed integers contain the scales of one product, which
    the cache does not distinguish (seen with ai-edge-litert 2.3), so such files are refused, and
    every file is compared with the interpreter when it is loaded.

    Only the signature ``refine`` shares its weights. LiteRT's messages are suppressed while a file
    is loaded; when Python ends, it prints two more lines.

    Parameters
    ----------
    content, source
        See `LiteRT`; inputs and outputs must be float32.

    Raises
    ------
    InputError
        ai-edge-litert is not installed or too old, the file has integer inputs or cannot be run, or
        its output differs from that of `LiteRT`.
    """

    def _runner(self, signature: str) -> Any:
        if signature == SIGNATURE and signature not in self._runners:
            self._runners[signature] = self._compiled()
        return super()._runner(signature)

    def _compiled(self) -> "CompiledRunner":
        try:
            runner = CompiledRunner(self._content)
        except ImportError:
            raise InputError(
                f"{self._source}: this ai-edge-litert has no compiled models, which share weights; "
                "update it with: pip install --upgrade ai-edge-litert"
            ) from None
        except ValueError as error:
            raise InputError(f"{self._source}: {error}") from None
        random = np.random.default_rng(0)
        row = {
            name: random.random(tuple(detail["shape"]), dtype=np.float32)
            for name, detail in runner.get_input_details().items()
        }
        found = runner(**row)
        expected = LiteRT(self._content, source=self._source).run(SIGNATURE, **row)
        for name, wanted in expected.items():
            if not np.array_equal(found[name], wanted):
                off = np.abs(found[name] - wanted).max()
                raise InputError(
                    f"{self._source}: {name} differs by up to {off:.1e} with shared weights; "
                    "load it with shared_weights=False"
                )
        return runner


class CompiledRunner:
    """One signature of a compiled model, with the interface of LiteRT's signature runners.

    Parameters
    ----------
    content : bytes
        A ``.tflite``.
    signature : str

    Raises
    ------
    ImportError
        This ai-edge-litert has no compiled models, or none with a weight cache.
    ValueError
        The file has no such signature, or an input or output that is not float32.
    RuntimeError
        The file cannot be compiled.
    """

    def __init__(self, content: bytes, signature: str = SIGNATURE) -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.cpu_options import CpuOptions
        from ai_edge_litert.options import Options

        chosen = CpuOptions(num_threads=1, xnnpack_weight_cache_path=_IN_MEMORY)
        self._content = content  # the model reads it in place
        with quiet_stderr():
            self._model = CompiledModel.from_buffer(content, options=Options(cpu_options=chosen))
            signatures = self._model.get_signature_list()
            if signature not in signatures:
                raise ValueError(f"expected the signature {signature}, found {list(signatures)}")
            self._place = list(signatures).index(signature)
            self._details = (
                self._model.get_input_tensor_details(signature),
                self._model.get_output_tensor_details(signature),
            )
            for detail in (*self._details[0].values(), *self._details[1].values()):
                if detail["dtype"] != "float32":
                    raise ValueError(
                        "weights can be shared if inputs and outputs are float32, found "
                        f"{detail['dtype']}"
                    )
            self._names = signatures[signature]["inputs"], signatures[signature]["outputs"]
            self._inputs = self._model.create_input_buffers(self._place)
            self._outputs = self._model.create_output_buffers(self._place)
            # LiteRT logs its delegate on the first run
            details = self._details[0].items()
            self(**{name: np.zeros(detail["shape"], np.float32) for name, detail in details})

    def get_input_details(self) -> dict[str, Any]:
        """Shape and type of each input; no quantisation."""
        return _plain(self._details[0])

    def get_output_details(self) -> dict[str, Any]:
        """Shape and type of each output; no quantisation."""
        return _plain(self._details[1])

    def __call__(self, **inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run the signature on arrays by name.

        Raises
        ------
        ValueError
            An input is missing or has another shape.
        """
        for name, buffer in zip(self._names[0], self._inputs, strict=True):
            shape = tuple(self._details[0][name]["shape"])
            if name not in inputs or inputs[name].shape != shape:
                given = inputs[name].shape if name in inputs else "none"
                raise ValueError(f"input {name}: expected {shape}, found {given}")
            buffer.write(inputs[name])
        self._model.run_by_index(self._place, self._inputs, self._outputs)
        outputs = {}
        for name, buffer in zip(self._names[1], self._outputs, strict=True):
            shape = tuple(self._details[1][name]["shape"])
            outputs[name] = buffer.read(int(np.prod(shape)), np.float32).reshape(shape)
        return outputs


def _plain(details: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {"shape": np.array(item["shape"]), "dtype": np.float32, "quantization": (0.0, 0)}
        for name, item in details.items()
    }
