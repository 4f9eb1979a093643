"""The libraries that run exported files, behind one call: tensors by name in, tensors by name out.

Each is imported when a file needs it: LiteRT (``ai-edge-litert``) for ``.tflite``, ONNX Runtime
(``onnxruntime``) for ``.onnx``. One thread, which is fastest for networks as small as these.
"""

import os
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE


class Interpreter(Protocol):
    """Runs the signatures of one file.

    Attributes
    ----------
    held : int
        How many numbers were held at the bounds of what a fully quantised input takes, so far.
    """

    held: int

    @property
    def signatures(self) -> tuple[str, ...]:
        """Names of the file's signatures."""
        ...

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what goes into one."""
        ...

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run one; numbers in, numbers out, whatever type its tensors have."""
        ...


class LiteRT:
    """Runs a ``.tflite``.

    Parameters
    ----------
    content : bytes
        The whole file, checked.
    source : path-like
        What to call it in messages.

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
        self.held = 0
        self._source = source
        self._content = content
        self._runners: dict[str, Any] = {}
        try:
            self._library = Library(model_content=content, num_threads=1)
            self.signatures: tuple[str, ...] = tuple(self._library.get_signature_list())
            runner = self._runner(SIGNATURE)
            # a file that was made to deceive may have the signature, but not these
            runner.get_input_details()[INPUT], runner.get_output_details()[OUTPUT]
        except (ValueError, RuntimeError, KeyError) as error:
            raise self._cannot(error) from None

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what goes into a signature."""
        details = self._runner(signature).get_input_details()
        return {name: tuple(map(int, item["shape"])) for name, item in details.items()}

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run a signature; see `Interpreter`."""
        runner = self._runner(signature)
        try:
            details = runner.get_input_details()
            found = runner(
                **{name: self._integers(value, details[name]) for name, value in inputs.items()}
            )
        except (ValueError, RuntimeError, KeyError) as error:
            raise self._cannot(error) from None
        details = runner.get_output_details()
        return {name: _numbers(value, details[name]) for name, value in found.items()}

    def _runner(self, signature: str) -> Any:
        # one at a time, as they are asked for: each keeps memory of its own
        if signature not in self._runners:
            self._runners[signature] = self._library.get_signature_runner(signature)
        return self._runners[signature]

    def _integers(self, values: NDArray[Any], detail: dict[str, Any]) -> NDArray[Any]:
        """Turn numbers into what the tensor holds: themselves, or steps of its scale."""
        scale, zero = detail["quantization"]
        if not scale:
            return values.astype(detail["dtype"], copy=False)
        steps = np.round(values / scale) + zero
        bounds = np.iinfo(detail["dtype"])
        self.held += int(((steps < bounds.min) | (steps > bounds.max)).sum())
        return steps.clip(bounds.min, bounds.max).astype(detail["dtype"])

    def _cannot(self, error: Exception) -> InputError:
        first = str(error).strip().splitlines()[:1]
        return InputError(
            f"{self._source}: this ai-edge-litert cannot run the file ({''.join(first)[:200]}); "
            "update it with: pip install --upgrade ai-edge-litert"
        )


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
                f"{source}: needs onnxruntime, which is not installed; install it with: "
                "pip install 'nem2e-tf[onnx]'"
            ) from None
        self.held = 0
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no base of their own
            first = str(error).strip().splitlines()[:1]
            raise InputError(
                f"{source}: this onnxruntime cannot run the file ({''.join(first)[:200]}); "
                "update it with: pip install --upgrade onnxruntime"
            ) from None

    def shapes(self, signature: str) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what goes in."""
        del signature
        return {item.name: tuple(item.shape) for item in self._session.get_inputs()}

    def run(self, signature: str, /, **inputs: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Run the file; see `Interpreter`."""
        del signature
        names = [item.name for item in self._session.get_outputs()]
        return dict(zip(names, self._session.run(names, inputs), strict=True))
