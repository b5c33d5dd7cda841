// The functions of the module that change pictures: augment, mixup, cutmix, applyOperation and transformNames.
#pragma once

#include "native/addon/convert.h"

namespace stridenet::addon {

void defineAugmentation(napi_env env, napi_value exports);

}  // namespace stridenet::addon
