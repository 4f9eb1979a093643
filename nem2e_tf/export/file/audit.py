"""The operators and signatures of an exported file, and the check that every runtime can run it.

The names of the signatures and of their tensors are defined here, because files, runtimes and
graphs share them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nem2e_tf.errors import ExportError, InputError

SIGNATURE, INPUT, OUTPUT = "refine", "simulated", "refined"
"""The signature that every file has: ``simulated`` [row, sample, input] to ``refined``."""

ATTENTION, WEIGHTS = "refine_with_attention", "weights"
RECORDING, RECORDED = "refine_recording", "recording"
STEP, SAMPLE = "step", "sample"

FURTHER = (ATTENTION, RECORDING, STEP)
"""Signatures that a ``.tflite`` has on request."""

FEWEST_ROWS = 11
"""Rows of a cycle that ``refine_recording`` needs: fewer do not show the cycle."""

# Operators on variables: the conversion did not freeze the weights into the file.
FORBIDDEN = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")

# Operator sets that every ONNX runtime has; other domains are custom operators.
_STANDARD = ("", "ai.onnx")


@dataclass(frozen=True)
class Signature:
    """A named function of the file: its tensors' names with types and shapes."""

    name: str
    inputs: dict[str, str]
    outputs: dict[str, str]


@dataclass(frozen=True)
class Audit:
    """Operators of all subgraphs, with how often each occurs, and the signatures."""

    operators: dict[str, int]
    signatures: tuple[Signature, ...]

    @property
    def n_operators(self) -> int:
        """Number of operators."""
        return sum(self.operators.values())


def audit_tflite(content: bytes) -> Audit:
    """List the operators and signatures of a TFLite file.

    Parameters
    ----------
    content : bytes
        The file, undamaged: `nem2e_tf.export.file.metadata.read_tflite` checks that.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    codes = []
    for code in model.operatorCodes:
        # files from before 2020 hold the code in the deprecated field
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        custom = text_of(code.customCode) if code.customCode else "CUSTOM"
        codes.append(custom if names.get(number) == "CUSTOM" else names.get(number, str(number)))
    counts = Counter(
        codes[operator.opcodeIndex]
        for graph in model.subgraphs
        for operator in graph.operators or []
    )
    return Audit(
        operators=dict(sorted(counts.items())),
        signatures=tuple(_signature(model, item, schema) for item in model.signatureDefs or []),
    )


def _signature(model: Any, item: Any, schema: Any) -> Signature:
    types = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
    tensors = model.subgraphs[item.subgraphIndex].tensors

    def described(maps: Any) -> dict[str, str]:
        found = {}
        for entry in maps or []:
            tensor = tensors[entry.tensorIndex]
            # only the shape's signature marks dimensions of any size
            sizes = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
            shape = ", ".join("n" if size < 0 else str(int(size)) for size in sizes)
            found[text_of(entry.name)] = f"{types[tensor.type].lower()} [{shape}]"
        return found

    return Signature(text_of(item.signatureKey), described(item.inputs), described(item.outputs))


def check_tflite(found: Audit, *, name: str) -> None:
    """Check that every LiteRT runtime can run a converted file.

    Parameters
    ----------
    found : Audit
        From `audit_tflite`.
    name : str
        Name of the file, for messages.

    Raises
    ------
    ExportError
        It needs Flex or custom operators, reads variables, or the signature ``refine`` is missing.
    """
    from ai_edge_litert import schema_py_generated as schema

    builtin = {key for key in vars(schema.BuiltinOperator) if key.isupper()} - {"CUSTOM"}
    for operator in found.operators:
        if operator.startswith("Flex"):
            reason = "a TensorFlow (Flex) operator, which devices do not have"
        elif operator in FORBIDDEN:
            reason = "an operator on a variable, so the weights were not frozen into the file"
        elif operator not in builtin:
            reason = "a custom operator, which devices do not have"
        else:
            continue
        raise ExportError(f"{name}: expected builtin operators only, found {operator}: {reason}")
    _check_refine(found.signatures, name=name)


def audit_onnx(content: bytes) -> Audit:
    """List the operators of an ONNX file, including those within loops, its inputs and outputs.

    Custom operators are listed with their domain.

    Raises
    ------
    InputError
        The package ``onnx`` is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise InputError(
            "inspecting an ONNX file requires onnx, which is not installed; install it with: "
            "pip install 'nem2e-tf[onnx]'"
        ) from None
    model = onnx.load_from_string(content)
    counts: Counter[str] = Counter()
    waiting = [model.graph, *model.functions]
    while waiting:
        for node in waiting.pop().node:
            custom = node.domain not in _STANDARD
            counts[f"{node.domain}.{node.op_type}" if custom else node.op_type] += 1
            waiting += [item.g for item in node.attribute if item.HasField("g")]

    def described(values: Any) -> dict[str, str]:
        found = {}
        for value in values:
            tensor = value.type.tensor_type
            kind = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
            kind = "float32" if kind == "float" else kind
            found[value.name] = f"{kind} {[item.dim_value for item in tensor.shape.dim]}"
        return found

    signature = Signature(SIGNATURE, described(model.graph.input), described(model.graph.output))
    return Audit(dict(sorted(counts.items())), (signature,))


def check_onnx(found: Audit, *, name: str) -> None:
    """Check that every ONNX runtime can run a converted file; see `check_tflite`.

    Raises
    ------
    ExportError
        It has custom operators, or other inputs or outputs.
    """
    for operator in found.operators:
        if "." in operator:
            raise ExportError(
                f"{name}: expected standard operators only, found {operator}: a custom operator, "
                "which other runtimes do not have"
            )
    _check_refine(found.signatures, name=name)


def _check_refine(signatures: Sequence[Signature], *, name: str) -> None:
    match = [item for item in signatures if item.name == SIGNATURE]
    if not match or set(match[0].inputs) != {INPUT} or set(match[0].outputs) != {OUTPUT}:
        found = [
            f"{one.name} ({', '.join(one.inputs)} to {', '.join(one.outputs)})"
            for one in signatures
        ]
        raise ExportError(
            f"{name}: expected a signature {SIGNATURE} from {INPUT} to {OUTPUT}, "
            f"found {'; '.join(found) or 'none'}"
        )


def text_of(name: "str | bytes") -> str:
    """Decode a name of a flatbuffer."""
    return name.decode() if isinstance(name, bytes) else name
