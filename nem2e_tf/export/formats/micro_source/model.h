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
