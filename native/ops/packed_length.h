// The query that sizes packed buffers; the layouts are those of the convolutions' algorithms and of matmul.
#pragma once

#include "native/program/op.h"

namespace stridenet {

// The number of float32 in the packed buffer of conv2d_pack or matmul_pack for this weight (the weight, or b, and the
// attributes are filled in); 0 when the attributes or shapes are refused by verify's rules.
int64_t packedLength(const Call& call);

}  // namespace stridenet
