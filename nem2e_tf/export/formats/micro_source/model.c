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
