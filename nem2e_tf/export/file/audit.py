"""What a TFLite file is made of, and whether a device without TensorFlow can run it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from nem2e_tf.errors import ExportError

SIGNATURE = "refine"
INPUT = "simulated"
OUTPUT = "refined"

# Operators that read variables come out of a conversion that lost the weights.
FORBIDDEN = ("VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE")


@dataclass(frozen=True)
class Signature:
    """A named entrance of the file: tensor names with shapes and types."""

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
        """How many operators there are in all."""
        return sum(self.operators.values())


def audit(content: bytes) -> Audit:
    """List the operators and signatures of a TFLite file.

    Parameters
    ----------
    content : bytes
        The file. It must be whole: `nem2e_tf.export.file.metadata.read` checks that.
    """
    from ai_edge_litert import schema_py_generated as schema

    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    codes = []
    for code in model.operatorCodes:
        # files of before 2020 hold the code in the first field only
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        custom = _text(code.customCode) if code.customCode else "CUSTOM"
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

    def told(maps: Any) -> dict[str, str]:
        found = {}
        for entry in maps or []:
            tensor = tensors[entry.tensorIndex]
            # where a dimension is open, the signature of the shape says so
            sizes = tensor.shape if tensor.shapeSignature is None else tensor.shapeSignature
            shape = ", ".join("n" if size < 0 else str(int(size)) for size in sizes)
            found[_text(entry.name)] = f"{types[tensor.type].lower()} [{shape}]"
        return found

    return Signature(_text(item.signatureKey), told(item.inputs), told(item.outputs))


def check(found: Audit, *, name: str) -> None:
    """Hold a converted file to what every LiteRT runtime can run.

    Parameters
    ----------
    found : Audit
        From `audit`.
    name : str
        What to call the file in messages.

    Raises
    ------
    ExportError
        It needs Flex or custom operators, reads variables, or lacks the signature.
    """
    builtin = _builtin_names()
    for operator in found.operators:
        if operator.startswith("Flex"):
            reason = "a TensorFlow (Flex) operator, which devices do not have"
        elif operator in FORBIDDEN:
            reason = "a variable, so its weights were not frozen into the file"
        elif operator not in builtin:
            reason = "a custom operator, which devices do not have"
        else:
            continue
        raise ExportError(f"{name}: expected builtin operators only, found {operator}: {reason}")
    match = [item for item in found.signatures if item.name == SIGNATURE]
    if not match or set(match[0].inputs) != {INPUT} or set(match[0].outputs) != {OUTPUT}:
        raise ExportError(
            f"{name}: expected a signature {SIGNATURE} from {INPUT} to {OUTPUT}, "
            f"found {', '.join(item.name for item in found.signatures) or 'none'}"
        )


def _builtin_names() -> set[str]:
    from ai_edge_litert import schema_py_generated as schema

    return {name for name in vars(schema.BuiltinOperator) if name.isupper()} - {"CUSTOM"}


def _text(name: "str | bytes") -> str:
    return name.decode() if isinstance(name, bytes) else name
