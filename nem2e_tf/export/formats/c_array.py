"""An exported file as C source: the array, its header, and a usage example."""

import re
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTES_PER_LINE = 16
# tflite-micro's spelling of operators whose names are not capitalised word by word
_SPELLED = {
    "AVERAGE_POOL_2D": "AveragePool2D",
    "BATCH_MATMUL": "BatchMatMul",
    "CONV_2D": "Conv2D",
    "CUMSUM": "CumSum",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "L2_POOL_2D": "L2Pool2D",
    "MAX_POOL_2D": "MaxPool2D",
    "PADV2": "PadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}

_HEADER = Template("""\
/* $title: a refiner for a microcontroller, written by nem2e-tf.

   Signature refine: float [$samples][$inputs] in, float [$samples][$outputs] out, one cycle
   per call; samples equally spaced over the cycle, both ends included.
   Pattern: $pattern.
   In: $inputs_list.
   Out: $outputs_list.
   $form; licence of the training data: $licence.
   SHA-256 of the file in the array, with these 64 digits replaced by zeros:
   $sha256 */

#ifndef ${macro}_MODEL_H
#define ${macro}_MODEL_H

#define ${macro}_SAMPLES $samples
#define ${macro}_INPUTS $inputs
#define ${macro}_OUTPUTS $outputs
/* Smallest arena in which it ran on a 64-bit machine; slightly less on 32-bit controllers. */
#define ${macro}_ARENA_BYTES $arena
#define ${macro}_MODEL_BYTES $size

#ifdef __cplusplus
extern "C" {
#endif

/* A .tflite file, byte for byte; aligned to 16 bytes. */
extern const unsigned char ${name}_model[${macro}_MODEL_BYTES];

#ifdef __cplusplus
}
#endif

#endif
""")

_ARRAY = Template("""\
/* Written by nem2e-tf; see ${name}_model.h. */

#include "${name}_model.h"

#if defined(__cplusplus)
alignas(16)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
_Alignas(16)
#else
__attribute__((aligned(16)))
#endif
const unsigned char ${name}_model[${macro}_MODEL_BYTES] = {
$bytes
};
""")

_MAIN = Template("""\
// Runs ${name}_model with TensorFlow Lite for Microcontrollers. Written by nem2e-tf.
//
// Refines a synthetic cycle and compares the result with LiteRT's; returns 0 if they agree.
// Compile it with ${name}_model.c and the tflite-micro library. The include folders are those of
// tflite-micro and of the flatbuffers, gemmlowp and ruy that it downloads.

#include <math.h>
#include <stdint.h>

#include "${name}_model.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

constexpr int kInputs = ${macro}_SAMPLES * ${macro}_INPUTS;
constexpr int kOutputs = ${macro}_SAMPLES * ${macro}_OUTPUTS;

alignas(16) uint8_t arena[${macro}_ARENA_BYTES];

// Only the operators of this model: each uses flash.
using Operators = tflite::MicroMutableOpResolver<$n_operators>;

TfLiteStatus AddOperators(Operators& operators) {
$operators  return kTfLiteOk;
}

// Writes a number into a float or int8 tensor.
void Put(TfLiteTensor* tensor, int place, float value) {
  if (tensor->type == kTfLiteFloat32) {
    tensor->data.f[place] = value;
    return;
  }
  float step = roundf(value / tensor->params.scale) + tensor->params.zero_point;
  tensor->data.int8[place] = static_cast<int8_t>(fminf(fmaxf(step, -128.0f), 127.0f));
}

float Get(const TfLiteTensor* tensor, int place) {
  if (tensor->type == kTfLiteFloat32) return tensor->data.f[place];
  return (tensor->data.int8[place] - tensor->params.zero_point) * tensor->params.scale;
}

// Refines one cycle: simulated [sample][input] to refined [sample][output].
TfLiteStatus Refine(tflite::MicroInterpreter& interpreter, const float* simulated, float* refined) {
  for (int i = 0; i < kInputs; ++i) Put(interpreter.input(0), i, simulated[i]);
  TF_LITE_ENSURE_STATUS(interpreter.Invoke());
  for (int i = 0; i < kOutputs; ++i) refined[i] = Get(interpreter.output(0), i);
  return kTfLiteOk;
}

// LiteRT's result for the synthetic cycle of main, and the accepted difference from it.
const float kExpected[kOutputs] = {
$expected
};
constexpr float kTolerance = ${tolerance}f;

float simulated[kInputs];
float refined[kOutputs];

}  // namespace

int main() {
  tflite::InitializeTarget();
  Operators operators;
  if (AddOperators(operators) != kTfLiteOk) return 1;
  tflite::MicroInterpreter interpreter(tflite::GetModel(${name}_model), operators, arena,
                                       sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) return 1;
  MicroPrintf("arena: %d of %d bytes used", static_cast<int>(interpreter.arena_used_bytes()),
              static_cast<int>(sizeof(arena)));

  for (int i = 0; i < kInputs; ++i) {
    int sample = i / ${macro}_INPUTS, input = i % ${macro}_INPUTS;
    simulated[i] = 0.5f + 0.4f * sinf(0.93f * sample + 1.7f * input);
  }
  if (Refine(interpreter, simulated, refined) != kTfLiteOk) return 1;

  float largest = 0.0f;
  for (int i = 0; i < kOutputs; ++i) {
    float difference = fabsf(refined[i] - kExpected[i]);
    if (!(difference <= largest)) largest = difference;
  }
  bool agrees = largest <= kTolerance;
  MicroPrintf("largest difference from LiteRT: %d millionths, %s",
              static_cast<int>(largest * 1e6f), agrees ? "agrees" : "DIFFERS");
  return agrees ? 0 : 1;
}
""")


def sources(
    model: str,
    content: bytes,
    *,
    metadata: dict[str, Any],
    arena_bytes: int,
    shape: tuple[int, int, int],
    expected: NDArray[np.float32],
    tolerance: float,
) -> dict[str, str]:
    """Write the C and C++ source of a file: array, header and usage example.

    Parameters
    ----------
    model : str
        Name of the model: a muscle, or ``joint``.
    content : bytes
        The sealed file.
    metadata : dict
        Its embedded metadata.
    arena_bytes : int
        From `nem2e_tf.export.formats.micro.measure_micro`.
    shape : tuple
        Samples, inputs and outputs of a call.
    expected : float32 array [sample, output]
        LiteRT's output for the first of `nem2e_tf.export.formats.micro.synthetic_rows`.
    tolerance : float
        Largest accepted difference of a microcontroller's output from it, in the same units.

    Returns
    -------
    dict of str to str
        Text by file name: ``<name>_model.h``, ``<name>_model.c`` (C99 with GCC or Clang, C11 or
        C++11 with any compiler) and ``<name>_main.cc`` (C++17, tflite-micro).
    """
    name = identifier(model)
    samples, inputs, outputs = shape
    operators = sorted(metadata["operators"])
    words = {
        "name": name,
        "macro": name.upper(),
        "title": f"{metadata['model']}, {model}",
        "samples": samples,
        "inputs": inputs,
        "outputs": outputs,
        "pattern": metadata["pattern"],
        "inputs_list": _wrapped(metadata["channels"], what="channel"),
        "outputs_list": _wrapped([item["name"] for item in metadata["muscles"]], what="muscle"),
        "form": f"{metadata['precision']}, recurrence {metadata['recurrence']}",
        "licence": metadata["licence"],
        "sha256": metadata["content_sha256"],
        "arena": arena_bytes,
        "size": len(content),
        "bytes": _hexadecimal(content),
        "n_operators": len(operators),
        "operators": "".join(
            f"  TF_LITE_ENSURE_STATUS(operators.{adder(operator)}());\n" for operator in operators
        ),
        "expected": _numbers(expected),
        "tolerance": np.format_float_scientific(np.float32(tolerance), trim="-"),
    }
    # metadata come from users: they must not end the comment
    safe = {key: str(word).replace("*/", "* /").replace("/*", "/ *") for key, word in words.items()}
    return {
        f"{name}_model.h": _HEADER.substitute(safe),
        f"{name}_model.c": _ARRAY.substitute(safe),
        f"{name}_main.cc": _MAIN.substitute(safe),
    }


def identifier(name: str) -> str:
    """Make a C identifier of a model's name.

    Examples
    --------
    >>> identifier("glmed1"), identifier("vastus lat."), identifier("1st")
    ('glmed1', 'vastus_lat_', 'model_1st')
    """
    plain = re.sub(r"\W", "_", name, flags=re.ASCII)
    return plain if plain[:1].isalpha() else f"model_{plain}"


def adder(operator: str) -> str:
    """Name the method of tflite-micro's resolver that adds an operator.

    Examples
    --------
    >>> adder("FULLY_CONNECTED"), adder("BATCH_MATMUL"), adder("SELECT_V2")
    ('AddFullyConnected', 'AddBatchMatMul', 'AddSelectV2')
    """
    words = operator.split("_")
    return "Add" + _SPELLED.get(operator, "".join(word.capitalize() for word in words))


def _wrapped(names: list[str], *, what: str) -> str:
    """Wrap a list of names over several lines of a comment."""
    lines = [f"{len(names)} {what}{'s'[: len(names) > 1]}:"]
    for name in names:
        word = " ".join(name.split())
        if len(lines[-1]) + len(word) > 90:
            lines.append(f"     {word}")
        else:
            lines[-1] += f" {word}"
    return "\n".join(lines)


def _hexadecimal(content: bytes) -> str:
    rows = (
        content[start : start + _BYTES_PER_LINE]
        for start in range(0, len(content), _BYTES_PER_LINE)
    )
    return "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)


def _numbers(values: NDArray[np.float32]) -> str:
    return "\n".join(
        "    " + " ".join(f"{np.format_float_scientific(value, trim='0')}f," for value in row)
        for row in values
    )
