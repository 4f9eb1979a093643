"""What an ONNX file is made of, and whether every ONNX runtime can run it."""

from collections import Counter
from typing import Any

from nem2e_tf.errors import ExportError, InputError
from nem2e_tf.export.file.audit import INPUT, OUTPUT, SIGNATURE, Audit, Signature

# what every runtime has; other domains are somebody's own operators
_STANDARD = ("", "ai.onnx")


def audit(content: bytes) -> Audit:
    """List the operators of an ONNX file, those within loops too, and what goes in and out.

    Operators outside the standard are named with their domain.

    Raises
    ------
    InputError
        The package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(
            "looking into an ONNX file needs onnx, which is not installed; install it with: "
            "pip install 'nem2e-tf[onnx]'"
        ) from None
    model = onnx.load_from_string(content)
    counts: Counter[str] = Counter()
    waiting = [model.graph, *model.functions]
    while waiting:
        for node in waiting.pop().node:
            own = node.domain not in _STANDARD
            counts[f"{node.domain}.{node.op_type}" if own else node.op_type] += 1
            waiting += [item.g for item in node.attribute if item.HasField("g")]

    def told(values: Any) -> dict[str, str]:
        found = {}
        for value in values:
            tensor = value.type.tensor_type
            kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
            kind = "float32" if kind == "float" else kind
            found[value.name] = f"{kind} {[item.dim_value for item in tensor.shape.dim]}"
        return found

    signature = Signature(SIGNATURE, told(model.graph.input), told(model.graph.output))
    return Audit(dict(sorted(counts.items())), (signature,))


def check(found: Audit, *, name: str) -> None:
    """Hold a converted file to what every ONNX runtime can run.

    Raises
    ------
    ExportError
        It has operators outside the standard, or other tensors go in and out.
    """
    for operator in found.operators:
        if "." in operator:
            raise ExportError(
                f"{name}: expected standard operators only, found {operator}, which other "
                "runtimes do not have"
            )
    (signature,) = found.signatures
    if set(signature.inputs) != {INPUT} or set(signature.outputs) != {OUTPUT}:
        raise ExportError(
            f"{name}: expected {INPUT} to {OUTPUT}, found {', '.join(signature.inputs)} to "
            f"{', '.join(signature.outputs)}"
        )
