"""Run an unrolled ``.tflite`` with one copy of each weight, however often its graph reads it.

An unrolled recurrence multiplies by the same matrices at every sample. LiteRT's interpreter packs a
copy of its own for each of these products: at 64 units more than a core's cache holds. Its newer
compiled models can keep packed weights in a cache in memory, where the copies are one; the numbers
are the same, bit for bit. Only for weights that are floats: packed integers carry what belongs to
one product alone, which the cache does not tell apart (seen with ai-edge-litert 2.3), so such
files are refused, and every file is compared with the interpreter when it is loaded.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nem2e_tf.errors import InputError
from nem2e_tf.export.file.audit import SIGNATURE
from nem2e_tf.export.runtime.interpreters import LiteRT
from nem2e_tf.io.quiet import quiet_stderr

# Not a file: what LiteRT takes for one in memory.
IN_MEMORY = ":memory"

# Precisions whose weights are floats when they are packed.
SHAREABLE = ("float32", "float16")


class SharedWeights(LiteRT):
    """Runs a ``.tflite`` that takes and gives float32; see `LiteRT`.

    The signature ``refine`` shares its weights; others run as they do there. LiteRT's messages
    while a file is loaded are dropped; when Python ends it prints two more lines.

    Parameters
    ----------
    content : bytes
        The whole file, checked.
    source : path-like
        What to call it in messages.

    Raises
    ------
    InputError
        ai-edge-litert is not installed or too old, the file takes integers or cannot be run, or
        gives other numbers than with weights of its own.
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
                f"{self._source}: this ai-edge-litert has no compiled models to share weights in; "
                "update it with: pip install --upgrade ai-edge-litert"
            ) from None
        random = np.random.default_rng(0)
        row = {
            name: random.random(tuple(detail["shape"]), dtype=np.float32)
            for name, detail in runner.get_input_details().items()
        }
        found = runner(**row)
        for name, wanted in (
            LiteRT(self._content, source=self._source).run(SIGNATURE, **row).items()
        ):
            if not np.array_equal(found[name], wanted):
                off = np.abs(found[name] - wanted).max()
                raise InputError(
                    f"{self._source}: {name} is off by up to {off:.1e} with shared weights; "
                    "load it without"
                )
        return runner


class CompiledRunner:
    """One signature of a compiled model, called as LiteRT's own runner of signatures.

    Parameters
    ----------
    content : bytes
        A ``.tflite``.
    signature : str

    Raises
    ------
    ImportError
        This ai-edge-litert has no compiled models, or none with such a cache.
    ValueError
        The file has no such signature, or takes or gives something else than float32.
    RuntimeError
        The file cannot be compiled.
    """

    def __init__(self, content: bytes, signature: str = SIGNATURE) -> None:
        from ai_edge_litert.compiled_model import CompiledModel
        from ai_edge_litert.cpu_options import CpuOptions
        from ai_edge_litert.options import Options

        chosen = CpuOptions(num_threads=1, xnnpack_weight_cache_path=IN_MEMORY)
        self._content = content  # it is read where it lies
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
                        f"weights are shared in files that take and give float32, found "
                        f"{detail['dtype']}"
                    )
            self._names = signatures[signature]["inputs"], signatures[signature]["outputs"]
            self._inputs = self._model.create_input_buffers(self._place)
            self._outputs = self._model.create_output_buffers(self._place)
            # the first run announces the delegate
            self(
                **{
                    name: np.zeros(detail["shape"], np.float32)
                    for name, detail in self._details[0].items()
                }
            )

    def get_input_details(self) -> dict[str, Any]:
        """Shape, type and (no) quantisation of each input."""
        return _plain(self._details[0])

    def get_output_details(self) -> dict[str, Any]:
        """Shape, type and (no) quantisation of each output."""
        return _plain(self._details[1])

    def __call__(self, **inputs: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Run; arrays by name in, arrays by name out.

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
