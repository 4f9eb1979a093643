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
