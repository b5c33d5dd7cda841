// Operations by their names, with all numbers given: how they are compared with torchvision's.
#pragma once

#include "native/augment/operations.h"
#include "native/base/status.h"

namespace stridenet {

// Numbers in the order of the function's parameters (operations.h). Refuses what does not fit the picture.
Status applyFixed(const char* name, const double* numbers, size_t count, Picture& picture);

}  // namespace stridenet
