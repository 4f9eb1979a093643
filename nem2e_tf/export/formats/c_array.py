"""An exported file as C source: an array, its header, and a program that shows how to run it."""

import re
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTES_A_LINE = 16
# tflite-micro's own spelling where it is not the operator's name in capitals, word by word
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

   Signature refine: float [$samples][$inputs] in, float [$samples][$outputs] out, one cycle a call;
   samples equally spaced over the cycle, both ends included.
   Pattern: $pattern.
   In: $takes.
   Out: $gives.
   $form; licence of the training data: $licence.
   SHA-256 of the file in the array, its own 64 digits taken as zeros:
   $sha256 */

#ifndef ${macro}_MODEL_H
#define ${macro}_MODEL_H

#define ${macro}_SAMPLES $samples
#define ${macro}_INPUTS $inputs
#define ${macro}_OUTPUTS $outputs
/* Smallest arena it ran in on a 64-bit machine; a 32-bit microcontroller needs a little less. */
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
// How to run ${name}_model with TensorFlow Lite for Microcontrollers. Written by nem2e-tf.
//
// Refines a made-up cycle and compares the result with LiteRT's; returns 0 where they agree.
// Compile it with ${name}_model.c and tflite-micro's library; its include folders are its own root
// and those of the flatbuffers, gemmlowp and ruy that it downloads.

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

// The operators of this model and no others: each takes flash.
using Operators = tflite::MicroMutableOpResolver<$n_operators>;

TfLiteStatus AddOperators(Operators& operators) {
$operators  return kTfLiteOk;
}

// Puts a number into a tensor that holds numbers or their int8 steps.
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

// What LiteRT gives for the made-up cycle of main, and how far it may be missed.
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
    """Write a file's bytes, header and usage example as C and C++ source.

    Parameters
    ----------
    model : str
        Name of the refiner's model: a muscle, or ``joint``.
    content : bytes
        The sealed file.
    metadata : dict
        What is embedded in it.
    arena_bytes : int
        What `nem2e_tf.export.formats.micro.measure` found.
    shape : tuple
        Samples, inputs and outputs of a call.
    expected : float32 array [sample, output]
        What LiteRT gives for `nem2e_tf.export.formats.micro.made_up`'s first row.
    tolerance : float
        How far a microcontroller's result may be from it, in the output's units.

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
        "takes": _wrapped(metadata["channels"], what="channel"),
        "gives": _wrapped([item["name"] for item in metadata["muscles"]], what="muscle"),
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
    # metadata is other people's text: it must not end the comment it stands in
    safe = {key: str(word).replace("*/", "* /").replace("/*", "/ *") for key, word in words.items()}
    return {
        f"{name}_model.h": _HEADER.substitute(safe),
        f"{name}_model.c": _ARRAY.substitute(safe),
        f"{name}_main.cc": _MAIN.substitute(safe),
    }


def identifier(name: str) -> str:
    """Make a C name of a model's name.

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
    """List names over several lines of a comment."""
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
        content[start : start + _BYTES_A_LINE] for start in range(0, len(content), _BYTES_A_LINE)
    )
    return "\n".join("    " + " ".join(f"0x{byte:02x}," for byte in row) for row in rows)


def _numbers(values: NDArray[np.float32]) -> str:
    return "\n".join(
        "    " + " ".join(f"{np.format_float_scientific(value, trim='0')}f," for value in row)
        for row in values
    )
